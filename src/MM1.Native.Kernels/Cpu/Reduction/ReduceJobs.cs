namespace MM1.Native.Kernels.Cpu;

/// <summary>Sum or mean of each row: blocks of constant length in float32, added in order in float64.</summary>
internal unsafe struct SumJob : IRangeJob
{
    public const long Block = 4096;

    public long Columns;
    public float* X;
    public float* Output;
    public long StepX;
    public long StepOutput;
    public float Beta;
    public bool Mean;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            float* x = X + row * StepX;
            double sum = 0;
            for (long start = 0; start < Columns; start += Block) sum += BlockSum(x + start, Math.Min(Block, Columns - start));
            Store(row, sum);
        }
    }

    public readonly void Store(long row, double sum)
    {
        float result = (float)(Mean ? sum / Columns : sum);
        float* output = Output + row * StepOutput;
        *output = Beta == 0 ? result : MathF.FusedMultiplyAdd(Beta, *output, result);
    }

    public static float BlockSum(float* x, long n)
    {
        if (SimdWidth.Bits == 512) return RowMath.Sum<Simd512>(x, n);
        if (SimdWidth.Bits == 256) return RowMath.Sum<Simd256>(x, n);
        if (SimdWidth.Bits == 128) return RowMath.Sum<Simd128>(x, n);
        return RowMath.Sum<SimdScalar>(x, n);
    }
}

/// <summary>The block sums of one long row, for several threads; the caller adds them as <see cref="SumJob"/> would.</summary>
internal unsafe struct BlockSumJob : IRangeJob
{
    public float* X;
    public float* Sums;
    public long Columns;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long block = begin; block < end; block++)
            Sums[block] = SumJob.BlockSum(X + block * SumJob.Block, Math.Min(SumJob.Block, Columns - block * SumJob.Block));
    }
}

/// <summary>Largest element of each row; NaN wins.</summary>
internal unsafe struct MaxJob : IRangeJob
{
    public long Columns;
    public float* X;
    public float* Output;
    public long StepX;
    public long StepOutput;
    public float Beta;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            float result = RowMaximum.Of(X + row * StepX, Columns);
            float* output = Output + row * StepOutput;
            *output = Beta == 0 ? result : MathF.FusedMultiplyAdd(Beta, *output, result);
        }
    }
}

/// <summary>Maximum of a row.</summary>
internal static unsafe class RowMaximum
{
    /// <summary>NaN if there is one, -infinity for no elements.</summary>
    public static float Of(float* x, long n)
    {
        if (SimdWidth.Bits == 512) return Of<Simd512>(x, n);
        if (SimdWidth.Bits == 256) return Of<Simd256>(x, n);
        if (SimdWidth.Bits == 128) return Of<Simd128>(x, n);
        return Of<SimdScalar>(x, n);
    }

    public static float Of<T>(float* x, long n) where T : unmanaged, ISimd<T>
    {
        // The registers' maximum may lose a NaN; a second accumulator keeps any that came by.
        T m0 = T.Create(float.NegativeInfinity), m1 = m0, nan = T.Create(0f);
        long i = 0;
        for (; i <= n - 2 * T.Count; i += 2 * T.Count)
        {
            T a = T.Load(x + i), b = T.Load(x + i + T.Count);
            nan = T.Select(T.IsNaN(a), a, nan);
            nan = T.Select(T.IsNaN(b), b, nan);
            m0 = T.Max(m0, a);
            m1 = T.Max(m1, b);
        }
        for (; i <= n - T.Count; i += T.Count)
        {
            T a = T.Load(x + i);
            nan = T.Select(T.IsNaN(a), a, nan);
            m0 = T.Max(m0, a);
        }
        if (float.IsNaN(T.Sum(nan))) return float.NaN;
        float maximum = T.MaxLane(T.Max(m0, m1));
        for (; i < n; i++)
        {
            if (float.IsNaN(x[i])) return float.NaN;
            if (x[i] > maximum) maximum = x[i];
        }
        return maximum;
    }
}
