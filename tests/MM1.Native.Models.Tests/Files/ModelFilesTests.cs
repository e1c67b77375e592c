using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class ModelFilesTests
{
    private static readonly DecoderConfig Config = new() { Layers = 2, Width = 16, Heads = 2, Hidden = 24, Vocabulary = 11, MaxPositions = 16 };

    [Fact]
    public void AModelComesBackBitForBit()
    {
        using var folder = new TemporaryFolder();
        using Device device = TestDevices.Open("cpu/1");
        using DecoderModel saved = Build(device, 1), loaded = Build(device, 2);
        ModelFiles.Save(saved, folder["a.safetensors"]);
        ModelFiles.Load(loaded, folder["a.safetensors"]);
        for (int i = 0; i < saved.Parameters().Count; i++) Agreement.CheckBitwise(saved.Parameters()[i].Name, loaded.Parameters()[i].ToArray(), saved.Parameters()[i].ToArray());
    }

    [Fact]
    public void OneMessageNamesAllThatDoesNotFitAndNothingIsChanged()
    {
        using var folder = new TemporaryFolder();
        using Device device = TestDevices.Open("cpu/1");
        using DecoderModel model = Build(device, 1);
        string path = folder["bad.safetensors"];
        SafeTensorsWriter.Write(path, model.Parameters().Where(parameter => parameter.Name != "norm.weight").Select(parameter => parameter.Name == "layers.1.mlp.down.weight"
            ? SafeTensorsItem.From(parameter.Name, new float[16 * 25], [16, 25])
            : SafeTensorsItem.From(parameter.Name, new float[parameter.Elements], parameter.Shape)).Append(SafeTensorsItem.From("norm.wieght", new float[16], [16])));
        float[] before = model.TokenEmbedding.Weight.ToArray();
        WeightMismatchException error = Assert.Throws<WeightMismatchException>(() => ModelFiles.Load(model, path));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("missing: 'norm.weight' [16]; nearest in the file: 'norm.wieght'", error.Message, StringComparison.Ordinal);
        Assert.Contains("extra: 'norm.wieght' [16]; nearest in the model: 'norm.weight'", error.Message, StringComparison.Ordinal);
        Assert.Contains("shape: 'layers.1.mlp.down.weight' is [16, 25] in the file, [16, 24] in the model", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, model.TokenEmbedding.Weight.ToArray());
    }

    [Fact]
    public void LlamaNamesLoad()
    {
        using var folder = new TemporaryFolder();
        using Device device = TestDevices.Open("cpu/1");
        DecoderConfig config = Config with { KeyValueHeads = 1, TiedEmbedding = false, QueryKeyNorm = false };
        using DecoderModel model = new(config);
        model.Build(device, 3);
        string path = folder["llama.safetensors"];
        var items = new List<SafeTensorsItem>();
        int seed = 10;
        float[] Item(string name, Shape shape)
        {
            float[] values = Samples.Normal(seed++, shape.Elements);
            items.Add(SafeTensorsItem.From(name, values, shape));
            return values;
        }
        Item("model.embed_tokens.weight", [11, 16]);
        float[] head = Item("lm_head.weight", [11, 16]);
        Item("model.norm.weight", [16]);
        var joined = new Dictionary<string, float[]>();
        for (int i = 0; i < 2; i++)
        {
            string layer = $"model.layers.{i}.";
            joined[$"layers.{i}.attention.qkv.weight"] = [.. Item(layer + "self_attn.q_proj.weight", [16, 16]), .. Item(layer + "self_attn.k_proj.weight", [8, 16]), .. Item(layer + "self_attn.v_proj.weight", [8, 16])];
            Item(layer + "self_attn.o_proj.weight", [16, 16]);
            joined[$"layers.{i}.mlp.gate_up.weight"] = [.. Item(layer + "mlp.gate_proj.weight", [24, 16]), .. Item(layer + "mlp.up_proj.weight", [24, 16])];
            joined[$"layers.{i}.mlp.down.weight"] = Item(layer + "mlp.down_proj.weight", [16, 24]);
            Item(layer + "input_layernorm.weight", [16]);
            joined[$"layers.{i}.mlp_norm.weight"] = Item(layer + "post_attention_layernorm.weight", [16]);
            Item(layer + "self_attn.rotary_emb.inv_freq", [4]);
        }
        SafeTensorsWriter.Write(path, items);
        ModelFiles.Load(model, path, WeightMaps.Llama());
        Assert.Equal(head, model.HeadWeight.ToArray());
        foreach ((string name, float[] values) in joined) Assert.Equal(values, model.Parameters()[name].ToArray());
    }

    private static DecoderModel Build(Device device, ulong seed)
    {
        var model = new DecoderModel(Config);
        model.Build(device, seed);
        return model;
    }
}
