using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>Turns the features of an image into tokens of the decoder's width.</summary>
public abstract class Connector : Module
{
    /// <summary>features [n, height, width, channels] to [n, tokens, decoder width].</summary>
    public abstract Tensor Forward(Tensor features);

    /// <summary>Tokens of an image whose features have this grid.</summary>
    public abstract int TokensOf(int height, int width);

    /// <summary>The connector of a configuration.</summary>
    /// <param name="config">Kind and sizes.</param>
    /// <param name="channels">Channels of the features.</param>
    /// <param name="grid">Patches along a side at the training resolution.</param>
    /// <param name="width">Width of the decoder.</param>
    public static Connector Create(ConnectorConfig config, long channels, int grid, long width)
    {
        ArgumentNullException.ThrowIfNull(config);
        return config.Kind switch
        {
            ConnectorKind.AveragePooling => new AveragePoolingConnector(channels, width, Side(config.Tokens)),
            ConnectorKind.AttentionPooling => new AttentionPoolingConnector(channels, width, config.Tokens, config.Heads),
            ConnectorKind.CAbstractor => new CAbstractor(config, checked((int)channels), grid, width, Side(config.Tokens)),
            ConnectorKind.Linear => new PatchConnector(channels, width, hidden: false),
            ConnectorKind.Mlp => new PatchConnector(channels, width, hidden: true),
            _ => throw new ArgumentOutOfRangeException(nameof(config), config.Kind, "A connector kind is needed."),
        };
    }

    private static int Side(int tokens)
    {
        int side = (int)Math.Round(Math.Sqrt(tokens));
        return side > 0 && side * side == tokens ? side : throw new ArgumentException($"{tokens} tokens form no square; this connector pools to a square grid.", nameof(tokens));
    }
}

/// <summary>Average pooling to side x side, then <c>projection</c> [width, channels] with bias.</summary>
public sealed class AveragePoolingConnector : Connector
{
    private readonly Linear _projection;
    private readonly int _side;

    /// <summary>Describes the connector.</summary>
    public AveragePoolingConnector(long channels, long width, int side)
    {
        _side = side;
        _projection = AddChild("projection", new Linear(channels, width));
    }

    /// <inheritdoc/>
    public override int TokensOf(int height, int width) => _side * _side;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor features)
    {
        Tensor pooled = Functional.AdaptiveAveragePool2d(features, _side, _side);
        return _projection.Forward(Functional.Reshape(pooled, [features.Shape[0], (long)_side * _side, features.Shape[3]]));
    }
}

/// <summary>One token a patch: <c>projection</c>, or <c>fc1</c>, GELU, <c>fc2</c>; with biases.</summary>
public sealed class PatchConnector : Connector
{
    private readonly Linear? _projection, _first, _second;

    /// <summary>Describes the connector.</summary>
    public PatchConnector(long channels, long width, bool hidden)
    {
        if (hidden)
        {
            _first = AddChild("fc1", new Linear(channels, width));
            _second = AddChild("fc2", new Linear(width, width));
        }
        else
        {
            _projection = AddChild("projection", new Linear(channels, width));
        }
    }

    /// <inheritdoc/>
    public override int TokensOf(int height, int width) => height * width;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor features)
    {
        Tensor x = Functional.Reshape(features, [features.Shape[0], features.Shape[1] * features.Shape[2], features.Shape[3]]);
        return _projection is not null ? _projection.Forward(x) : _second!.Forward(_first!.Forward(x, Activation.Gelu));
    }
}
