using System.Numerics;
using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class ContrastiveModelTests
{
    private static readonly VisionConfig Vision = VisionConfig.Clip(16, 4, 1, 24, 3, Activation.Gelu) with { StemConvolutions = 2 };
    private static readonly int[][] Words = [[3, 1, 4, 1], [5], [9, 2, 6, 5, 3, 5, 8], [9, 7], [9, 3, 2]];

    public static TheoryData<string> Devices() => [.. TestDevices.Names];

    /// <summary>Encoder, both heads and the loss, and the gradient of every parameter through all of them, against plain loops in float64.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void LossAndGradientsAgreeWithTheReference(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var pair = new Pair();
        pair.Build(device, 5);
        RandomWeights.Fill(pair);
        float[] images = Samples.Normal(1, Words.Length * 768);
        using (device.BeginInference())
        {
            (Tensor features, Tensor tokens, Tensor averaging) = Batch();
            Agreement.Check("images", pair.Contrastive.Images(features).ToArray(), Images<double>(new(pair)), Images<float>(new(pair)));
            Agreement.Check("captions", pair.Contrastive.Captions(tokens, averaging).ToArray(), Captions<double>(new(pair)), Captions<float>(new(pair)));
        }
        DirectionalGradients.Check(device, pair, () =>
        {
            (Tensor features, Tensor tokens, Tensor averaging) = Batch();
            return pair.Contrastive.Loss(features, tokens, averaging);
        }, w => [ContrastiveReference<double>.Loss(w.Part("contrastive."), Images(w), Captions(w))], floor: 1e-6);

        (Tensor, Tensor, Tensor) Batch()
        {
            int[] tokens = [.. Words.SelectMany(static caption => caption)];
            var averaging = new float[Words.Length * tokens.Length];
            ContrastiveModel.WriteAveraging([.. Words.Select(static caption => caption.Length)], averaging);
            return (pair.Encoder.Forward(Tensor.From(images, [Words.Length, 16, 16, 3])), Tensor.From(tokens, [tokens.Length]), Tensor.From(averaging, [Words.Length, tokens.Length]));
        }

        T[] Images<T>(Weights<T> w) where T : IFloatingPointIeee754<T> => ContrastiveReference<T>.Images(w.Part("contrastive."),
            Enumerable.Range(0, Words.Length).Select(i => VisionReference<T>.Forward(w.Part("encoder."), Vision, Samples.As<T>(images.AsSpan(i * 768, 768)), 1)), 24, Vision.NormEpsilon);

        T[] Captions<T>(Weights<T> w) where T : IFloatingPointIeee754<T> => ContrastiveReference<T>.Captions(w.Part("contrastive."), Words);
    }

    /// <summary>The scale begins at 1 / 0.07, and its logarithm, not it, is learned.</summary>
    [Fact]
    public void TheScaleBeginsAsClips()
    {
        using Device device = TestDevices.Open("cpu/1");
        using var model = new ContrastiveModel(Vision, 10);
        model.Build(device, 1);
        Assert.Equal(Math.Log(1 / 0.07), model.LogScale.ToArray()[0], 1e-6);
        Assert.Equal(64, model.Width);
    }

    [Fact]
    public void ACaptionIsTheMeanOfItsOwnTokens()
    {
        var averaging = new float[6];
        ContrastiveModel.WriteAveraging([1, 2], averaging);
        Assert.Equal([1, 0, 0, 0, 0.5f, 0.5f], averaging);
        Assert.Contains("no token", Assert.Throws<ArgumentException>(() => ContrastiveModel.WriteAveraging([1, 0], averaging)).Message, StringComparison.Ordinal);
        Assert.Contains("need 9 elements, not 6", Assert.Throws<ArgumentException>(() => ContrastiveModel.WriteAveraging([1, 1, 1], averaging)).Message, StringComparison.Ordinal);
    }

    private sealed class Pair : Module
    {
        public Pair()
        {
            Encoder = AddChild("encoder", new VisionTransformer(Vision));
            Contrastive = AddChild("contrastive", new ContrastiveModel(Vision, 10, 12));
        }

        public VisionTransformer Encoder { get; }

        public ContrastiveModel Contrastive { get; }
    }
}
