using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Rows of a few columns, a batch at a time.</summary>
internal unsafe partial struct NormBackwardJob<TCentered, TActivation>
{
    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    [SkipLocalsInit]
    private readonly void NarrowRows(long begin, long end, float* weightPartial, float* biasPartial)
    {
        const int batch = NarrowRows512.Rows;
        int columns = (int)Columns;
        float* gradients = stackalloc float[NarrowRows512.Floats], values = stackalloc float[NarrowRows512.Floats];
        float* arriving = stackalloc float[NarrowRows512.Floats], outputGradient = IsActivated ? arriving : OutputGradient;
        nint* places = stackalloc nint[4 * batch];
        float* scalars = stackalloc float[4 * batch];
        long group = 0;
        for (long row = begin; row < end;)
        {
            int count = 0;
            for (; count < batch && row < end; count++)
            {
                long offset = group * Columns;
                places[count] = (nint)(row * StepOutputGradient + offset);
                places[batch + count] = (nint)(row * StepX + offset);
                places[2 * batch + count] = (nint)(row * StepInputGradient + offset);
                places[3 * batch + count] = (nint)(row * StepSumGradient + offset);
                scalars[count] = TCentered.IsOn ? Mean[row * StepMean + group] : 0;
                scalars[batch + count] = InverseDeviation[row * StepInverseDeviation + group];
                if (++group < Groups) continue;
                group = 0;
                row++;
            }
            if (IsActivated) ArriveNarrow(places, scalars, columns, count, arriving);
            for (int missing = count; missing < batch; missing++)
            {
                places[missing] = places[0];
                places[batch + missing] = places[batch];
                scalars[missing] = scalars[batch + missing] = 0;
            }
            NarrowRows512.Turn(outputGradient, places, columns, gradients);
            NarrowRows512.Turn(X, places + batch, columns, values);
            if (Weight is null) Means<Off>(gradients, values, columns, scalars);
            else Means<On>(gradients, values, columns, scalars);
            for (int column = 0; column < columns; column += batch) WriteNarrow(outputGradient, places, scalars, column, count, weightPartial, biasPartial);
        }
    }

    /// <summary>dOutput * activation'(n * weight + bias) of a batch, row after row; the places of dOutput become those.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void ArriveNarrow(nint* places, float* scalars, int columns, int count, float* arriving)
    {
        const int batch = NarrowRows512.Rows;
        for (int column = 0; column < columns; column += batch)
        {
            Vector512<float> mask = NarrowRows512.Mask(columns, column);
            Vector512<float> weight = Weight is null ? default : NarrowRows512.Load(Weight + column, mask);
            Vector512<float> bias = Bias is null ? default : NarrowRows512.Load(Bias + column, mask);
            bool hasWeight = Weight is not null, hasBias = Bias is not null;
            for (int i = 0; i < count; i++)
            {
                Vector512<float> value = NarrowRows512.Load(X + column + places[batch + i], mask);
                if (TCentered.IsOn) value -= Vector512.Create(scalars[i]);
                value *= Vector512.Create(scalars[batch + i]);
                if (hasWeight && hasBias) value = Vector512.FusedMultiplyAdd(value, weight, bias);
                else if (hasWeight) value *= weight;
                else if (hasBias) value += bias;
                Avx512F.MaskStore(arriving + i * columns + column, mask, value);
            }
        }
        // Rows that lie one after the other are one line: no register is filled by half.
        bool isLine = places[count - 1] - places[0] == (nint)(count - 1) * columns;
        for (int i = 0; i < (isLine ? 1 : count); i++) MultiplyByDerivative(OutputGradient + places[i], arriving + i * columns, isLine ? (long)count * columns : columns);
        for (int i = 0; i < count; i++) places[i] = (nint)i * columns;
    }

    /// <summary>The means of g and the slopes follow the means of x and the inverse deviations.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void Means<TWeight>(float* gradients, float* values, int columns, float* scalars) where TWeight : struct, IFlag
    {
        const int batch = NarrowRows512.Rows;
        Vector512<float> count = Vector512.Create((float)columns), mean = Vector512.Load(scalars), inverse = Vector512.Load(scalars + batch);
        var gradient = new NarrowRows512.Gradient<TWeight>(gradients, Weight);
        if (TCentered.IsOn) (NarrowRows512.SumInTurns(gradient, columns) / count).Store(scalars + 2 * batch);
        Vector512<float> product = NarrowRows512.SumInTurns(new NarrowRows512.Product<TWeight>(gradient, values, mean), columns);
        (product * inverse / count * inverse).Store(scalars + 3 * batch);
    }

    /// <summary>Columns [column, column + 16) of a batch.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void WriteNarrow(float* outputGradients, nint* places, float* scalars, int column, int count, float* weightPartial, float* biasPartial)
    {
        const int batch = NarrowRows512.Rows;
        Vector512<float> mask = NarrowRows512.Mask((int)Columns, column), beta = Vector512.Create(Beta);
        Vector512<float> weight = Weight is null ? default : NarrowRows512.Load(Weight + column, mask);
        Vector512<float> weightSum = weightPartial is null ? default : NarrowRows512.Load(weightPartial + column, mask);
        Vector512<float> biasSum = biasPartial is null ? default : NarrowRows512.Load(biasPartial + column, mask);
        bool hasWeight = Weight is not null, hasSum = SumGradient is not null, hasBeta = Beta != 0;
        float* outputGradient = outputGradients + column, x = X + column, inputGradient = InputGradient + column, sumGradient = SumGradient + column;
        for (int i = 0; i < count; i++, places++, scalars++)
        {
            Vector512<float> g = NarrowRows512.Load(outputGradient + places[0], mask), value = NarrowRows512.Load(x + places[batch], mask);
            Vector512<float> inverse = Vector512.Create(scalars[batch]);
            if (TCentered.IsOn) value -= Vector512.Create(scalars[0]);
            weightSum = Vector512.FusedMultiplyAdd(g, value * inverse, weightSum);
            biasSum += g;
            if (hasWeight) g *= weight;
            if (TCentered.IsOn) g -= Vector512.Create(scalars[2 * batch]);
            Vector512<float> gradient = inverse * Vector512.FusedMultiplyAdd(-value, Vector512.Create(scalars[3 * batch]), g);
            if (hasSum) gradient += NarrowRows512.Load(sumGradient + places[3 * batch], mask);
            if (hasBeta) gradient = Vector512.FusedMultiplyAdd(beta, NarrowRows512.Load(inputGradient + places[2 * batch], mask), gradient);
            Avx512F.MaskStore(inputGradient + places[2 * batch], mask, gradient);
        }
        if (weightPartial is not null) Avx512F.MaskStore(weightPartial + column, mask, weightSum);
        if (biasPartial is not null) Avx512F.MaskStore(biasPartial + column, mask, biasSum);
    }
}
