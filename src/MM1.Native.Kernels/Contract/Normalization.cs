using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Layer normalization over groups of columns (Ba et al. 2016), optionally of a sum: s = X + Residual; SumOutput = s;
    /// Output = activation((s - mean) / sqrt(variance + Epsilon) * Weight + Bias). The variance is the biased one.
    /// </summary>
    void LayerNormForward(in Launch launch, in LayerNormForwardArgs args);

    /// <summary>
    /// Gradients of <see cref="LayerNormForward"/>: of s (which is that of X and of Residual), Weight and Bias. Weight and bias
    /// gradients are summed in fixed row blocks, in order. What the activation was given is computed again from X and the statistics.
    /// </summary>
    void LayerNormBackward(in Launch launch, in LayerNormBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="LayerNormBackward"/>.</summary>
    long LayerNormBackwardWorkspaceBytes(in LayerNormBackwardArgs args);

    /// <summary>
    /// Root-mean-square normalization over groups of columns (Zhang and Sennrich 2019), optionally of a sum:
    /// s = X + Residual; SumOutput = s; Output = s / sqrt(mean(s^2) + Epsilon) * Weight. With Groups = heads it is the per-head QK-norm.
    /// </summary>
    void RmsNormForward(in Launch launch, in RmsNormForwardArgs args);

    /// <summary>
    /// Gradients of <see cref="RmsNormForward"/>.
    /// </summary>
    void RmsNormBackward(in Launch launch, in RmsNormBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="RmsNormBackward"/>.</summary>
    long RmsNormBackwardWorkspaceBytes(in RmsNormBackwardArgs args);

    /// <summary>
    /// Unit rows: Output = X / max(norm(X), Epsilon); saves the inverse norm.
    /// </summary>
    void L2NormalizeForward(in Launch launch, in L2NormalizeForwardArgs args);

    /// <summary>
    /// Gradient of <see cref="L2NormalizeForward"/>.
    /// </summary>
    void L2NormalizeBackward(in Launch launch, in L2NormalizeBackwardArgs args);
}

/// <summary>Arguments of <see cref="IKernels.LayerNormForward"/> (<c>mm1_layer_norm_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct LayerNormForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<LayerNormForwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Independently normalized groups in a row, contiguous; 1 for a plain layer norm.</summary>
    public long Groups = 1;
    /// <summary>Columns of one group.</summary>
    public long Columns;
    /// <summary>[Rows, Groups, Columns].</summary>
    public Operand X;
    /// <summary>Optional, as X.</summary>
    public Operand Residual;
    /// <summary>As X: receives s. Present if Residual is; may be X or Residual itself.</summary>
    public Operand SumOutput;
    /// <summary>Optional, [Columns], shared by groups.</summary>
    public Operand Weight;
    /// <summary>Optional, [Columns].</summary>
    public Operand Bias;
    /// <summary>As X; may be X when no backward follows.</summary>
    public Operand Output;
    /// <summary>Optional float32 [Rows, Groups], for the backward, without gaps.</summary>
    public Operand Mean;
    /// <summary>Optional float32 [Rows, Groups], for the backward, without gaps.</summary>
    public Operand InverseStandardDeviation;
    /// <summary>Added to the variance.</summary>
    public float Epsilon = 1e-5f;
    /// <summary>Applied last: <see cref="Activation.None"/> or <see cref="Activation.Silu"/>.</summary>
    public Activation Activation;

    /// <summary>Defaults; every other field zero.</summary>
    public LayerNormForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.LayerNormBackward"/> (<c>mm1_layer_norm_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct LayerNormBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<LayerNormBackwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Groups in a row.</summary>
    public long Groups = 1;
    /// <summary>Columns of one group.</summary>
    public long Columns;
    /// <summary>[Rows, Groups, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>Optional, as X: gradient that reaches s by other ways (the residual stream), added to InputGradient. May be InputGradient.</summary>
    public Operand SumGradient;
    /// <summary>What was normalized: X, or SumOutput where there was a residual.</summary>
    public Operand X;
    /// <summary>Optional, [Columns].</summary>
    public Operand Weight;
    /// <summary>float32 [Rows, Groups], without gaps.</summary>
    public Operand Mean;
    /// <summary>float32 [Rows, Groups], without gaps.</summary>
    public Operand InverseStandardDeviation;
    /// <summary>[Rows, Groups, Columns]: gradient of s; may be OutputGradient.</summary>
    public Operand InputGradient;
    /// <summary>Optional float32 [Columns].</summary>
    public Operand WeightGradient;
    /// <summary>Optional float32 [Columns].</summary>
    public Operand BiasGradient;
    /// <summary>Factor on the old InputGradient.</summary>
    public float BetaInput;
    /// <summary>Factor on the old weight and bias gradients.</summary>
    public float BetaParameters;
    /// <summary>Optional, [Columns]: the forward's. Read where there is an activation.</summary>
    public Operand Bias;
    /// <summary>The forward's.</summary>
    public Activation Activation;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public LayerNormBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.RmsNormForward"/> (<c>mm1_rms_norm_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct RmsNormForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<RmsNormForwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Independently normalized groups in a row, contiguous; heads for the QK-norm.</summary>
    public long Groups = 1;
    /// <summary>Columns of one group.</summary>
    public long Columns;
    /// <summary>[Rows, Groups, Columns].</summary>
    public Operand X;
    /// <summary>Optional, as X.</summary>
    public Operand Residual;
    /// <summary>As X: receives s. Present if Residual is; may be X or Residual itself.</summary>
    public Operand SumOutput;
    /// <summary>Optional, [Columns], shared by groups.</summary>
    public Operand Weight;
    /// <summary>As X; may be X when no backward follows.</summary>
    public Operand Output;
    /// <summary>Optional float32 [Rows, Groups], for the backward, without gaps.</summary>
    public Operand InverseRootMeanSquare;
    /// <summary>Added to the mean square.</summary>
    public float Epsilon = 1e-5f;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public RmsNormForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.RmsNormBackward"/> (<c>mm1_rms_norm_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct RmsNormBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<RmsNormBackwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Groups in a row.</summary>
    public long Groups = 1;
    /// <summary>Columns of one group.</summary>
    public long Columns;
    /// <summary>[Rows, Groups, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>Optional, as X: gradient that reaches s by other ways (the residual stream), added to InputGradient. May be InputGradient.</summary>
    public Operand SumGradient;
    /// <summary>What was normalized: X, or SumOutput where there was a residual.</summary>
    public Operand X;
    /// <summary>Optional, [Columns].</summary>
    public Operand Weight;
    /// <summary>float32 [Rows, Groups], without gaps.</summary>
    public Operand InverseRootMeanSquare;
    /// <summary>[Rows, Groups, Columns]: gradient of s; may be OutputGradient.</summary>
    public Operand InputGradient;
    /// <summary>Optional float32 [Columns].</summary>
    public Operand WeightGradient;
    /// <summary>Factor on the old InputGradient.</summary>
    public float BetaInput;
    /// <summary>Factor on the old weight gradient.</summary>
    public float BetaParameters;

    /// <summary>Defaults; every other field zero.</summary>
    public RmsNormBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.L2NormalizeForward"/> (<c>mm1_l2_normalize_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct L2NormalizeForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<L2NormalizeForwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;
    /// <summary>Optional float32 [Rows, 1] without gaps: 1 / max(norm, Epsilon).</summary>
    public Operand InverseNorm;
    /// <summary>Least norm.</summary>
    public float Epsilon = 1e-12f;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public L2NormalizeForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.L2NormalizeBackward"/> (<c>mm1_l2_normalize_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct L2NormalizeBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<L2NormalizeBackwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>The forward's output.</summary>
    public Operand Output;
    /// <summary>float32 [Rows, 1], without gaps.</summary>
    public Operand InverseNorm;
    /// <summary>[Rows, Columns].</summary>
    public Operand InputGradient;
    /// <summary>The forward's: a row that was clamped has gradient OutputGradient * InverseNorm.</summary>
    public float Epsilon = 1e-12f;
    /// <summary>Factor on the old InputGradient.</summary>
    public float Beta;

    /// <summary>Defaults; every other field zero.</summary>
    public L2NormalizeBackwardArgs() { }
}
