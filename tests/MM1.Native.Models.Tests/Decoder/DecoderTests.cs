using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class DecoderTests
{
    private static readonly DecoderConfig Base = new() { Layers = 2, Width = 32, Heads = 4, Hidden = 40, Vocabulary = 19, MaxPositions = 32 };

    public static IEnumerable<TheoryDataRow<string, int>> Variants() => TestDevices.Rows(0, 1, 2, 3);

    /// <summary>With bfloat16 where the device computes in it: for what holds to the bit.</summary>
    public static IEnumerable<TheoryDataRow<string, int, Precision>> BitwiseVariants()
    {
        foreach (TheoryDataRow<string, int> row in Variants())
        {
            yield return new TheoryDataRow<string, int, Precision>(row.Data.Item1, row.Data.Item2, Precision.Float32) { Skip = row.Skip };
            if (TestDevices.IsNative(row.Data.Item1)) yield return new TheoryDataRow<string, int, Precision>(row.Data.Item1, row.Data.Item2, Precision.BFloat16);
        }
    }

    internal static DecoderConfig[] Configs { get; } =
    [
        Base,
        Base with { KeyValueHeads = 2, RotaryStyle = RotaryStyle.Interleaved, QueryKeyNorm = false, TiedEmbedding = false },
        Base with { Norm = NormKind.Layer, Position = PositionKind.Learned, Mlp = MlpKind.GeluTanh, Bias = true, QueryKeyNorm = false },
        Base with { Position = PositionKind.None, Mlp = MlpKind.GeGlu, KeyValueHeads = 1, HeadSize = 16, Bias = true },
    ];

    /// <summary>Changing one document leaves the logits of the others alone, bit for bit; and packed is alone.</summary>
    [Theory, MemberData(nameof(BitwiseVariants))]
    public void PackedDocumentsAreIsolated(string deviceName, int variant, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = Build(device, Configs[variant], precision);
        int[] first = Samples.Integers(1, 7, 19), other = Samples.Integers(2, 7, 19), second = Samples.Integers(3, 9, 19);
        float[] a = Logits(device, model, first, second), b = Logits(device, model, other, second), alone = Logits(device, model, second);
        Agreement.CheckBitwise("second document", a.AsSpan(7 * 19), b.AsSpan(7 * 19));
        Agreement.CheckBitwise("second document alone", alone, a.AsSpan(7 * 19));
        Assert.NotEqual(a.Take(7 * 19), b.Take(7 * 19));
    }

    /// <summary>A later token never reaches an earlier one.</summary>
    [Theory, MemberData(nameof(BitwiseVariants))]
    public void TheDecoderIsCausal(string deviceName, int variant, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = Build(device, Configs[variant], precision);
        int[] tokens = Samples.Integers(4, 12, 19);
        float[] whole = Logits(device, model, tokens), start = Logits(device, model, tokens[..5]);
        Agreement.CheckBitwise("first tokens", start, whole.AsSpan(0, 5 * 19));
    }

    /// <summary>The loss is the mean over targets that count of -log softmax of the logits, and every parameter learns from it.</summary>
    [Theory, MemberData(nameof(Variants))]
    public void TheLossIsThatOfTheLogits(string deviceName, int variant)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = Build(device, Configs[variant]);
        int[] tokens = Samples.Integers(5, 10, 19), targets = Samples.Integers(6, 10, 19);
        targets[3] = targets[8] = Loss.IgnoreIndex;
        float[] logits = Logits(device, model, tokens);
        double expected = 0;
        for (int t = 0; t < 10; t++)
        {
            if (targets[t] < 0) continue;
            double sum = 0;
            for (int v = 0; v < 19; v++) sum += Math.Exp(logits[t * 19 + v]);
            expected += (Math.Log(sum) - logits[t * 19 + targets[t]]) / 8;
        }
        using (device.BeginStep())
        {
            Tensor loss = model.Loss(Hidden(model, [tokens]), Tensor.From(targets, [10]));
            Assert.Equal(expected, loss.Item(), 1e-5);
            loss.Backward();
        }
        Assert.All(model.Parameters(), parameter => Assert.True(parameter.HasGradient, parameter.Name));
    }

    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.EngineRows("cpu/2");

    [Theory, MemberData(nameof(Devices))]
    public void RecomputationGivesTheSameGradients(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel keeps = Build(device, Base), recomputes = Build(device, Base);
        recomputes.RecomputesActivations = true;
        int[] tokens = Samples.Integers(5, 10, 19);
        foreach (DecoderModel model in new[] { keeps, recomputes })
        {
            using (device.BeginStep()) model.Loss(Hidden(model, [tokens]), Tensor.From(tokens, [10])).Backward();
        }
        foreach (Parameter parameter in keeps.Parameters())
            Agreement.CheckBitwise(parameter.Name, recomputes.Parameters()[parameter.Name].Gradient.ToArray(), parameter.Gradient.ToArray());
    }

    internal static DecoderModel Build(Device device, DecoderConfig config, Precision precision = Precision.Float32)
    {
        var model = new DecoderModel(config);
        model.Build(device, 7, precision.Shadow(device));
        // Embeddings large enough that logits differ clearly between tokens, and blocks that say more than they: with tied
        // embeddings the most likely token would else be the last one again.
        model.TokenEmbedding.Weight.Load(Samples.Normal(8, model.TokenEmbedding.Weight.Elements, 0.5));
        foreach (Parameter parameter in model.Parameters().Matching("position_embedding.weight")) parameter.Load(Samples.Normal(9, parameter.Elements, 0.5));
        foreach (string branch in new[] { "*.output.weight", "*.down.weight", "*.fc2.weight" })
        {
            foreach (Parameter parameter in model.Parameters().Matching(branch)) parameter.Load([.. parameter.ToArray().Select(value => 4 * value)]);
        }
        return model;
    }

    internal static float[] Logits(Device device, DecoderModel model, params int[][] documents)
    {
        using (device.BeginInference()) return model.Logits(Hidden(model, documents)).ToArray();
    }

    private static Tensor Hidden(DecoderModel model, int[][] documents)
    {
        int[] tokens = [.. documents.SelectMany(document => document)], positions = [.. documents.SelectMany(document => Enumerable.Range(0, document.Length))], starts = new int[documents.Length + 1];
        for (int i = 0; i < documents.Length; i++) starts[i + 1] = starts[i] + documents[i].Length;
        AttentionLayout layout = AttentionLayout.Packed(Tensor.From(starts, [starts.Length]), documents.Max(document => document.Length));
        return model.Forward(model.Embed(Tensor.From(tokens, [tokens.Length])), Tensor.From(positions, [positions.Length]), layout);
    }
}
