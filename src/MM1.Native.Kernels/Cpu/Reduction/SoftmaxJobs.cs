using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Softmax of scaled rows, in place or not.</summary>
internal unsafe struct SoftmaxForwardJob : IRangeJob
{
    public long Columns;
    public float* X;
    public float* Output;
    public long StepX;
    public long StepOutput;
    public float Scale;

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
            float maximum = Scaled<T>(x, output);
            if (!float.IsFinite(maximum))
            {
                // Nothing but -infinity is a row that sees nothing; infinity and NaN have no softmax.
                new Span<float>(output, checked((int)Columns)).Fill(float.IsNegativeInfinity(maximum) ? 0 : float.NaN);
                continue;
            }
            float inverse = 1 / Exponentials<T>(output, maximum);
            T factor = T.Create(inverse);
            long i = 0;
            for (; i <= Columns - T.Count; i += T.Count) T.Store(T.Load(output + i) * factor, output + i);
            for (; i < Columns; i++) output[i] *= inverse;
        }
    }

    /// <summary>output = scale * x; returns the maximum of it.</summary>
    private readonly float Scaled<T>(float* x, float* output) where T : unmanaged, ISimd<T>
    {
        T scale = T.Create(Scale);
        long i = 0;
        for (; i <= Columns - T.Count; i += T.Count) T.Store(scale * T.Load(x + i), output + i);
        for (; i < Columns; i++) output[i] = Scale * x[i];
        return RowMaximum.Of<T>(output, Columns);
    }

    /// <summary>output = e^(output - maximum); returns the sum of it.</summary>
    private readonly float Exponentials<T>(float* output, float maximum) where T : unmanaged, ISimd<T>
    {
        T shift = T.Create(maximum), s0 = T.Create(0f), s1 = s0;
        long i = 0, n = Columns;
        for (; i <= n - 2 * T.Count; i += 2 * T.Count)
        {
            T a = VectorMath.ExpNonPositive(T.Load(output + i) - shift), b = VectorMath.ExpNonPositive(T.Load(output + i + T.Count) - shift);
            T.Store(a, output + i);
            T.Store(b, output + i + T.Count);
            s0 += a;
            s1 += b;
        }
        for (; i <= n - T.Count; i += T.Count)
        {
            T a = VectorMath.ExpNonPositive(T.Load(output + i) - shift);
            T.Store(a, output + i);
            s0 += a;
        }
        float sum = T.Sum(s0 + s1);
        for (; i < n; i++)
        {
            SimdScalar e = VectorMath.ExpNonPositive(new SimdScalar(output[i] - maximum));
            output[i] = e.Value;
            sum += e.Value;
        }
        return sum;
    }
}

/// <summary>Gradient of softmax, in place or not.</summary>
internal unsafe struct SoftmaxBackwardJob : IRangeJob
{
    public long Columns;
    public float* Output;
    public float* OutputGradient;
    public float* InputGradient;
    public long StepOutput;
    public long StepOutputGradient;
    public long StepInputGradient;
    public float Scale;
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
            float* output = Output + row * StepOutput, outputGradient = OutputGradient + row * StepOutputGradient, inputGradient = InputGradient + row * StepInputGradient;
            float dot = RowMath.Dot<T>(outputGradient, output, Columns);
            long i = Write<T>(output, outputGradient, inputGradient, dot, 0);
            Write<SimdScalar>(output, outputGradient, inputGradient, dot, i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Write<T>(float* output, float* outputGradient, float* inputGradient, float dot, long i) where T : unmanaged, ISimd<T>
    {
        T scale = T.Create(Scale), sum = T.Create(dot), beta = T.Create(Beta);
        bool accumulate = Beta != 0;
        for (; i <= Columns - T.Count; i += T.Count)
        {
            T gradient = scale * T.Load(output + i) * (T.Load(outputGradient + i) - sum);
            if (accumulate) gradient = T.MultiplyAdd(beta, T.Load(inputGradient + i), gradient);
            T.Store(gradient, inputGradient + i);
        }
        return i;
    }
}
