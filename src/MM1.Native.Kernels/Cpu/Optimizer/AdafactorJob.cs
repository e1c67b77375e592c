namespace MM1.Native.Kernels.Cpu;

/// <summary>What one slot of one tensor contributes to the tensor's means.</summary>
internal struct AdafactorPartial
{
    /// <summary>Sum of squared parameters.</summary>
    public double Parameters;

    /// <summary>Sum of squared updates, before clipping.</summary>
    public double Updates;

    /// <summary>Sum of the row statistic.</summary>
    public double Rows;
}

/// <summary>The passes of <see cref="AdafactorJob"/>, each over all tensors.</summary>
internal enum AdafactorPhase
{
    /// <summary>Row statistics; element statistics and updates of unfactored tensors; sums of squared parameters.</summary>
    Rows,
    /// <summary>Column statistics.</summary>
    Columns,
    /// <summary>Sums of squared updates of factored tensors.</summary>
    Updates,
    /// <summary>New parameters.</summary>
    Apply,
}

/// <summary>
/// Adafactor in phases over all tensors. Each tensor is cut into a constant number of slots, runs of rows, columns or elements;
/// a slot is summed in order by one thread, the slots of a tensor are added in order: no bit depends on the threads.
/// </summary>
/// <remarks>
/// With row statistics R and column statistics C (means over the other axis) the second moment is R C / mean(R), and the update
/// u = g / sqrt(R / mean(R)) / sqrt(C). Products of two statistics are never formed: at Epsilon's size they underflow.
/// </remarks>
internal unsafe struct AdafactorJob : IRangeJob
{
    public const int Slots = 32;

    /// <summary>Elements summed in float32 registers before they go to float64.</summary>
    private const long Run32 = 1024;

    public AdafactorPhase Phase;
    public OptimizerTensor* Tensors;
    public AdafactorPartial* Partials;
    public double LearningRate;
    public float ClipFactor;
    public float Beta2;
    public float OneMinusBeta2;
    public float Epsilon;
    public float EpsilonScale;
    public float ClipThreshold;
    public float Beta1;
    public bool ScaleParameter;

    public static bool IsFactored(OptimizerTensor* tensor) => tensor->SecondMomentRow != 0;

    public readonly void Run(long begin, long end, int worker)
    {
        switch (SimdWidth.Bits)
        {
            case 512: Run<Simd512>(begin, end); break;
            case 256: Run<Simd256>(begin, end); break;
            case 128: Run<Simd128>(begin, end); break;
            default: Run<SimdScalar>(begin, end); break;
        }
    }

    private readonly void Run<T>(long begin, long end) where T : unmanaged, ISimd<T>
    {
        for (long item = begin; item < end; item++)
        {
            OptimizerTensor* tensor = Tensors + item / Slots;
            if (tensor->Count == 0) continue;
            long slot = item % Slots;
            AdafactorPartial* partial = Partials + item, partials = partial - slot;
            bool factored = IsFactored(tensor);
            long extent = !factored ? tensor->Count : Phase == AdafactorPhase.Columns ? tensor->Columns : tensor->Rows;
            long first = slot * extent / Slots, last = (slot + 1) * extent / Slots;
            switch (Phase)
            {
                case AdafactorPhase.Rows when factored: RowStatistics<T>(tensor, first, last, partial); break;
                case AdafactorPhase.Rows: ElementStatistics<T>(tensor, first, last, partial); break;
                case AdafactorPhase.Columns when factored: ColumnStatistics(tensor, first, last); break;
                case AdafactorPhase.Updates when factored: SquaredUpdates<T>(tensor, RowMean(tensor, partials), first, last, partial); break;
                case AdafactorPhase.Apply: Apply<T>(tensor, partials, first, last); break;
                default: break; // unfactored tensors have nothing to do
            }
        }
    }

    private readonly void RowStatistics<T>(OptimizerTensor* tensor, long first, long last, AdafactorPartial* partial) where T : unmanaged, ISimd<T>
    {
        *partial = default;
        float* rows = (float*)tensor->SecondMomentRow;
        for (long row = first; row < last; row++)
        {
            double squares = SumOfSquares<T>((float*)tensor->Gradient + row * tensor->Columns, tensor->Columns, ClipFactor);
            partial->Parameters += SumOfSquares<T>((float*)tensor->Master + row * tensor->Columns, tensor->Columns, 1);
            rows[row] = Blend(rows[row], squares / tensor->Columns + Epsilon);
            partial->Rows += rows[row];
        }
    }

    private readonly void ElementStatistics<T>(OptimizerTensor* tensor, long first, long last, AdafactorPartial* partial) where T : unmanaged, ISimd<T>
    {
        float* gradient = (float*)tensor->Gradient, second = (float*)tensor->SecondMoment;
        long i = first;
        for (; i + T.Count <= last; i += T.Count) ElementStatistics<T>(gradient + i, second + i);
        for (; i < last; i++) ElementStatistics<SimdScalar>(gradient + i, second + i);
        *partial = new AdafactorPartial
        {
            Parameters = SumOfSquares<T>((float*)tensor->Master + first, last - first, 1),
            Updates = SumOfSquaredUpdates<T>(gradient + first, second + first, last - first, ClipFactor),
        };
    }

    private readonly void ElementStatistics<T>(float* gradient, float* second) where T : unmanaged, ISimd<T>
    {
        T g = T.Create(ClipFactor) * T.Load(gradient);
        T square = T.MultiplyAdd(g, g, T.Create(Epsilon));
        T.Store(T.MultiplyAdd(T.Create(Beta2), T.Load(second), T.Create(OneMinusBeta2) * square), second);
    }

    /// <summary>A strip of columns at a time, rows ascending: the strip's sums stay in the L1 cache.</summary>
    private readonly void ColumnStatistics(OptimizerTensor* tensor, long first, long last)
    {
        const int Strip = 64, RunRows = 64;
        float* sums = stackalloc float[Strip];
        double* totals = stackalloc double[Strip];
        float* columns = (float*)tensor->SecondMomentColumn;
        for (long strip = first; strip < last; strip += Strip)
        {
            int width = (int)Math.Min(Strip, last - strip);
            new Span<double>(totals, width).Clear();
            for (long i = 0; i < tensor->Rows; i += RunRows)
            {
                new Span<float>(sums, width).Clear();
                for (long row = i; row < Math.Min(i + RunRows, tensor->Rows); row++)
                {
                    var gradient = new ReadOnlySpan<float>((float*)tensor->Gradient + row * tensor->Columns + strip, width);
                    // Clipped at the end: the factor is the same for all.
                    System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(gradient, gradient, new ReadOnlySpan<float>(sums, width), new Span<float>(sums, width));
                }
                for (int j = 0; j < width; j++) totals[j] += sums[j];
            }
            double clip = (double)ClipFactor * ClipFactor;
            for (int j = 0; j < width; j++) columns[strip + j] = Blend(columns[strip + j], clip * totals[j] / tensor->Rows + Epsilon);
        }
    }

    private readonly void SquaredUpdates<T>(OptimizerTensor* tensor, float rowMean, long first, long last, AdafactorPartial* partial) where T : unmanaged, ISimd<T>
    {
        double total = 0;
        for (long row = first; row < last; row++)
        {
            float* gradient = (float*)tensor->Gradient + row * tensor->Columns;
            total += SumOfSquaredUpdates<T>(gradient, (float*)tensor->SecondMomentColumn, tensor->Columns, RowFactor(tensor, row, rowMean));
        }
        partial->Updates = total;
    }

    private readonly void Apply<T>(OptimizerTensor* tensor, AdafactorPartial* partials, long first, long last) where T : unmanaged, ISimd<T>
    {
        double updates = 0, parameters = 0;
        for (int slot = 0; slot < Slots; slot++)
        {
            updates += partials[slot].Updates;
            parameters += partials[slot].Parameters;
        }
        double learningRate = LearningRate * tensor->LearningRateScale;
        double scale = ScaleParameter ? Math.Max(EpsilonScale, Math.Sqrt(parameters / tensor->Count)) : 1;
        double clip = Math.Max(1, Math.Sqrt(updates / tensor->Count) / ClipThreshold);
        float step = (float)(learningRate * scale / clip), decay = (float)(learningRate * tensor->WeightDecay);
        if (!IsFactored(tensor))
        {
            Apply<T>(tensor, first, last - first, ClipFactor, (float*)tensor->SecondMoment + first, step, decay);
            return;
        }
        float rowMean = RowMean(tensor, partials);
        for (long row = first; row < last; row++)
            Apply<T>(tensor, row * tensor->Columns, tensor->Columns, RowFactor(tensor, row, rowMean), (float*)tensor->SecondMomentColumn, step, decay);
    }

    /// <summary>p -= step * u + decay * p with u = factor * gradient / sqrt(variance), through the first moment where there is one.</summary>
    private readonly void Apply<T>(OptimizerTensor* tensor, long first, long count, float factor, float* variance, float step, float decay) where T : unmanaged, ISimd<T>
    {
        float* gradient = (float*)tensor->Gradient + first, parameter = (float*)tensor->Master + first, moment = (float*)tensor->FirstMoment + first;
        long i = 0;
        for (; i + T.Count <= count; i += T.Count) Apply<T>(gradient + i, variance + i, moment + i, parameter + i, factor, step, decay);
        for (; i < count; i++) Apply<SimdScalar>(gradient + i, variance + i, moment + i, parameter + i, factor, step, decay);
        for (i = 0; i < count; i += ShadowCopy.Elements) ShadowCopy.Write(tensor, first + i, Math.Min(ShadowCopy.Elements, count - i));
    }

    private readonly void Apply<T>(float* gradient, float* variance, float* moment, float* parameter, float factor, float step, float decay) where T : unmanaged, ISimd<T>
    {
        T update = T.Create(step) * Update<T>(gradient, variance, factor);
        if (Beta1 != 0)
        {
            update = T.MultiplyAdd(T.Create(Beta1), T.Load(moment), T.Create((float)(1 - (double)Beta1)) * update);
            T.Store(update, moment);
        }
        T p = T.Load(parameter);
        T.Store(p - T.MultiplyAdd(T.Create(decay), p, update), parameter);
    }

    /// <summary>factor * gradient / sqrt(variance).</summary>
    private static T Update<T>(float* gradient, float* variance, float factor) where T : unmanaged, ISimd<T> =>
        T.Create(factor) * T.Load(gradient) / T.Sqrt(T.Load(variance));

    /// <summary>Sum of (factor x)^2.</summary>
    private static double SumOfSquares<T>(float* x, long count, float factor) where T : unmanaged, ISimd<T>
    {
        double total = 0;
        for (long run = 0; run < count; run += Run32)
        {
            long end = Math.Min(run + Run32, count), i = run;
            T sum0 = T.Create(0), sum1 = sum0;
            for (; i + 2 * T.Count <= end; i += 2 * T.Count)
            {
                T x0 = T.Load(x + i), x1 = T.Load(x + i + T.Count);
                sum0 = T.MultiplyAdd(x0, x0, sum0);
                sum1 = T.MultiplyAdd(x1, x1, sum1);
            }
            float rest = 0;
            for (; i < end; i++) rest = MathF.FusedMultiplyAdd(x[i], x[i], rest);
            total += (double)T.Sum(sum0 + sum1) + rest;
        }
        return total * factor * factor;
    }

    /// <summary>Sum of squared <see cref="Update"/>s.</summary>
    private static double SumOfSquaredUpdates<T>(float* gradient, float* variance, long count, float factor) where T : unmanaged, ISimd<T>
    {
        double total = 0;
        for (long run = 0; run < count; run += Run32)
        {
            long end = Math.Min(run + Run32, count), i = run;
            T sum = T.Create(0);
            for (; i + T.Count <= end; i += T.Count)
            {
                T update = Update<T>(gradient + i, variance + i, factor);
                sum = T.MultiplyAdd(update, update, sum);
            }
            float rest = 0;
            for (; i < end; i++)
            {
                float update = Update<SimdScalar>(gradient + i, variance + i, factor).Value;
                rest = MathF.FusedMultiplyAdd(update, update, rest);
            }
            total += (double)T.Sum(sum) + rest;
        }
        return total;
    }

    private readonly float RowFactor(OptimizerTensor* tensor, long row, float rowMean) =>
        ClipFactor / MathF.Sqrt(((float*)tensor->SecondMomentRow)[row] / rowMean);

    private static float RowMean(OptimizerTensor* tensor, AdafactorPartial* partials)
    {
        double sum = 0;
        for (int slot = 0; slot < Slots; slot++) sum += partials[slot].Rows;
        return (float)(sum / tensor->Rows);
    }

    /// <summary>Beta2 old + (1 - Beta2) fresh.</summary>
    private readonly float Blend(float old, double fresh) => (float)((double)Beta2 * old + OneMinusBeta2 * fresh);
}
