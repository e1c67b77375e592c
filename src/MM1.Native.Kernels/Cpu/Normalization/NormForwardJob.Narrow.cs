using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Rows of a few columns, a batch at a time.</summary>
internal unsafe partial struct NormForwardJob<TCentered, TActivation>
{
    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    [SkipLocalsInit]
    private readonly void NarrowRows(long begin, long end)
    {
        float* x = X;
        long step = StepX;
        if (SumOutput is not null)
        {
            for (long row = begin; row < end; row++) AddResidual<Simd512>(row);
            x = SumOutput;
            step = StepSumOutput;
        }
        int columns = (int)Columns;
        float* turned = stackalloc float[NarrowRows512.Floats], means = stackalloc float[NarrowRows512.Rows], inverses = stackalloc float[NarrowRows512.Rows];
        nint* inputs = stackalloc nint[NarrowRows512.Rows], outputs = stackalloc nint[NarrowRows512.Rows];
        long row0 = begin, group0 = 0;
        while (row0 < end)
        {
            long row = row0, group = group0;
            int count = 0;
            for (; count < NarrowRows512.Rows && row0 < end; count++)
            {
                inputs[count] = (nint)(row0 * step + group0 * Columns);
                outputs[count] = (nint)(row0 * StepOutput + group0 * Columns);
                if (++group0 < Groups) continue;
                group0 = 0;
                row0++;
            }
            for (int missing = count; missing < NarrowRows512.Rows; missing++) inputs[missing] = inputs[0];
            Statistics(x, inputs, columns, turned, means, inverses);
            for (int i = 0; i < count; i++)
            {
                if (TCentered.IsOn && Mean is not null) Mean[row * StepMean + group] = means[i];
                if (InverseDeviation is not null) InverseDeviation[row * StepInverseDeviation + group] = inverses[i];
                if (++group < Groups) continue;
                group = 0;
                row++;
            }
            for (int column = 0; column < columns; column += NarrowRows512.Rows) WriteNarrow(x, inputs, outputs, means, inverses, column, count);
            if (IsActivated) ActivateNarrow(outputs, columns, count);
        }
    }

    /// <summary>Rows that lie one after the other are one line: no register is filled by half.</summary>
    private readonly void ActivateNarrow(nint* outputs, int columns, int count)
    {
        bool isLine = outputs[count - 1] - outputs[0] == (nint)(count - 1) * columns;
        for (int i = 0; i < (isLine ? 1 : count); i++) Activate(Output + outputs[i], isLine ? (long)count * columns : columns);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void Statistics(float* x, nint* inputs, int columns, float* turned, float* means, float* inverses)
    {
        NarrowRows512.Turn(x, inputs, columns, turned);
        Vector512<float> count = Vector512.Create((float)columns), mean = Vector512<float>.Zero;
        if (TCentered.IsOn) mean = NarrowRows512.Sum(new NarrowRows512.Value(turned), columns) / count;
        Vector512<float> squares = NarrowRows512.Sum(new NarrowRows512.Square(turned, mean), columns);
        mean.Store(means);
        (Vector512<float>.One / Vector512.Sqrt(squares / count + Vector512.Create(Epsilon))).Store(inverses);
    }

    /// <summary>Columns [column, column + 16) of a batch.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void WriteNarrow(float* x, nint* inputs, nint* outputs, float* means, float* inverses, int column, int count)
    {
        Vector512<float> mask = NarrowRows512.Mask((int)Columns, column);
        Vector512<float> weight = Weight is null ? default : NarrowRows512.Load(Weight + column, mask);
        Vector512<float> bias = Bias is null ? default : NarrowRows512.Load(Bias + column, mask);
        bool hasWeight = Weight is not null, hasBias = Bias is not null;
        float* input = x + column, output = Output + column;
        for (int i = 0; i < count; i++)
        {
            Vector512<float> value = NarrowRows512.Load(input + inputs[i], mask);
            if (TCentered.IsOn) value -= Vector512.Create(means[i]);
            value *= Vector512.Create(inverses[i]);
            if (hasWeight && hasBias) value = Vector512.FusedMultiplyAdd(value, weight, bias);
            else if (hasWeight) value *= weight;
            else if (hasBias) value += bias;
            Avx512F.MaskStore(output + outputs[i], mask, value);
        }
    }
}
