using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Settings of <see cref="Functional.SelfAttention(Tensor, SelfAttentionOptions, AttentionLayout)"/>.</summary>
public readonly record struct SelfAttentionOptions
{
    /// <summary>Query heads.</summary>
    public required long Heads { get; init; }

    /// <summary>Key and value heads; 0 for as many as query heads.</summary>
    public long KeyValueHeads { get; init; }

    /// <summary>Head size: a multiple of 8, at most 256.</summary>
    public required long HeadSize { get; init; }

    /// <summary>Rotary embedding of query and key; with <see cref="Positions"/>.</summary>
    public RotaryTable? Rotary { get; init; }

    /// <summary>int32 [tokens].</summary>
    public Tensor? Positions { get; init; }

    /// <summary>Weight [headSize] of the RMS norm of query heads (QK-norm); with <see cref="KeyNorm"/>.</summary>
    public Tensor? QueryNorm { get; init; }

    /// <summary>Weight [headSize] of the RMS norm of key heads.</summary>
    public Tensor? KeyNorm { get; init; }

    /// <summary>Epsilon of both norms; 0 stands for 1e-5.</summary>
    public float NormEpsilon { get; init; }

    /// <summary>Factor on the scores; 1/sqrt(headSize) when null.</summary>
    public float? Scale { get; init; }
}

/// <summary>The numbers of one self-attention call and its per-head norms.</summary>
internal readonly record struct SelfAttentionPlan(SelfAttentionOptions Options, long Heads, long KeyValueHeads, long HeadSize, long Tokens)
{
    private float Epsilon => Options.NormEpsilon == 0 ? 1e-5f : Options.NormEpsilon;

    /// <summary>Normalizes the heads that begin at a column, from the fused projection into the copy.</summary>
    public void NormalizeHeads(TensorState fused, TensorState weight, long column, long heads, TensorState destination, TensorState? inverse)
    {
        fused.Device.Kernels.RmsNormForward(fused.Device.Launch(), new RmsNormForwardArgs
        {
            Rows = Tokens,
            Groups = heads,
            Columns = HeadSize,
            X = fused.ColumnsFrom(column),
            Weight = weight.Operand,
            Output = destination.ColumnsFrom(column),
            InverseRootMeanSquare = inverse?.Operand ?? default,
            Epsilon = Epsilon,
        });
    }

    public void NormalizeHeadsBackward(TensorState fused, TensorState weight, TensorState inverse, long column, long heads, TensorState gradient, TensorState destination)
    {
        float beta = 0;
        TensorState? weightGradient = weight.RequiresGradient ? Gradients.StageSum(weight, out beta) : null;
        var args = new RmsNormBackwardArgs
        {
            Rows = Tokens,
            Groups = heads,
            Columns = HeadSize,
            OutputGradient = gradient.ColumnsFrom(column),
            X = fused.ColumnsFrom(column),
            Weight = weight.Operand,
            InverseRootMeanSquare = inverse.Operand,
            InputGradient = destination.ColumnsFrom(column),
            WeightGradient = weightGradient?.Operand ?? default,
            BetaParameters = beta,
        };
        fused.Device.Kernels.RmsNormBackward(fused.Device.Launch(fused.Device.Kernels.RmsNormBackwardWorkspaceBytes(args)), args);
        Gradients.CommitSum(weight, weightGradient);
    }
}
