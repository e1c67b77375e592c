namespace MM1.Native.Models;

/// <summary>Kinds of connector between the vision encoder and the decoder (MM1, section 3.2).</summary>
public enum ConnectorKind
{
    /// <summary>Average pooling to a square grid and a linear layer.</summary>
    AveragePooling,
    /// <summary>Learned queries that attend to the patches, and a linear layer.</summary>
    AttentionPooling,
    /// <summary>Residual convolutions, adaptive pooling, residual convolutions, an MLP (Honeybee, arXiv 2312.06742).</summary>
    CAbstractor,
    /// <summary>A linear layer for each patch (LLaVA, arXiv 2304.08485).</summary>
    Linear,
    /// <summary>Two layers with GELU for each patch (LLaVA-1.5, arXiv 2310.03744).</summary>
    Mlp,
}

/// <summary>A connector; only the values of its kind count.</summary>
public sealed record ConnectorConfig
{
    /// <summary>Kind.</summary>
    public required ConnectorKind Kind { get; init; }

    /// <summary>Tokens of an image (default 144, a square: 12 x 12). The linear and MLP kinds give one a patch instead.</summary>
    public int Tokens { get; init; } = 144;

    /// <summary>Width of the C-Abstractor's convolutions (default 1024, Honeybee's).</summary>
    public int Hidden { get; init; } = 1024;

    /// <summary>Blocks of each of the C-Abstractor's two stages (default 3, Honeybee's).</summary>
    public int Depth { get; init; } = 3;

    /// <summary>Layers of the C-Abstractor's readout (default 2, Honeybee's).</summary>
    public int ReadoutDepth { get; init; } = 2;

    /// <summary>
    /// Deviation of the C-Abstractor's position table at the start (default 0.02, Honeybee's). Blocks over features whose elements are about 3 hardly see that: a table as large as they are
    /// makes places legible from the first step on, which is what questions about places wait for.
    /// </summary>
    public float PositionDeviation { get; init; } = 0.02f;

    /// <summary>Heads of attention pooling; 0 (default) for heads of 64 elements.</summary>
    public int Heads { get; init; }
}
