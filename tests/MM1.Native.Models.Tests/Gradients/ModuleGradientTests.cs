using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class ModuleGradientTests
{
    public static IEnumerable<TheoryDataRow<string, bool>> VisionCases() => TestDevices.Rows(true, false);

    [Theory, MemberData(nameof(VisionCases))]
    public void VisionTransformer(string deviceName, bool clip)
    {
        VisionConfig config = clip ? VisionConfig.Clip(12, 4, 2, 16, 2) : VisionConfig.Aim(12, 4, 2, 16, 2) with { Activation = Activation.QuickGelu };
        using Device device = TestDevices.Open(deviceName);
        using var model = new VisionTransformer(config);
        model.Build(device, 5);
        RandomWeights.Fill(model);
        float[] image = Samples.Normal(1, 12 * 12 * 3);
        DirectionalGradients.Check(device, model, () => model.Forward(Tensor.From(image, [1, 12, 12, 3])), weights => VisionReference<double>.Forward(weights, config, Samples.As<double>(image), 2));
    }

    /// <summary>Convolutions in place of the patch convolution: an odd number of them, with both activations, and a bias on the last.</summary>
    [Theory, MemberData(nameof(VisionCases))]
    public void ConvolutionStem(string deviceName, bool quick)
    {
        VisionConfig config = VisionConfig.Clip(16, 8, 1, 16, 2, quick ? Activation.QuickGelu : Activation.Gelu) with { StemConvolutions = 3, PatchBias = quick };
        using Device device = TestDevices.Open(deviceName);
        using var model = new VisionTransformer(config);
        model.Build(device, 5);
        RandomWeights.Fill(model);
        Assert.Equal([4L, 3, 3, 3], model.Parameters()["stem.convolutions.0.weight"].Shape.ToArray());
        float[] image = Samples.Normal(1, 16 * 16 * 3);
        DirectionalGradients.Check(device, model, () => model.Forward(Tensor.From(image, [1, 16, 16, 3])), weights => VisionReference<double>.Forward(weights, config, Samples.As<double>(image), 1));
    }

    public static IEnumerable<TheoryDataRow<string, ConnectorKind>> Connectors() => TestDevices.Rows(ConnectorKind.CAbstractor, ConnectorKind.AttentionPooling);

    [Theory, MemberData(nameof(Connectors))]
    public void OfAConnector(string device, ConnectorKind kind)
    {
        var abstractor = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 4, Hidden = 16, Depth = 2 };
        if (kind == ConnectorKind.CAbstractor) Check(device, abstractor, (weights, x) => ConnectorReference<double>.CAbstractor(weights, abstractor, x, 5, 24, 2));
        else Check(device, new ConnectorConfig { Kind = kind, Tokens = 3, Heads = 3 }, (weights, x) => ConnectorReference<double>.AttentionPooling(weights, x, 24, 3));
    }

    private static void Check(string deviceName, ConnectorConfig config, Func<Weights<double>, double[], double[]> reference)
    {
        using Device device = TestDevices.Open(deviceName);
        using Connector connector = Connector.Create(config, 24, 5, 20);
        connector.Build(device, 3);
        RandomWeights.Fill(connector);
        float[] features = Samples.Normal(2, 2 * 600);
        DirectionalGradients.Check(device, connector, () => connector.Forward(Tensor.From(features, [2, 5, 5, 24])),
            weights => [.. Enumerable.Range(0, 2).SelectMany(i => reference(weights, Samples.As<double>(features.AsSpan(i * 600, 600))))]);
    }
}
