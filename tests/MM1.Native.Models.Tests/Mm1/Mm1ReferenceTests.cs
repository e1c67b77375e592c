using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>Decoder and whole model, forward and gradients, against float64 references; sizes that fill no register.</summary>
public sealed class Mm1ReferenceTests
{
    private const float ZLossWeight = 0.01f;

    private static DecoderConfig Odd { get; } = new() { Layers = 2, Width = 24, Heads = 3, Hidden = 37, Vocabulary = 29, MaxPositions = 21 };

    private static DecoderConfig[] Decoders { get; } =
    [
        Odd,
        Odd with { KeyValueHeads = 1, RotaryStyle = RotaryStyle.Interleaved, QueryKeyNorm = false, TiedEmbedding = false, Bias = true, RotaryTheta = 500 },
        Odd with { Norm = NormKind.Layer, Position = PositionKind.Learned, Mlp = MlpKind.GeluTanh, Bias = true, QueryKeyNorm = false },
        Odd with { Position = PositionKind.None, Mlp = MlpKind.GeGlu, Heads = 4, KeyValueHeads = 2, HeadSize = 16, NormEpsilon = 1e-3f },
        Odd with { Mlp = MlpKind.Gelu, Width = 19, HeadSize = 8, Bias = true },
        Odd with { Mlp = MlpKind.QuickGelu, Norm = NormKind.Layer, Layers = 1, TiedEmbedding = false },
        Odd with { Mlp = MlpKind.Relu, Layers = 1, Position = PositionKind.Learned },
    ];

    public static TheoryData<string, int> DecoderCases() => Cross(Decoders.Length);

    [Theory, MemberData(nameof(DecoderCases))]
    public void TheDecoderAgreesWithTheReference(string deviceName, int number)
    {
        DecoderConfig config = Decoders[number];
        using Device device = TestDevices.Open(deviceName);
        using var model = new DecoderModel(config);
        model.Build(device, 5);
        RandomWeights.Fill(model);
        int[] tokens = Samples.Integers(1, 25, (int)config.Vocabulary), starts = [0, 13, 14, 25], targets = Targets(tokens, starts);
        using (device.BeginInference())
        {
            Tensor hidden = Hidden();
            Agreement.Check("hidden", hidden.ToArray(), Reference(new Weights<double>(model)), Straightforward(new Weights<float>(model)));
            Agreement.Check("logits", model.Logits(hidden).ToArray(), DecoderReference<double>.Logits(new Weights<double>(model), config, Reference(new Weights<double>(model))),
                DecoderReference<float>.Logits(new Weights<float>(model), config, Straightforward(new Weights<float>(model))));
        }
        if (deviceName != TestDevices.Names[^1]) return; // the gradients' bits do not depend on threads
        DirectionalGradients.Check(device, model, () => model.Loss(Hidden(), Tensor.From(targets, [tokens.Length]), ZLossWeight),
            weights => [DecoderReference<double>.Loss(DecoderReference<double>.Logits(weights, config, Reference(weights)), targets, ZLossWeight)], floor: 1e-6);

        Tensor Hidden() => model.Forward(model.Embed(Tensor.From(tokens, [tokens.Length])), Tensor.From(Positions(starts), [tokens.Length]), AttentionLayout.Packed(Tensor.From(starts, [starts.Length]), 13));

        double[] Reference(Weights<double> w) => [.. Documents(starts).SelectMany(part => DecoderReference<double>.Hidden(w, config, DecoderReference<double>.Embed(w, config, tokens.AsSpan(part))))];

        float[] Straightforward(Weights<float> w) => [.. Documents(starts).SelectMany(part => DecoderReference<float>.Hidden(w, config, DecoderReference<float>.Embed(w, config, tokens.AsSpan(part))))];
    }

    private static Mm1Config[] Models { get; } =
    [
        .. from kind in Enum.GetValues<ConnectorKind>()
           select new Mm1Config
           {
               Vision = kind is ConnectorKind.AttentionPooling or ConnectorKind.Linear
                   ? VisionConfig.Aim(15, 5, 1, 24, 3) with { Activation = Activation.QuickGelu }
                   : VisionConfig.Clip(15, 5, 1, 24, 3),
               Connector = new ConnectorConfig { Kind = kind, Tokens = 4, Hidden = 18, Depth = 1, Heads = 3 },
               Decoder = Odd with { Layers = 1, KeyValueHeads = kind == ConnectorKind.Mlp ? 1 : 3 },
           },
        new Mm1Config
        {
            Vision = VisionConfig.Clip(16, 4, 1, 24, 3, Activation.Gelu) with { StemConvolutions = 2 },
            Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 4, Hidden = 18, Depth = 1 },
            Decoder = Odd with { Layers = 1 },
        },
    ];

    public static TheoryData<string, int> ModelCases() => Cross(Models.Length);

    [Theory, MemberData(nameof(ModelCases))]
    public void TheWholeModelAgreesWithTheReference(string deviceName, int number)
    {
        Mm1Config config = Models[number];
        using Device device = TestDevices.Open(deviceName);
        using var model = new Mm1Model(config);
        model.Build(device, 5);
        RandomWeights.Fill(model);
        int size = config.Vision.ImageSize, imageTokens = model.ImageTokens(size, size);
        // Text; text, image, text; text, two images, text.
        int[] starts = [0, 3, 3 + 4 + imageTokens, 3 + 4 + imageTokens + 3 + 2 * imageTokens];
        int[] tokens = Samples.Integers(2, starts[^1], (int)config.Decoder.Vocabulary), placement = new int[tokens.Length];
        Array.Fill(placement, -1);
        for (int row = 0; row < imageTokens; row++)
        {
            placement[starts[1] + 2 + row] = row;
            placement[starts[2] + 1 + row] = 2 * imageTokens + row; // the batch's images are not in the documents' order
            placement[starts[2] + 1 + imageTokens + row] = imageTokens + row;
        }
        int[] targets = [.. Targets(tokens, starts).Select((target, t) => t + 1 < tokens.Length && placement[t + 1] >= 0 ? Autograd.Loss.IgnoreIndex : target)];
        float[] images = Samples.Normal(3, 3L * 3 * size * size);
        using (device.BeginInference())
            Agreement.Check("hidden", model.Forward(Batch()).ToArray(), Mm1Reference<double>.Hidden(new(model), config, tokens, placement, starts, Images<double>()), Mm1Reference<float>.Hidden(new(model), config, tokens, placement, starts, Images<float>()));
        if (deviceName != TestDevices.Names[^1]) return; // the gradients' bits do not depend on threads
        DirectionalGradients.Check(device, model, () => model.Loss(Batch(), ZLossWeight), Loss, floor: 1e-6);

        Mm1Batch Batch() => Mm1Batch.From(tokens, Positions(starts), targets, placement, starts, tokens.Length, images, size);

        T[][] Images<T>() where T : System.Numerics.IFloatingPointIeee754<T> => [.. Enumerable.Range(0, 3).Select(i => Samples.As<T>(images.AsSpan(i * 3 * size * size, 3 * size * size)))];

        double[] Loss(Weights<double> w)
        {
            double[] hidden = Mm1Reference<double>.Hidden(w, config, tokens, placement, starts, Images<double>());
            return [DecoderReference<double>.Loss(DecoderReference<double>.Logits(w.Part("decoder."), config.Decoder, hidden), targets, ZLossWeight)];
        }
    }

    private static TheoryData<string, int> Cross(int count)
    {
        var data = new TheoryData<string, int>();
        foreach (string device in TestDevices.Names)
        {
            for (int i = 0; i < count; i++) data.Add(device, i);
        }
        return data;
    }

    /// <summary>The next token of the same document.</summary>
    private static int[] Targets(int[] tokens, int[] starts) => [.. tokens.Select((_, t) => starts.Contains(t + 1) ? Autograd.Loss.IgnoreIndex : tokens[t + 1])];

    private static int[] Positions(int[] starts) => [.. Documents(starts).SelectMany(part => Enumerable.Range(0, part.End.Value - part.Start.Value))];

    private static IEnumerable<Range> Documents(int[] starts) => Enumerable.Range(0, starts.Length - 1).Select(i => starts[i]..starts[i + 1]);
}
