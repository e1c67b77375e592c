using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Sums rows that share an output row. An item is one stripe of columns of one block of <see cref="RowBlocks.Rows"/> of them: into
/// the output where one block is all, else into the workspace [output rows, blocks, columns].
/// </summary>
internal unsafe struct ReduceRowsJob : IRangeJob
{
    public const long Stripe = 1024;

    public long Columns;
    public long Stripes;
    public long RowsPerOutput;
    public long Blocks;
    public float* X;
    public float* Multiplier;
    public float* Target;
    public long StepX;
    public long StepMultiplier;
    public long StepTarget;
    /// <summary>First row of output s is s * FirstStep, the next are RowStep apart.</summary>
    public long FirstStep;
    public long RowStep;
    public float Beta;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long item = begin; item < end; item++)
        {
            long stripe = item % Stripes, unit = item / Stripes, block = unit % Blocks, output = unit / Blocks;
            long first = block * RowBlocks.Rows, rows = Math.Min(RowBlocks.Rows, RowsPerOutput - first);
            long row = output * FirstStep + first * RowStep, column = stripe * Stripe, n = Math.Min(Stripe, Columns - column);
            float* x = X + row * StepX + column, target = Target + unit * StepTarget + column;
            if (Multiplier is null) Sum<Off>(x, null, target, rows, n);
            else Sum<On>(x, Multiplier + row * StepMultiplier + column, target, rows, n);
        }
    }

    private readonly void Sum<TMultiplier>(float* x, float* multiplier, float* target, long rows, long n) where TMultiplier : struct, IFlag
    {
        long i = 0;
        if (SimdWidth.Bits == 512) i = Sum<Simd512, TMultiplier>(x, multiplier, target, rows, i, n);
        else if (SimdWidth.Bits == 256) i = Sum<Simd256, TMultiplier>(x, multiplier, target, rows, i, n);
        else if (SimdWidth.Bits == 128) i = Sum<Simd128, TMultiplier>(x, multiplier, target, rows, i, n);
        Sum<SimdScalar, TMultiplier>(x, multiplier, target, rows, i, n);
    }

    /// <summary>Four registers of columns at a time, down all the rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Sum<T, TMultiplier>(float* x, float* multiplier, float* target, long rows, long i, long n)
        where T : unmanaged, ISimd<T>
        where TMultiplier : struct, IFlag
    {
        long step = StepX * RowStep, stepMultiplier = StepMultiplier * RowStep;
        for (; i <= n - 4 * T.Count; i += 4 * T.Count)
        {
            T s0 = T.Create(0f), s1 = s0, s2 = s0, s3 = s0;
            float* source = x + i, factor = multiplier + i;
            for (long row = 0; row < rows; row++)
            {
                if (TMultiplier.IsOn)
                {
                    s0 = T.MultiplyAdd(T.Load(source), T.Load(factor), s0);
                    s1 = T.MultiplyAdd(T.Load(source + T.Count), T.Load(factor + T.Count), s1);
                    s2 = T.MultiplyAdd(T.Load(source + 2 * T.Count), T.Load(factor + 2 * T.Count), s2);
                    s3 = T.MultiplyAdd(T.Load(source + 3 * T.Count), T.Load(factor + 3 * T.Count), s3);
                    factor += stepMultiplier;
                }
                else
                {
                    s0 += T.Load(source);
                    s1 += T.Load(source + T.Count);
                    s2 += T.Load(source + 2 * T.Count);
                    s3 += T.Load(source + 3 * T.Count);
                }
                source += step;
            }
            Store(s0, target + i);
            Store(s1, target + i + T.Count);
            Store(s2, target + i + 2 * T.Count);
            Store(s3, target + i + 3 * T.Count);
        }
        for (; i <= n - T.Count; i += T.Count)
        {
            T sum = T.Create(0f);
            for (long row = 0; row < rows; row++)
            {
                T value = T.Load(x + i + row * step);
                sum = TMultiplier.IsOn ? T.MultiplyAdd(value, T.Load(multiplier + i + row * stepMultiplier), sum) : sum + value;
            }
            Store(sum, target + i);
        }
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Store<T>(T sum, float* target) where T : unmanaged, ISimd<T>
    {
        if (Beta != 0) sum = T.MultiplyAdd(T.Create(Beta), T.Load(target), sum);
        T.Store(sum, target);
    }
}

/// <summary>Sum of each row, of products where there is a multiplier: the backward of one value per row.</summary>
internal unsafe struct DotJob : IRangeJob
{
    public long Columns;
    public float* X;
    public float* Multiplier;
    public float* Output;
    public long StepX;
    public long StepMultiplier;
    public long StepOutput;
    public float Beta;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            float* x = X + row * StepX, multiplier = Multiplier is null ? null : Multiplier + row * StepMultiplier, output = Output + row * StepOutput;
            double sum = 0;
            for (long start = 0; start < Columns; start += SumJob.Block)
            {
                long n = Math.Min(SumJob.Block, Columns - start);
                sum += multiplier is null ? SumJob.BlockSum(x + start, n) : BlockDot(x + start, multiplier + start, n);
            }
            *output = Beta == 0 ? (float)sum : MathF.FusedMultiplyAdd(Beta, *output, (float)sum);
        }
    }

    private static float BlockDot(float* x, float* y, long n)
    {
        if (SimdWidth.Bits == 512) return RowMath.Dot<Simd512>(x, y, n);
        if (SimdWidth.Bits == 256) return RowMath.Dot<Simd256>(x, y, n);
        if (SimdWidth.Bits == 128) return RowMath.Dot<Simd128>(x, y, n);
        return RowMath.Dot<SimdScalar>(x, y, n);
    }
}
