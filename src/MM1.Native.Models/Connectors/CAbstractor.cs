using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// Honeybee's C-Abstractor (Cha et al. 2023, arXiv 2312.06742): positions are added, a stage of residual convolutions at the
/// patches' resolution, adaptive average pooling to side x side, a second stage, an MLP to the decoder's width. Parameters:
/// <c>position_embedding</c> [grid * grid, channels], <c>stage1.i.*</c>, <c>stage2.i.*</c> (<see cref="AbstractorBlock"/>),
/// <c>readout.i</c>.
/// </summary>
public sealed class CAbstractor : Connector
{
    private readonly Parameter _positions;
    private readonly AbstractorBlock[] _first, _second;
    private readonly Linear[] _readout;
    private readonly int _grid, _side, _hidden;

    /// <summary>Describes the connector.</summary>
    /// <param name="config">Hidden width and depths.</param>
    /// <param name="channels">Channels of the features.</param>
    /// <param name="grid">Patches along a side at the training resolution: the grid of the position table.</param>
    /// <param name="width">Width of the decoder.</param>
    /// <param name="side">Side of the grid of tokens.</param>
    public CAbstractor(ConnectorConfig config, int channels, int grid, long width, int side)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Depth < 1 || config.ReadoutDepth < 1) throw new ArgumentException($"Depth {config.Depth} and readout depth {config.ReadoutDepth} must be at least 1.", nameof(config));
        if (!(config.PositionDeviation >= 0) || !float.IsFinite(config.PositionDeviation)) throw new ArgumentException($"The position table's deviation {config.PositionDeviation} must be 0 or more.", nameof(config));
        (_grid, _side, _hidden) = (grid, side, config.Hidden);
        _positions = AddParameter("position_embedding", [(long)grid * grid, channels], Initializer.TruncatedNormal(config.PositionDeviation));
        _first = AddChildren("stage1", config.Depth, i => new AbstractorBlock(i == 0 ? channels : config.Hidden, config.Hidden));
        _second = AddChildren("stage2", config.Depth, _ => new AbstractorBlock(config.Hidden, config.Hidden));
        _readout = AddChildren("readout", config.ReadoutDepth, i => new Linear(i == 0 ? config.Hidden : width, width));
    }

    /// <inheritdoc/>
    public override int TokensOf(int height, int width) => _side * _side;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor features)
    {
        int height = (int)features.Shape[1], width = (int)features.Shape[2];
        // Other resolutions interpolate the table, as the encoder does with its own.
        Tensor positions = (height, width) == (_grid, _grid) ? _positions : Functional.InterpolateGrid(_positions, 0, (_grid, _grid), (height, width), antialias: true);
        Tensor x = Functional.Add(features, Functional.Reshape(positions, [height, width, features.Shape[3]]));
        foreach (AbstractorBlock block in _first) x = block.Forward(x);
        x = Functional.AdaptiveAveragePool2d(x, _side, _side);
        foreach (AbstractorBlock block in _second) x = block.Forward(x);
        x = Functional.Reshape(x, [features.Shape[0], (long)_side * _side, _hidden]);
        for (int i = 0; i < _readout.Length; i++) x = _readout[i].Forward(x, i + 1 < _readout.Length ? Activation.Silu : Activation.None);
        return x;
    }
}
