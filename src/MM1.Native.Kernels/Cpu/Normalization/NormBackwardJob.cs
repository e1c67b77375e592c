using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Backward of layer norm and root-mean-square norm. With n the normalized row and g = dOutput * weight:
/// dX = inverse * (g - mean(g) - n * mean(g * n)), where mean(g) is there with centering only; dWeight = sum of dOutput * n and
/// dBias = sum of dOutput over rows and groups. With an activation dOutput is first multiplied by its derivative at n * weight + bias,
/// a group at a time.
/// </summary>
/// <remarks>
/// An item is one block of <see cref="RowBlocks.Rows"/> rows, which sums its parameter gradients into its own row of the workspace.
/// All sums of a group come before its first write: dX may lie on dOutput.
/// </remarks>
internal unsafe partial struct NormBackwardJob<TCentered, TActivation> : IRangeJob
    where TCentered : struct, IFlag
    where TActivation : struct, IActivation
{
    public long RowCount;
    public long Groups;
    public long Columns;
    public float* OutputGradient;
    public float* SumGradient;
    public float* X;
    public float* Weight;
    public float* Bias;
    public float* Mean;
    public float* InverseDeviation;
    public float* InputGradient;
    public float* WeightPartials;
    public float* BiasPartials;

    /// <summary>With an activation, columns for each block of rows.</summary>
    public float* Arriving;
    public long StepOutputGradient;
    public long StepSumGradient;
    public long StepX;
    public long StepMean;
    public long StepInverseDeviation;
    public long StepInputGradient;
    public float Beta;

    private static bool IsActivated => typeof(TActivation) != typeof(IdentityActivation);

    public readonly void Run(long begin, long end, int worker)
    {
        if (SimdWidth.Bits == 512) Blocks<Simd512>(begin, end);
        else if (SimdWidth.Bits == 256) Blocks<Simd256>(begin, end);
        else if (SimdWidth.Bits == 128) Blocks<Simd128>(begin, end);
        else Blocks<SimdScalar>(begin, end);
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    private readonly void Blocks<T>(long begin, long end) where T : unmanaged, ISimd<T>
    {
        for (long block = begin; block < end; block++)
        {
            float* weightPartial = WeightPartials is null ? null : WeightPartials + block * Columns;
            float* biasPartial = BiasPartials is null ? null : BiasPartials + block * Columns;
            if (weightPartial is not null) new Span<float>(weightPartial, checked((int)Columns)).Clear();
            if (biasPartial is not null) new Span<float>(biasPartial, checked((int)Columns)).Clear();
            long last = Math.Min(RowCount, (block + 1) * RowBlocks.Rows);
            if (typeof(T) == typeof(Simd512) && NarrowRows512.Covers(Columns))
            {
                NarrowRows(block * RowBlocks.Rows, last, weightPartial, biasPartial);
                continue;
            }
            for (long row = block * RowBlocks.Rows; row < last; row++)
            {
                for (long group = 0; group < Groups; group++) Group<T>(row, group, weightPartial, biasPartial, Arriving + block * Columns);
            }
        }
    }

    private readonly void Group<T>(long row, long group, float* weightPartial, float* biasPartial, float* arriving) where T : unmanaged, ISimd<T>
    {
        long offset = group * Columns;
        float* outputGradient = OutputGradient + row * StepOutputGradient + offset, x = X + row * StepX + offset;
        float* inputGradient = InputGradient + row * StepInputGradient + offset;
        float mean = TCentered.IsOn ? Mean[row * StepMean + group] : 0, inverse = InverseDeviation[row * StepInverseDeviation + group];
        if (IsActivated)
        {
            Arrive<T>(outputGradient, x, mean, inverse, arriving);
            outputGradient = arriving;
        }
        float meanGradient, meanProduct;
        if (Weight is null) Sums<T, Off>(outputGradient, x, mean, out meanGradient, out meanProduct);
        else Sums<T, On>(outputGradient, x, mean, out meanGradient, out meanProduct);
        meanGradient /= Columns;
        meanProduct = meanProduct * inverse / Columns;
        if (weightPartial is not null) AddProducts<T>(outputGradient, x, mean, inverse, weightPartial);
        if (biasPartial is not null) AddTo<T>(outputGradient, biasPartial, Columns);
        if (SumGradient is null && Beta == 0)
        {
            if (Weight is null) Write<T, Off, Off, Off>(outputGradient, x, null, inputGradient, mean, inverse, meanGradient, meanProduct);
            else Write<T, On, Off, Off>(outputGradient, x, null, inputGradient, mean, inverse, meanGradient, meanProduct);
            return;
        }
        float* sumGradient = SumGradient is null ? null : SumGradient + row * StepSumGradient + offset;
        if (Beta == 0)
        {
            if (Weight is null) Write<T, Off, On, Off>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct);
            else Write<T, On, On, Off>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct);
        }
        else if (sumGradient is null)
        {
            if (Weight is null) Write<T, Off, Off, On>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct);
            else Write<T, On, Off, On>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct);
        }
        else
        {
            if (Weight is null) Write<T, Off, On, On>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct);
            else Write<T, On, On, On>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct);
        }
    }

    /// <summary>arriving = dOutput * activation'(n * weight + bias).</summary>
    private readonly void Arrive<T>(float* outputGradient, float* x, float mean, float inverse, float* arriving) where T : unmanaged, ISimd<T>
    {
        if (Weight is null && Bias is null) Arrive<T, Off, Off>(x, mean, inverse, arriving);
        else if (Bias is null) Arrive<T, On, Off>(x, mean, inverse, arriving);
        else if (Weight is null) Arrive<T, Off, On>(x, mean, inverse, arriving);
        else Arrive<T, On, On>(x, mean, inverse, arriving);
        MultiplyByDerivative(outputGradient, arriving, Columns);
    }

    /// <summary>values = dOutput * activation'(values).</summary>
    private static void MultiplyByDerivative(float* outputGradient, float* values, long n) =>
        BinaryJob<ActivationGradientMap<TActivation>>.Line(default, outputGradient, values, values, n);

    /// <summary>arriving = n * weight + bias.</summary>
    private readonly void Arrive<T, TWeight, TBias>(float* x, float mean, float inverse, float* arriving)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
        where TBias : struct, IFlag
    {
        long i = Arrive<T, TWeight, TBias>(x, mean, inverse, arriving, 0);
        Arrive<SimdScalar, TWeight, TBias>(x, mean, inverse, arriving, i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Arrive<T, TWeight, TBias>(float* x, float mean, float inverse, float* arriving, long i)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
        where TBias : struct, IFlag
    {
        T center = T.Create(mean), scale = T.Create(inverse);
        float* weight = Weight, bias = Bias;
        long n = Columns;
        for (; i <= n - T.Count; i += T.Count)
        {
            T.Store(NormValue.Of<T, TCentered, TWeight, TBias>(T.Load(x + i), center, scale, weight + i, bias + i), arriving + i);
        }
        return i;
    }

    /// <summary>Sums of g and of g * (x - mean).</summary>
    private readonly void Sums<T, TWeight>(float* outputGradient, float* x, float mean, out float gradient, out float product)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
    {
        T center = T.Create(mean), g0 = T.Create(0f), g1 = g0, p0 = g0, p1 = g0;
        float* weight = Weight;
        long n = Columns, i = 0;
        for (; i <= n - 2 * T.Count; i += 2 * T.Count)
        {
            T a = T.Load(outputGradient + i), b = T.Load(outputGradient + i + T.Count), c = T.Load(x + i), d = T.Load(x + i + T.Count);
            if (TWeight.IsOn) a *= T.Load(weight + i);
            if (TWeight.IsOn) b *= T.Load(weight + i + T.Count);
            if (TCentered.IsOn)
            {
                c -= center;
                d -= center;
                g0 += a;
                g1 += b;
            }
            p0 = T.MultiplyAdd(a, c, p0);
            p1 = T.MultiplyAdd(b, d, p1);
        }
        for (; i <= n - T.Count; i += T.Count)
        {
            T a = T.Load(outputGradient + i), c = T.Load(x + i);
            if (TWeight.IsOn) a *= T.Load(weight + i);
            if (TCentered.IsOn)
            {
                c -= center;
                g0 += a;
            }
            p0 = T.MultiplyAdd(a, c, p0);
        }
        gradient = TCentered.IsOn ? T.Sum(g0 + g1) : 0;
        product = T.Sum(p0 + p1);
        for (; i < n; i++)
        {
            float g = TWeight.IsOn ? outputGradient[i] * weight[i] : outputGradient[i];
            if (TCentered.IsOn) gradient += g;
            product = MathF.FusedMultiplyAdd(g, x[i] - mean, product);
        }
    }

    /// <summary>partial += dOutput * n.</summary>
    private readonly void AddProducts<T>(float* outputGradient, float* x, float mean, float inverse, float* partial) where T : unmanaged, ISimd<T>
    {
        long i = AddProducts<T>(outputGradient, x, mean, inverse, partial, 0);
        AddProducts<SimdScalar>(outputGradient, x, mean, inverse, partial, i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long AddProducts<T>(float* outputGradient, float* x, float mean, float inverse, float* partial, long i) where T : unmanaged, ISimd<T>
    {
        T center = T.Create(mean), scale = T.Create(inverse);
        long n = Columns;
        for (; i <= n - T.Count; i += T.Count)
        {
            T value = T.Load(x + i);
            if (TCentered.IsOn) value -= center;
            T.Store(T.MultiplyAdd(T.Load(outputGradient + i), value * scale, T.Load(partial + i)), partial + i);
        }
        return i;
    }

    private static void AddTo<T>(float* x, float* partial, long n) where T : unmanaged, ISimd<T>
    {
        long i = 0;
        for (; i <= n - T.Count; i += T.Count) T.Store(T.Load(partial + i) + T.Load(x + i), partial + i);
        for (; i < n; i++) partial[i] += x[i];
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    private readonly void Write<T, TWeight, TSum, TBeta>(float* outputGradient, float* x, float* sumGradient, float* inputGradient,
        float mean, float inverse, float meanGradient, float meanProduct)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
        where TSum : struct, IFlag
        where TBeta : struct, IFlag
    {
        long i = Write<T, TWeight, TSum, TBeta>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct, 0);
        Write<SimdScalar, TWeight, TSum, TBeta>(outputGradient, x, sumGradient, inputGradient, mean, inverse, meanGradient, meanProduct, i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Write<T, TWeight, TSum, TBeta>(float* outputGradient, float* x, float* sumGradient, float* inputGradient,
        float mean, float inverse, float meanGradient, float meanProduct, long i)
        where T : unmanaged, ISimd<T>
        where TWeight : struct, IFlag
        where TSum : struct, IFlag
        where TBeta : struct, IFlag
    {
        T center = T.Create(mean), scale = T.Create(inverse), constant = T.Create(meanGradient), slope = T.Create(meanProduct * inverse), beta = T.Create(Beta);
        float* weight = Weight;
        long n = Columns;
        for (; i <= n - T.Count; i += T.Count)
        {
            T g = T.Load(outputGradient + i), value = T.Load(x + i);
            if (TWeight.IsOn) g *= T.Load(weight + i);
            if (TCentered.IsOn)
            {
                value -= center;
                g -= constant;
            }
            T gradient = scale * T.NegativeMultiplyAdd(value, slope, g);
            if (TSum.IsOn) gradient += T.Load(sumGradient + i);
            if (TBeta.IsOn) gradient = T.MultiplyAdd(beta, T.Load(inputGradient + i), gradient);
            T.Store(gradient, inputGradient + i);
        }
        return i;
    }
}
