using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Loss and log-sum-exp of each row of logits. Row r belongs to token <c>TokenOfRow[r]</c> (r where there is no list).</summary>
internal unsafe struct CrossEntropyForwardJob : IRangeJob
{
    public float* Logits;
    public long RowStride;
    public long Vocabulary;
    public int* Targets;
    public int* TokenOfRow;
    public float* Losses;
    /// <summary>Where the cross-entropies without z-loss go; may be null.</summary>
    public float* TokenLosses;
    public float* LogSumExp;
    public int IgnoreIndex;
    public float ZLossWeight;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            long token = TokenOfRow == null ? row : TokenOfRow[row];
            int target = Targets[token];
            float logSumExp = 0, loss = 0, crossEntropy = 0;
            if (target != IgnoreIndex)
            {
                float* logits = Logits + row * RowStride;
                logSumExp = SoftmaxRows.LogSumExp(logits, Vocabulary);
                crossEntropy = logSumExp - logits[target];
                loss = MathF.FusedMultiplyAdd(ZLossWeight * logSumExp, logSumExp, crossEntropy);
            }
            Losses[token] = loss;
            if (TokenLosses != null) TokenLosses[token] = crossEntropy;
            if (LogSumExp != null) LogSumExp[token] = logSumExp;
        }
    }

    /// <summary>Rows that are worth handing to another thread: about ten microseconds of exponentials.</summary>
    public static long Grain(long vocabulary) => Math.Max(1, 16384 / Math.Max(vocabulary, 1));
}

/// <summary>Gradient of each row of logits, possibly in place.</summary>
internal unsafe struct CrossEntropyBackwardJob : IRangeJob
{
    public float* Logits;
    public long RowStride;
    public float* Gradient;
    public long GradientRowStride;
    public long Vocabulary;
    public int* Targets;
    public int* TokenOfRow;
    public float* LogSumExp;
    public float Factor;
    public int IgnoreIndex;
    public float ZLossWeight;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            long token = TokenOfRow == null ? row : TokenOfRow[row];
            int target = Targets[token];
            float* gradient = Gradient + row * GradientRowStride;
            if (target == IgnoreIndex)
            {
                NativeMemory.Clear(gradient, (nuint)Vocabulary * sizeof(float));
                continue;
            }
            float logSumExp = LogSumExp[token];
            // d(lse - x[target] + z lse^2) / dx = softmax (1 + 2 z lse) - onehot
            float softmaxFactor = Factor * (1 + 2 * ZLossWeight * logSumExp);
            SoftmaxRows.ScaledSoftmax(Logits + row * RowStride, gradient, Vocabulary, logSumExp, softmaxFactor);
            gradient[target] -= Factor;
        }
    }
}
