namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// How the n x n logits of the contrastive loss are cut: blocks of a constant number of image rows. Rows of scratch are padded
/// to whole registers, so that passes along columns have no tail; what lies in the padding is never used.
/// </summary>
/// <remarks>Scratch, each part aligned: logits | two float rows for the forward's columns, one per-row sum | diagonal | the products' own.</remarks>
internal readonly struct ContrastivePlan
{
    public const long BlockRows = 256;
    private const long Lanes = 16; // of the widest register

    public readonly long Rows;
    public readonly long Stride;
    public readonly long ColumnMaximum;
    public readonly long ColumnSum;
    public readonly long PerRow;
    public readonly long Products;

    public ContrastivePlan(long pairs)
    {
        Rows = Math.Min(BlockRows, pairs);
        Stride = (pairs + Lanes - 1) / Lanes * Lanes;
        long row = LossTargets.Align(Stride * sizeof(float));
        ColumnMaximum = LossTargets.Align(Rows * Stride * sizeof(float));
        ColumnSum = ColumnMaximum + row;
        PerRow = ColumnSum + row;
        Products = PerRow + row;
    }

    public Launch ProductsLaunch(in Launch launch) => new(launch.Stream, launch.Workspace + (nint)Products, launch.WorkspaceBytes - Products);

    /// <summary>min(exp(logScale), maxScale), and whether the bound holds it.</summary>
    public static float Scale(float logScale, float maxScale, out bool clamped)
    {
        double scale = Math.Exp(logScale);
        clamped = scale > maxScale;
        return clamped ? maxScale : (float)scale;
    }
}

/// <summary>Log-sum-exp and diagonal of each image row of a block.</summary>
internal unsafe struct ContrastiveRowsJob : IRangeJob
{
    public float* Logits;
    public long Stride;
    public long Pairs;
    public long FirstRow;
    public float* LogSumExp;
    public float* Diagonal;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            float* logits = Logits + row * Stride;
            LogSumExp[FirstRow + row] = SoftmaxRows.LogSumExp(logits, Pairs);
            Diagonal[FirstRow + row] = logits[FirstRow + row];
        }
    }
}

/// <summary>
/// Takes a block into the running maximum and sum of exponentials of each column (text row): online softmax, blocks ascending.
/// An item is a strip of columns.
/// </summary>
internal unsafe struct ContrastiveColumnsJob : IRangeJob
{
    /// <summary>Columns of one item: a cache line of each row.</summary>
    public const long Strip = 16;

    public float* Logits;
    public long Stride;
    public long Rows;
    public float* Maximum;
    public float* Sum;

    public readonly void Run(long begin, long end, int worker)
    {
        switch (SimdWidth.Bits)
        {
            case 512: Columns<Simd512>(begin, end); break;
            case 256: Columns<Simd256>(begin, end); break;
            case 128: Columns<Simd128>(begin, end); break;
            default: Columns<SimdScalar>(begin, end); break;
        }
    }

    private readonly void Columns<T>(long begin, long end) where T : unmanaged, ISimd<T>
    {
        for (long column = begin * Strip; column < end * Strip; column += T.Count)
        {
            T before = T.Load(Maximum + column), maximum = before;
            for (long row = 0; row < Rows; row++) maximum = T.Max(maximum, T.Load(Logits + row * Stride + column));
            T sum = T.Load(Sum + column) * SoftmaxRows.ExpOfShifted(before - maximum);
            for (long row = 0; row < Rows; row++) sum += SoftmaxRows.ExpOfShifted(T.Load(Logits + row * Stride + column) - maximum);
            T.Store(maximum, Maximum + column);
            T.Store(sum, Sum + column);
        }
    }
}

/// <summary>
/// Replaces a block of logits l by their gradient, Factor * (exp(l - lseRow) + exp(l - lseColumn) - 2 on the diagonal), and
/// sums gradient * l along each row: the gradient of the logarithm of the scale.
/// </summary>
internal unsafe struct ContrastiveGradientJob : IRangeJob
{
    public float* Logits;
    public long Stride;
    public long Pairs;
    public long FirstRow;
    public float* LogSumExpRows;
    public float* LogSumExpColumns;
    public float* ScaleGradients;
    public float Factor;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            float* logits = Logits + row * Stride;
            long pair = FirstRow + row;
            float diagonal = logits[pair];
            float sum = SimdWidth.Bits switch
            {
                512 => Row<Simd512>(logits, LogSumExpRows[pair]),
                256 => Row<Simd256>(logits, LogSumExpRows[pair]),
                128 => Row<Simd128>(logits, LogSumExpRows[pair]),
                _ => Row<SimdScalar>(logits, LogSumExpRows[pair]),
            };
            logits[pair] -= 2 * Factor;
            ScaleGradients[pair] = sum - 2 * Factor * diagonal;
        }
    }

    private readonly float Row<T>(float* logits, float logSumExp) where T : unmanaged, ISimd<T>
    {
        T rowShift = T.Create(logSumExp), factor = T.Create(Factor), sum = T.Create(0);
        long column = 0;
        for (; column + T.Count <= Pairs; column += T.Count)
        {
            T x = T.Load(logits + column);
            T gradient = factor * (SoftmaxRows.Probability(x - rowShift) + SoftmaxRows.Probability(x - T.Load(LogSumExpColumns + column)));
            T.Store(gradient, logits + column);
            sum = T.MultiplyAdd(gradient, x, sum);
        }
        if (column < Pairs)
        {
            // Missing lanes: a logit of 0 adds nothing to the sum; their gradients fall into the padding.
            T x = SimdTail.Load<T>(logits + column, Pairs - column, 0);
            T columnShift = SimdTail.Load<T>(LogSumExpColumns + column, Pairs - column, 0);
            T gradient = factor * (SoftmaxRows.Probability(x - rowShift) + SoftmaxRows.Probability(x - columnShift));
            SimdTail.Store(gradient, logits + column, Pairs - column);
            sum = T.MultiplyAdd(gradient, x, sum);
        }
        return T.Sum(sum);
    }
}
