using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>Files with other programs' names and layouts, made here from a model's own weights, load back bit for bit.</summary>
public sealed class VisionWeightMapTests
{
    private static readonly VisionConfig Clip = VisionConfig.Clip(12, 4, 2, 16, 2) with { PostNorm = true, ProjectionWidth = 8 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void HuggingFaceClipLoads(bool whole) => Check(Clip, whole, VisionWeightMaps.HuggingFaceClip(whole, whole), parameter =>
    {
        string name = parameter.Name;
        if (name == "projection.weight") return [As(parameter, "visual_projection.weight")];
        if (name == "patch_embedding.weight") return [ChannelsFirst(parameter, "vision_model.embeddings.patch_embedding.weight")];
        if (name == "class_embedding") return [As(parameter, "vision_model.embeddings.class_embedding")];
        if (name == "position_embedding") return [As(parameter, "vision_model.embeddings.position_embedding.weight")];
        name = name.Replace("pre_norm", "pre_layrnorm").Replace("post_norm", "post_layernorm").Replace("layers.", "encoder.layers.")
            .Replace("attention_norm", "layer_norm1").Replace("mlp_norm", "layer_norm2").Replace("attention.output", "self_attn.out_proj");
        if (!name.Contains("attention.qkv", StringComparison.Ordinal)) return [As(parameter, "vision_model." + name)];
        return [.. "qkv".Select((part, i) => Third(parameter, i, "vision_model." + name.Replace("attention.qkv", $"self_attn.{part}_proj")))];
    }, "text_model.embeddings.token_embedding.weight", "logit_scale", "vision_model.embeddings.position_ids");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void OpenClipLoads(bool whole) => Check(Clip, whole, VisionWeightMaps.OpenClip(whole, whole), parameter =>
    {
        string name = parameter.Name;
        if (name == "projection.weight") return [Transposed(parameter, "visual.proj")];
        if (name == "patch_embedding.weight") return [ChannelsFirst(parameter, "visual.conv1.weight")];
        if (name == "position_embedding") return [As(parameter, "visual.positional_embedding")];
        name = name.Replace("pre_norm", "ln_pre").Replace("post_norm", "ln_post").Replace("layers.", "transformer.resblocks.").Replace("attention_norm", "ln_1").Replace("mlp_norm", "ln_2")
            .Replace("attention.output", "attn.out_proj").Replace("attention.qkv.", "attn.in_proj_").Replace("fc1", "c_fc").Replace("fc2", "c_proj");
        return [As(parameter, "visual." + name)];
    }, "transformer.resblocks.0.ln_1.weight", "token_embedding.weight", "logit_scale");

    [Fact]
    public void AimLoadsAndPassesOverLaterBlocks() => Check(VisionConfig.Aim(12, 4, 2, 16, 2), true, VisionWeightMaps.Aim(2), parameter =>
    {
        string name = parameter.Name;
        if (name == "patch_embedding.weight") return [ChannelsFirst(parameter, "preprocessor.patchifier.proj.weight")];
        name = name.Replace("patch_embedding", "preprocessor.patchifier.proj").Replace("patch_norm", "preprocessor.patchifier.norm").Replace("layers.", "trunk.blocks.")
            .Replace("attention_norm", "norm_1").Replace("mlp_norm", "norm_2").Replace("attention.output", "attn.proj").Replace("attention.qkv", "attn.qkv");
        return [As(parameter, name)];
    }, "trunk.blocks.2.norm_1.weight", "trunk.blocks.13.norm_1.weight", "trunk.post_trunk_norm.weight");

    [Fact]
    public void HoneybeesAbstractorLoads()
    {
        using Device device = TestDevices.Open("cpu/1");
        var config = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 4, Hidden = 16, Depth = 2 };
        using Connector source = Connector.Create(config, 24, 3, 20), target = Connector.Create(config, 24, 3, 20);
        Compare(device, source, target, VisionWeightMaps.HoneybeeAbstractor(2), parameter =>
        {
            string name = "abstractor." + parameter.Name.Replace("position_embedding", "pos_emb").Replace("readout.1", "readout.2").Replace("stage1.0", "net.0.b1").Replace("stage1.1", "net.0.b2")
                .Replace("stage2.0", "net.2.b1").Replace("stage2.1", "net.2.b2").Replace("squeeze", "se.fc1").Replace("excite", "se.fc2").Replace("shortcut_norm", "downsample.bn");
            for (int i = 1; i <= 3; i++) name = name.Replace($"norm{i}", $"conv{i}.bn").Replace($"conv{i}.weight", $"conv{i}.conv.weight");
            name = name.Replace("shortcut.weight", "downsample.conv.weight");
            if (name.EndsWith("conv2.conv.weight", StringComparison.Ordinal)) return [ChannelsFirst(parameter, name)];
            if (name.EndsWith("pos_emb", StringComparison.Ordinal)) return [SafeTensorsItem.From(name, parameter.ToArray(), [1, 9, 24])];
            bool convolution = name.Contains("net.", StringComparison.Ordinal) && parameter.Shape.Rank == 2;
            return [convolution ? SafeTensorsItem.From(name, parameter.ToArray(), [parameter.Shape[0], parameter.Shape[1], 1, 1]) : As(parameter, name)];
        });
    }

    private static void Check(VisionConfig config, bool whole, WeightMap map, Func<Parameter, SafeTensorsItem[]> rename, params string[] others)
    {
        using Device device = TestDevices.Open("cpu/1");
        using var source = new VisionTransformer(config);
        using var target = new VisionTransformer(whole ? config : config with { PostNorm = false, ProjectionWidth = 0 });
        Compare(device, source, target, map, rename, others);
    }

    private static void Compare(Device device, Module source, Module target, WeightMap map, Func<Parameter, SafeTensorsItem[]> rename, params string[] others)
    {
        using var folder = new TemporaryFolder();
        source.Build(device, 1);
        RandomWeights.Fill(source);
        target.Build(device, 2);
        string path = folder["other.safetensors"];
        SafeTensorsWriter.Write(path, [.. source.Parameters().SelectMany(rename), .. others.Select(name => SafeTensorsItem.From(name, new float[3], [3]))]);
        ModelFiles.Load(target, path, map);
        foreach (Parameter parameter in target.Parameters()) Agreement.CheckBitwise(parameter.Name, parameter.ToArray(), source.Parameters()[parameter.Name].ToArray());
        // A key that nobody knows is still an error.
        SafeTensorsWriter.Write(path, [.. source.Parameters().SelectMany(rename), SafeTensorsItem.From(map.Scope + "surprise", new float[3], [3])]);
        Assert.Contains("surprise", Assert.Throws<WeightMismatchException>(() => ModelFiles.Load(target, path, map)).Message, StringComparison.Ordinal);
    }

    private static SafeTensorsItem As(Parameter parameter, string name) => SafeTensorsItem.From(name, parameter.ToArray(), parameter.Shape);

    private static SafeTensorsItem Third(Parameter parameter, int part, string name)
    {
        int length = (int)parameter.Elements / 3;
        return SafeTensorsItem.From(name, parameter.ToArray()[(part * length)..((part + 1) * length)], parameter.Shape.With(0, parameter.Shape[0] / 3));
    }

    private static SafeTensorsItem Transposed(Parameter parameter, string name)
    {
        int rows = (int)parameter.Shape[0], columns = (int)parameter.Shape[1];
        float[] values = parameter.ToArray();
        return SafeTensorsItem.From(name, [.. Enumerable.Range(0, values.Length).Select(i => values[i % rows * columns + i / rows])], [columns, rows]);
    }

    /// <summary>[out, height, width, in] to [out, in, height, width].</summary>
    private static SafeTensorsItem ChannelsFirst(Parameter parameter, string name)
    {
        Shape shape = parameter.Shape;
        int pixels = (int)(shape[1] * shape[2]), channels = (int)shape[3], size = pixels * channels;
        float[] values = parameter.ToArray();
        return SafeTensorsItem.From(name, [.. Enumerable.Range(0, values.Length).Select(i => values[i / size * size + i % pixels * channels + i % size / pixels])], [shape[0], channels, shape[1], shape[2]]);
    }
}
