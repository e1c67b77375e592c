namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// How an element-wise pass walks [rows, columns]: row by row, or, where all operands are contiguous, in lines of constant
/// length over the whole, so that neither many short rows nor one long row costs speed.
/// </summary>
/// <remarks>An element may so fall into a register in one call and into a scalar tail in another: every map must give the same
/// bits at every register width.</remarks>
internal readonly struct LinePlan
{
    /// <summary>Elements of one line of a contiguous pass.</summary>
    public const long LineLength = 4096;

    /// <summary>Elements below which a chunk is not worth another thread: 128 KiB of an operand.</summary>
    public const long LightGrain = 32768;

    /// <summary>The same for maps that compute an exponential.</summary>
    public const long HeavyGrain = 8192;

    public readonly long Lines;
    public readonly bool Contiguous;
    private readonly long _columns;
    private readonly long _lastColumns;

    public LinePlan(long rows, long columns, bool contiguous)
    {
        long count = rows * columns;
        Contiguous = contiguous;
        if (count == 0) return;
        Lines = contiguous ? (count + LineLength - 1) / LineLength : rows;
        _columns = contiguous ? LineLength : columns;
        _lastColumns = contiguous ? count - (Lines - 1) * LineLength : columns;
    }

    /// <summary>Elements of a line.</summary>
    public long Length(long line) => line == Lines - 1 ? _lastColumns : _columns;

    /// <summary>Elements from one line of an operand to the next.</summary>
    public long Step(in Operand operand) => Contiguous ? LineLength : operand.RowStride;

    /// <summary>Lines in a chunk of about this many elements.</summary>
    public long Grain(long elements) => Math.Max(1, elements / Math.Max(_columns, 1));

    /// <summary>Whether the rows of an operand follow each other without gaps.</summary>
    public static bool IsContiguous(in Operand operand, long rows, long columns) => rows <= 1 || operand.RowStride == columns;
}

/// <summary>Output element from one input element.</summary>
internal interface IUnaryMap
{
    /// <summary>Whether <c>old</c>, the output's element before, is used; otherwise it is never read.</summary>
    static abstract bool ReadsOutput { get; }

    T Invoke<T>(T x, T old) where T : unmanaged, ISimd<T>;
}

/// <summary>Output element from two input elements.</summary>
internal interface IBinaryMap
{
    /// <summary>Whether <c>old</c>, the output's element before, is used; otherwise it is never read.</summary>
    static abstract bool ReadsOutput { get; }

    T Invoke<T>(T a, T b, T old) where T : unmanaged, ISimd<T>;
}
