using System.Numerics;
using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class ConnectorTests
{
    private const int Width = 20;

    private static readonly (int Channels, int Grid, int Side)[] Sizes = [(24, 6, 3), (16, 7, 3), (24, 5, 5), (40, 3, 4)];

    public static IEnumerable<TheoryDataRow<string, int>> AbstractorCases() => TestDevices.Rows(0, 1, 2, 3);

    [Theory, MemberData(nameof(AbstractorCases))]
    public void CAbstractorAgreesWithTheReference(string device, int size)
    {
        (int channels, int grid, int side) = Sizes[size];
        var config = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = side * side, Hidden = 24, Depth = 2 };
        Check(device, config, channels, grid, side * side, new Abstractor(config, grid, channels, side));
    }

    public static IEnumerable<TheoryDataRow<string, ConnectorKind>> Others() => TestDevices.Rows(ConnectorKind.AttentionPooling, ConnectorKind.AveragePooling);

    [Theory, MemberData(nameof(Others))]
    public void PoolingAgreesWithTheReference(string device, ConnectorKind kind)
    {
        if (kind == ConnectorKind.AttentionPooling) Check(device, new ConnectorConfig { Kind = ConnectorKind.AttentionPooling, Tokens = 7, Heads = 3 }, 24, 5, 7, new Pooling());
        else Check(device, new ConnectorConfig { Kind = ConnectorKind.AveragePooling, Tokens = 9 }, 24, 7, 9, new Average());
    }

    [Fact]
    public void PatchConnectorsGiveATokenAPatch()
    {
        using Device device = TestDevices.Open("cpu/1");
        foreach (ConnectorKind kind in new[] { ConnectorKind.Linear, ConnectorKind.Mlp })
        {
            using Connector connector = Build(device, new ConnectorConfig { Kind = kind }, 24, 5);
            Assert.Equal(25, connector.TokensOf(5, 5));
            using (device.BeginInference()) Assert.Equal(new Shape(2, 25, Width), connector.Forward(Tensor.From(Samples.Normal(1, 2 * 25 * 24), [2, 5, 5, 24])).Shape);
        }
    }

    public static IEnumerable<TheoryDataRow<string, ConnectorKind>> Kinds() => TestDevices.Rows(Enum.GetValues<ConnectorKind>());

    /// <summary>Every parameter learns, and an image's tokens are the same bits alone.</summary>
    [Theory, MemberData(nameof(Kinds))]
    public void EveryParameterLearnsAndImagesAreIndependent(string deviceName, ConnectorKind kind)
    {
        using Device device = TestDevices.Open(deviceName);
        using Connector connector = Build(device, new ConnectorConfig { Kind = kind, Tokens = 9, Hidden = 16, Depth = 1, Heads = 3 }, 24, 6);
        // Another grid than that of training.
        float[] features = Samples.Normal(2, 2 * 8 * 8 * 24);
        using (device.BeginStep())
        {
            Tensor tokens = connector.Forward(Tensor.From(features, [2, 8, 8, 24]));
            Assert.Equal(connector.TokensOf(8, 8), tokens.Shape[1]);
            Agreement.CheckBitwise("second image", tokens.ToArray().AsSpan((int)tokens.Elements / 2), connector.Forward(Tensor.From(features[(8 * 8 * 24)..], [1, 8, 8, 24])).ToArray());
            Functional.Sum(Functional.Multiply(tokens, tokens)).Backward();
        }
        Assert.All(connector.Parameters(), parameter => Assert.True(parameter.HasGradient, parameter.Name));
    }

    [Fact]
    public void TokensThatFormNoSquareAreRefused() =>
        Assert.Contains("143", Assert.Throws<ArgumentException>(() => Connector.Create(new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 143 }, 24, 6, Width)).Message, StringComparison.Ordinal);

    private static void Check(string deviceName, ConnectorConfig config, int channels, int grid, int tokens, IReference reference)
    {
        using Device device = TestDevices.Open(deviceName);
        using Connector connector = Build(device, config, channels, grid);
        Assert.Equal(tokens, connector.TokensOf(grid, grid));
        int size = grid * grid * channels;
        float[] features = Samples.Normal(3, 2 * size);
        double[] truth = Run<double>();
        float[] plain = Run<float>();
        using (device.BeginInference())
        {
            Tensor output = connector.Forward(Tensor.From(features, [2, grid, grid, channels]));
            Assert.Equal(new Shape(2, tokens, Width), output.Shape);
            Agreement.Check("tokens", output.ToArray(), truth, plain);
        }

        T[] Run<T>() where T : IFloatingPointIeee754<T>
        {
            var weights = new Weights<T>(connector);
            return [.. Enumerable.Range(0, 2).SelectMany(i => reference.Run(weights, Samples.As<T>(features.AsSpan(i * size, size))))];
        }
    }

    private static Connector Build(Device device, ConnectorConfig config, int channels, int grid)
    {
        Connector connector = Connector.Create(config, channels, grid, Width);
        connector.Build(device, 3);
        RandomWeights.Fill(connector);
        return connector;
    }

    private interface IReference
    {
        T[] Run<T>(Weights<T> weights, T[] image) where T : IFloatingPointIeee754<T>;
    }

    private sealed class Abstractor(ConnectorConfig config, int grid, int channels, int side) : IReference
    {
        public T[] Run<T>(Weights<T> weights, T[] image) where T : IFloatingPointIeee754<T> => ConnectorReference<T>.CAbstractor(weights, config, image, grid, channels, side);
    }

    private sealed class Pooling : IReference
    {
        public T[] Run<T>(Weights<T> weights, T[] image) where T : IFloatingPointIeee754<T> => ConnectorReference<T>.AttentionPooling(weights, image, 24, 3);
    }

    private sealed class Average : IReference
    {
        public T[] Run<T>(Weights<T> weights, T[] image) where T : IFloatingPointIeee754<T> =>
            Plain<T>.Linear(Plain<T>.AdaptivePool(image, 7, 7, 24, 3, 3), weights["projection.weight"], weights["projection.bias"], 24);
    }
}
