namespace MM1.Native.Models;

/// <summary>Name maps of image encoders and connectors in other programs' files.</summary>
public static class VisionWeightMaps
{
    /// <summary>CLIP's image encoder as Hugging Face transformers names it (modeling_clip.py); <c>pre_layrnorm</c> is their spelling.</summary>
    /// <param name="postNorm">Whether the model has a post-norm; the file's is passed over where it has not.</param>
    /// <param name="projection">Whether the model has a projection.</param>
    public static WeightMap HuggingFaceClip(bool postNorm = false, bool projection = false)
    {
        WeightMap map = new WeightMap()
            .Add("patch_embedding.weight", "vision_model.embeddings.patch_embedding.weight", WeightLayout.ChannelsLast)
            .Add("class_embedding", "vision_model.embeddings.class_embedding")
            .Add("position_embedding", "vision_model.embeddings.position_embedding.weight")
            .Add("pre_norm.{p}", "vision_model.pre_layrnorm.{p}")
            .Add("layers.{i}.attention_norm.{p}", "vision_model.encoder.layers.{i}.layer_norm1.{p}")
            .Add("layers.{i}.mlp_norm.{p}", "vision_model.encoder.layers.{i}.layer_norm2.{p}")
            .Add("layers.{i}.attention.qkv.{p}", [.. "qkv".Select(part => $"vision_model.encoder.layers.{{i}}.self_attn.{part}_proj.{{p}}")])
            .Add("layers.{i}.attention.output.{p}", "vision_model.encoder.layers.{i}.self_attn.out_proj.{p}")
            .Add("layers.{i}.mlp.{fc}.{p}", "vision_model.encoder.layers.{i}.mlp.{fc}.{p}")
            .Add("post_norm.{p}", "vision_model.post_layernorm.{p}")
            .Add("projection.weight", "visual_projection.weight")
            // The text encoder, the temperature, and a buffer of older files.
            .Ignore("text_model.*").Ignore("text_projection.*").Ignore("logit_scale").Ignore("logit_bias").Ignore("*.position_ids");
        if (!postNorm) map.Ignore("vision_model.post_layernorm.*");
        return projection ? map : map.Ignore("visual_projection.*");
    }

    /// <summary>CLIP's image encoder as OpenAI and open_clip name it, under <c>visual.</c> (clip/model.py).</summary>
    /// <param name="postNorm">Whether the model has a post-norm.</param>
    /// <param name="projection">Whether the model has a projection.</param>
    public static WeightMap OpenClip(bool postNorm = false, bool projection = false)
    {
        WeightMap map = new WeightMap { Scope = "visual." }
            .Add("patch_embedding.weight", "conv1.weight", WeightLayout.ChannelsLast)
            .Add("class_embedding", "class_embedding")
            .Add("position_embedding", "positional_embedding")
            .Add("pre_norm.{p}", "ln_pre.{p}")
            .Add("layers.{i}.attention_norm.{p}", "transformer.resblocks.{i}.ln_1.{p}")
            .Add("layers.{i}.mlp_norm.{p}", "transformer.resblocks.{i}.ln_2.{p}")
            .Add("layers.{i}.attention.qkv.{p}", "transformer.resblocks.{i}.attn.in_proj_{p}")
            .Add("layers.{i}.attention.output.{p}", "transformer.resblocks.{i}.attn.out_proj.{p}")
            .Add("layers.{i}.mlp.fc1.{p}", "transformer.resblocks.{i}.mlp.c_fc.{p}")
            .Add("layers.{i}.mlp.fc2.{p}", "transformer.resblocks.{i}.mlp.c_proj.{p}")
            .Add("post_norm.{p}", "ln_post.{p}")
            .Add("projection.weight", "proj", WeightLayout.Transposed);
        if (!postNorm) map.Ignore("visual.ln_post.*");
        return projection ? map : map.Ignore("visual.proj");
    }

    /// <summary>AIM (apple/ml-aim, aim-v1). Blocks from <paramref name="layers"/> on are passed over.</summary>
    /// <param name="layers">Blocks of the model.</param>
    /// <param name="postNorm">Whether the model has a post-norm.</param>
    public static WeightMap Aim(int layers, bool postNorm = false)
    {
        WeightMap map = new WeightMap()
            .Add("patch_embedding.weight", "preprocessor.patchifier.proj.weight", WeightLayout.ChannelsLast)
            .Add("patch_embedding.bias", "preprocessor.patchifier.proj.bias")
            .Add("patch_norm.{p}", "preprocessor.patchifier.norm.{p}")
            .Add("layers.{i}.attention_norm.{p}", "trunk.blocks.{i}.norm_1.{p}")
            .Add("layers.{i}.mlp_norm.{p}", "trunk.blocks.{i}.norm_2.{p}")
            .Add("layers.{i}.attention.qkv.{p}", "trunk.blocks.{i}.attn.qkv.{p}")
            .Add("layers.{i}.attention.output.{p}", "trunk.blocks.{i}.attn.proj.{p}")
            .Add("layers.{i}.mlp.{fc}.{p}", "trunk.blocks.{i}.mlp.{fc}.{p}")
            .Add("post_norm.{p}", "trunk.post_trunk_norm.{p}")
            .Ignore("head.*");
        if (!postNorm) map.Ignore("trunk.post_trunk_norm.*");
        for (int i = layers; i < 64; i++) map.Ignore($"trunk.blocks.{i}.*");
        return map;
    }

    /// <summary>Honeybee's C-Abstractor, <c>abstractor.</c> (timm's names inside the stages, whose blocks count from 1).</summary>
    /// <param name="depth">Blocks of a stage.</param>
    public static WeightMap HoneybeeAbstractor(int depth = 3)
    {
        WeightMap map = new WeightMap { Scope = "abstractor." }.Add("position_embedding", "pos_emb", WeightLayout.Reshaped);
        foreach ((string stage, int net) in new[] { ("stage1", 0), ("stage2", 2) })
        {
            for (int i = 0; i < depth; i++)
            {
                string ours = $"{stage}.{i}.", theirs = $"net.{net}.b{i + 1}.";
                for (int c = 1; c <= 3; c++)
                {
                    map.Add($"{ours}conv{c}.weight", $"{theirs}conv{c}.conv.weight", c == 2 ? WeightLayout.ChannelsLast : WeightLayout.Reshaped);
                    map.Add($"{ours}norm{c}.{{p}}", $"{theirs}conv{c}.bn.{{p}}");
                }
                map.Add(ours + "squeeze.weight", theirs + "se.fc1.weight", WeightLayout.Reshaped).Add(ours + "squeeze.bias", theirs + "se.fc1.bias");
                map.Add(ours + "excite.weight", theirs + "se.fc2.weight", WeightLayout.Reshaped).Add(ours + "excite.bias", theirs + "se.fc2.bias");
                map.Add(ours + "shortcut.weight", theirs + "downsample.conv.weight", WeightLayout.Reshaped).Add(ours + "shortcut_norm.{p}", theirs + "downsample.bn.{p}");
            }
        }
        // Linear layers of the readout stand at even places, activations between.
        for (int i = 0; i < 8; i++) map.Add($"readout.{i}.{{p}}", $"readout.{2 * i}.{{p}}");
        return map;
    }
}
