using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Layer norm and root-mean-square norm, which is the same without the centering. A row is read from memory once; the later
/// passes over a group find it in the first-level cache. The activation is another pass there, in lines as long as they can be.
/// </summary>
internal unsafe partial struct NormForwardJob<TCentered, TActivation> : IRangeJob
    where TCentered : struct, IFlag
    where TActivation : struct, IActivation
{
    public long Groups;
    public long Columns;
    public float* X;
    public float* Residual;
    public float* SumOutput;
    public float* Weight;
    public float* Bias;
    public float* Output;
    public float* Mean;
    public float* InverseDeviation;
    public long StepX;
    public long StepResidual;
    public long StepSumOutput;
    public long StepOutput;
    public long StepMean;
    public long StepInverseDeviation;
    public float Epsilon;

    private static bool IsActivated => typeof(TActivation) != typeof(IdentityActivation);

    public readonly void Run(long begin, long end, int worker)
    {
        if (SimdWidth.Bits == 512 && NarrowRows512.Covers(Columns)) NarrowRows(begin, end);
        else if (SimdWidth.Bits == 512) Rows<Simd512>(begin, end);
        else if (SimdWidth.Bits == 256) Rows<Simd256>(begin, end);
        else if (SimdWidth.Bits == 128) Rows<Simd128>(begin, end);
        else Rows<SimdScalar>(begin, end);
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    private readonly void Rows<T>(long begin, long end) where T : unmanaged, ISimd<T>
    {
        for (long row = begin; row < end; row++)
        {
            float* x = X + row * StepX, output = Output + row * StepOutput;
            if (SumOutput is not null)
            {
                AddResidual<T>(row);
                x = SumOutput + row * StepSumOutput;
            }
            for (long group = 0; group < Groups; group++, x += Columns, output += Columns)
            {
                float mean = TCentered.IsOn ? RowMath.Sum<T>(x, Columns) / Columns : 0;
                float inverse = 1 / MathF.Sqrt(RowMath.SumOfSquares<T>(x, mean, Columns) / Columns + Epsilon);
                if (TCentered.IsOn && Mean is not null) Mean[row * StepMean + group] = mean;
                if (InverseDeviation is not null) InverseDeviation[row * StepInverseDeviation + group] = inverse;
                if (Weight is null && Bias is null) Write<T, Off, Off>(x, mean, inverse, output);
                else if (Bias is null) Write<T, On, Off>(x, mean, inverse, output);
                else if (Weight is null) Write<T, Off, On>(x, mean, inverse, output);
                else Write<T, On, On>(x, mean, inverse, output);
            }
            if (IsActivated) Activate(Output + row * StepOutput, Groups * Columns);
        }
    }

    private static void Activate(float* values, long n) => UnaryJob<ActivationMap<TActivation>>.Line(default, values, values, n);

    private readonly void AddResidual<T>(long row) where T : unmanaged, ISimd<T>
    {
        float* x = X + row * StepX, sum = SumOutput + row * StepSumOutput;
        if (Residual is not null) Add<T>(x, Residual + row * StepResidual, sum, Groups * Columns);
        else if (sum != x) Buffer.MemoryCopy(x, sum, Groups * Columns * sizeof(float), Groups * Columns * sizeof(float));
    }

    private static void Add<T>(float* x, float* residual, float* sum, long n) where T : unmanaged, ISimd<T>
    {
        long i = 0;
        for (; i <= n - T.Count; i += T.Count) T.Store(T.Load(x + i) + T.Load(residual + i), sum + i);
        for (; i < n; i++) sum[i] = x[i] + residual[i];
    }

    private readonly void Write<T, TWeight, TBias>(float* x, float mean, float inverse, float* output)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
        where TBias : struct, IFlag
    {
        long i = Write<T, TWeight, TBias>(x, mean, inverse, output, 0);
        Write<SimdScalar, TWeight, TBias>(x, mean, inverse, output, i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Write<T, TWeight, TBias>(float* x, float mean, float inverse, float* output, long i)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
        where TBias : struct, IFlag
    {
        T center = T.Create(mean), scale = T.Create(inverse);
        float* weight = Weight, bias = Bias;
        long n = Columns;
        for (; i <= n - T.Count; i += T.Count)
        {
            T value = NormValue.Of<T, TCentered, TWeight, TBias>(T.Load(x + i), center, scale, weight + i, bias + i);
            T.Store(value, output + i);
        }
        return i;
    }
}
