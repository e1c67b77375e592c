namespace MM1.Native.Models;

/// <summary>Name maps of other programs' files, from <c>docs/names.md</c>.</summary>
public static class WeightMaps
{
    /// <summary>
    /// Llama-style decoders as Hugging Face transformers names them (modeling_llama.py): Llama, Mistral and, with their
    /// <c>q_norm</c> and <c>k_norm</c>, Qwen3. Rotary halves as <see cref="Kernels.RotaryStyle.Half"/>.
    /// </summary>
    public static WeightMap Llama() => new WeightMap()
        .Add("token_embedding.weight", "model.embed_tokens.weight")
        .Add("head.weight", "lm_head.weight")
        .Add("norm.weight", "model.norm.weight")
        .Add("layers.{i}.attention_norm.weight", "model.layers.{i}.input_layernorm.weight")
        .Add("layers.{i}.mlp_norm.weight", "model.layers.{i}.post_attention_layernorm.weight")
        .Add("layers.{i}.attention.qkv.{p}", ["model.layers.{i}.self_attn.q_proj.{p}", "model.layers.{i}.self_attn.k_proj.{p}", "model.layers.{i}.self_attn.v_proj.{p}"])
        .Add("layers.{i}.attention.output.{p}", "model.layers.{i}.self_attn.o_proj.{p}")
        .Add("layers.{i}.attention.query_norm.weight", "model.layers.{i}.self_attn.q_norm.weight")
        .Add("layers.{i}.attention.key_norm.weight", "model.layers.{i}.self_attn.k_norm.weight")
        .Add("layers.{i}.mlp.gate_up.{p}", ["model.layers.{i}.mlp.gate_proj.{p}", "model.layers.{i}.mlp.up_proj.{p}"])
        .Add("layers.{i}.mlp.down.{p}", "model.layers.{i}.mlp.down_proj.{p}")
        .Ignore("*.rotary_emb.inv_freq");
}
