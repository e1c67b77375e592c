using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Rows divided by their 2-norm.</summary>
internal unsafe struct L2NormalizeForwardJob : IRangeJob
{
    public long Columns;
    public float* X;
    public float* Output;
    public float* InverseNorm;
    public long StepX;
    public long StepOutput;
    public long StepInverseNorm;
    public float Epsilon;

    public readonly void Run(long begin, long end, int worker)
    {
        if (SimdWidth.Bits == 512) Rows<Simd512>(begin, end);
        else if (SimdWidth.Bits == 256) Rows<Simd256>(begin, end);
        else if (SimdWidth.Bits == 128) Rows<Simd128>(begin, end);
        else Rows<SimdScalar>(begin, end);
    }

    private readonly void Rows<T>(long begin, long end) where T : unmanaged, ISimd<T>
    {
        for (long row = begin; row < end; row++)
        {
            float* x = X + row * StepX, output = Output + row * StepOutput;
            float inverse = 1 / MathF.Max(MathF.Sqrt(RowMath.SumOfSquares<T>(x, 0, Columns)), Epsilon);
            if (InverseNorm is not null) InverseNorm[row * StepInverseNorm] = inverse;
            T factor = T.Create(inverse);
            long i = 0;
            for (; i <= Columns - T.Count; i += T.Count) T.Store(factor * T.Load(x + i), output + i);
            for (; i < Columns; i++) output[i] = inverse * x[i];
        }
    }
}

/// <summary>dX = inverse * (dOutput - output * sum(dOutput * output)), without the sum for a row whose norm was clamped.</summary>
internal unsafe struct L2NormalizeBackwardJob : IRangeJob
{
    public long Columns;
    public float* OutputGradient;
    public float* Output;
    public float* InverseNorm;
    public float* InputGradient;
    public long StepOutputGradient;
    public long StepOutput;
    public long StepInverseNorm;
    public long StepInputGradient;
    public float Epsilon;
    public float Beta;

    public readonly void Run(long begin, long end, int worker)
    {
        if (SimdWidth.Bits == 512) Rows<Simd512>(begin, end);
        else if (SimdWidth.Bits == 256) Rows<Simd256>(begin, end);
        else if (SimdWidth.Bits == 128) Rows<Simd128>(begin, end);
        else Rows<SimdScalar>(begin, end);
    }

    private readonly void Rows<T>(long begin, long end) where T : unmanaged, ISimd<T>
    {
        for (long row = begin; row < end; row++)
        {
            float* outputGradient = OutputGradient + row * StepOutputGradient, output = Output + row * StepOutput;
            float* inputGradient = InputGradient + row * StepInputGradient;
            float inverse = InverseNorm[row * StepInverseNorm];
            // The forward gives a clamped row exactly 1 / Epsilon.
            float dot = inverse >= 1 / Epsilon ? 0 : RowMath.Dot<T>(outputGradient, output, Columns);
            long i = Write<T>(outputGradient, output, inputGradient, inverse, dot, 0);
            Write<SimdScalar>(outputGradient, output, inputGradient, inverse, dot, i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Write<T>(float* outputGradient, float* output, float* inputGradient, float inverse, float dot, long i) where T : unmanaged, ISimd<T>
    {
        T factor = T.Create(inverse), slope = T.Create(dot), beta = T.Create(Beta);
        bool accumulate = Beta != 0;
        for (; i <= Columns - T.Count; i += T.Count)
        {
            T gradient = factor * T.NegativeMultiplyAdd(T.Load(output + i), slope, T.Load(outputGradient + i));
            if (accumulate) gradient = T.MultiplyAdd(beta, T.Load(inputGradient + i), gradient);
            T.Store(gradient, inputGradient + i);
        }
        return i;
    }
}
