using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Softmax cross-entropy of each token, l = logSumExp - logits[target] + ZLossWeight * logSumExp^2 (z-loss: PaLM, arXiv 2204.02311), summed over
    /// tokens whose target is not IgnoreIndex and divided by the denominator: StepState.LossDenominator, or the number of counted targets (1 at least).
    /// </summary>
    void CrossEntropyForward(in Launch launch, in CrossEntropyForwardArgs args);

    /// <summary>Scratch bytes of <see cref="CrossEntropyForward"/>.</summary>
    long CrossEntropyForwardWorkspaceBytes(in CrossEntropyForwardArgs args);

    /// <summary>
    /// LogitsGradient = LossGradient / denominator * (softmax - onehot + 2 ZLossWeight logSumExp softmax); ignored tokens give zero rows. LogitsGradient may be Logits.
    /// </summary>
    void CrossEntropyBackward(in Launch launch, in CrossEntropyBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="CrossEntropyBackward"/>.</summary>
    long CrossEntropyBackwardWorkspaceBytes(in CrossEntropyBackwardArgs args);

    /// <summary>
    /// <see cref="CrossEntropyForward"/> of logits = X Weight^T, made in chunks of tokens: all logits never exist together. Saves the log-sum-exp.
    /// </summary>
    void LinearCrossEntropyForward(in Launch launch, in LinearCrossEntropyForwardArgs args);

    /// <summary>Scratch bytes of <see cref="LinearCrossEntropyForward"/>.</summary>
    long LinearCrossEntropyForwardWorkspaceBytes(in LinearCrossEntropyForwardArgs args);

    /// <summary>
    /// Gradients of <see cref="LinearCrossEntropyForward"/>: recomputes each chunk's logits. The weight gradient accumulates in float32 over chunks.
    /// </summary>
    void LinearCrossEntropyBackward(in Launch launch, in LinearCrossEntropyBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="LinearCrossEntropyBackward"/>.</summary>
    long LinearCrossEntropyBackwardWorkspaceBytes(in LinearCrossEntropyBackwardArgs args);

    /// <summary>
    /// Symmetric InfoNCE of n unit image and text rows (CLIP, arXiv 2103.00020): logits = min(exp(LogScale), MaxScale) * Image Text^T;
    /// loss = mean over i of (CE(row i, i) + CE(column i, i)) / 2.
    /// </summary>
    void ContrastiveLossForward(in Launch launch, in ContrastiveLossForwardArgs args);

    /// <summary>Scratch bytes of <see cref="ContrastiveLossForward"/>.</summary>
    long ContrastiveLossForwardWorkspaceBytes(in ContrastiveLossForwardArgs args);

    /// <summary>
    /// Gradients of <see cref="ContrastiveLossForward"/> with respect to image rows, text rows and LogScale (zero where the scale is clamped).
    /// </summary>
    void ContrastiveLossBackward(in Launch launch, in ContrastiveLossBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="ContrastiveLossBackward"/>.</summary>
    long ContrastiveLossBackwardWorkspaceBytes(in ContrastiveLossBackwardArgs args);

    /// <summary>
    /// AIM's pixel loss (arXiv 2401.08541): mean over a patch of (Prediction - target)^2, target normalized per patch to zero mean and unit variance
    /// (unbiased variance + Epsilon), summed over patches that count and divided by the denominator (StepState.LossDenominator, or their number).
    /// </summary>
    void PatchRegressionForward(in Launch launch, in PatchRegressionForwardArgs args);

    /// <summary>Scratch bytes of <see cref="PatchRegressionForward"/>.</summary>
    long PatchRegressionForwardWorkspaceBytes(in PatchRegressionForwardArgs args);

    /// <summary>
    /// Gradient of <see cref="PatchRegressionForward"/>.
    /// </summary>
    void PatchRegressionBackward(in Launch launch, in PatchRegressionBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="PatchRegressionBackward"/>.</summary>
    long PatchRegressionBackwardWorkspaceBytes(in PatchRegressionBackwardArgs args);
}

/// <summary>Arguments of <see cref="IKernels.CrossEntropyForward"/> (<c>mm1_cross_entropy_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct CrossEntropyForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<CrossEntropyForwardArgs>();
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Columns of the logits.</summary>
    public long Vocabulary;
    /// <summary>[Tokens, Vocabulary].</summary>
    public Operand Logits;
    /// <summary>int32 [Tokens].</summary>
    public Operand Targets;
    /// <summary>float32 [1].</summary>
    public Operand Loss;
    /// <summary>Optional float32 [Tokens]: each token's cross-entropy, logSumExp - logits[target], without z-loss and not divided; ignored tokens give 0.</summary>
    public Operand TokenLosses;
    /// <summary>Optional float32 [Tokens], for the backward; ignored tokens give 0.</summary>
    public Operand LogSumExp;
    /// <summary>Optional: device address of the StepState whose LossDenominator divides.</summary>
    public nint StepState;
    /// <summary>Target that does not count.</summary>
    public int IgnoreIndex = -100;
    /// <summary>0 for none; 1e-4 in PaLM.</summary>
    public float ZLossWeight;

    /// <summary>Defaults; every other field zero.</summary>
    public CrossEntropyForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.CrossEntropyBackward"/> (<c>mm1_cross_entropy_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct CrossEntropyBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<CrossEntropyBackwardArgs>();
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Columns of the logits.</summary>
    public long Vocabulary;
    /// <summary>[Tokens, Vocabulary].</summary>
    public Operand Logits;
    /// <summary>int32 [Tokens].</summary>
    public Operand Targets;
    /// <summary>float32 [Tokens].</summary>
    public Operand LogSumExp;
    /// <summary>Optional float32 [1]; 1 when absent.</summary>
    public Operand LossGradient;
    /// <summary>[Tokens, Vocabulary].</summary>
    public Operand LogitsGradient;
    /// <summary>As in the forward.</summary>
    public nint StepState;
    /// <summary>As in the forward.</summary>
    public int IgnoreIndex = -100;
    /// <summary>As in the forward.</summary>
    public float ZLossWeight;

    /// <summary>Defaults; every other field zero.</summary>
    public CrossEntropyBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.LinearCrossEntropyForward"/> (<c>mm1_linear_cross_entropy_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct LinearCrossEntropyForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<LinearCrossEntropyForwardArgs>();
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Columns of X.</summary>
    public long Width;
    /// <summary>Rows of Weight.</summary>
    public long Vocabulary;
    /// <summary>Tokens per chunk; 0 for the device's constant.</summary>
    public long ChunkTokens;
    /// <summary>[Tokens, Width].</summary>
    public Operand X;
    /// <summary>[Vocabulary, Width].</summary>
    public Operand Weight;
    /// <summary>int32 [Tokens].</summary>
    public Operand Targets;
    /// <summary>float32 [1].</summary>
    public Operand Loss;
    /// <summary>Optional float32 [Tokens], as for CrossEntropyForward.</summary>
    public Operand TokenLosses;
    /// <summary>float32 [Tokens]; ignored tokens give 0.</summary>
    public Operand LogSumExp;
    /// <summary>Optional, as for CrossEntropyForward.</summary>
    public nint StepState;
    /// <summary>Target that does not count.</summary>
    public int IgnoreIndex = -100;
    /// <summary>0 for none.</summary>
    public float ZLossWeight;

    /// <summary>Defaults; every other field zero.</summary>
    public LinearCrossEntropyForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.LinearCrossEntropyBackward"/> (<c>mm1_linear_cross_entropy_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct LinearCrossEntropyBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<LinearCrossEntropyBackwardArgs>();
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Columns of X.</summary>
    public long Width;
    /// <summary>Rows of Weight.</summary>
    public long Vocabulary;
    /// <summary>As in the forward.</summary>
    public long ChunkTokens;
    /// <summary>[Tokens, Width].</summary>
    public Operand X;
    /// <summary>[Vocabulary, Width].</summary>
    public Operand Weight;
    /// <summary>int32 [Tokens].</summary>
    public Operand Targets;
    /// <summary>float32 [Tokens].</summary>
    public Operand LogSumExp;
    /// <summary>Optional float32 [1]; 1 when absent.</summary>
    public Operand LossGradient;
    /// <summary>Optional, [Tokens, Width].</summary>
    public Operand InputGradient;
    /// <summary>Optional float32 [Vocabulary, Width].</summary>
    public Operand WeightGradient;
    /// <summary>As in the forward.</summary>
    public nint StepState;
    /// <summary>As in the forward.</summary>
    public int IgnoreIndex = -100;
    /// <summary>As in the forward.</summary>
    public float ZLossWeight;
    /// <summary>Factor on the old InputGradient.</summary>
    public float BetaInput;
    /// <summary>Factor on the old WeightGradient.</summary>
    public float BetaWeight;

    /// <summary>Defaults; every other field zero.</summary>
    public LinearCrossEntropyBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ContrastiveLossForward"/> (<c>mm1_contrastive_loss_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ContrastiveLossForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ContrastiveLossForwardArgs>();
    /// <summary>n.</summary>
    public long Pairs;
    /// <summary>Columns.</summary>
    public long Width;
    /// <summary>[Pairs, Width], unit rows.</summary>
    public Operand Image;
    /// <summary>[Pairs, Width], unit rows.</summary>
    public Operand Text;
    /// <summary>float32 [1].</summary>
    public Operand LogScale;
    /// <summary>float32 [1].</summary>
    public Operand Loss;
    /// <summary>float32 [Pairs].</summary>
    public Operand LogSumExpRows;
    /// <summary>float32 [Pairs].</summary>
    public Operand LogSumExpColumns;
    /// <summary>Largest scale (CLIP: 100).</summary>
    public float MaxScale = 100;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public ContrastiveLossForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ContrastiveLossBackward"/> (<c>mm1_contrastive_loss_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ContrastiveLossBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ContrastiveLossBackwardArgs>();
    /// <summary>n.</summary>
    public long Pairs;
    /// <summary>Columns.</summary>
    public long Width;
    /// <summary>[Pairs, Width].</summary>
    public Operand Image;
    /// <summary>[Pairs, Width].</summary>
    public Operand Text;
    /// <summary>float32 [1].</summary>
    public Operand LogScale;
    /// <summary>float32 [Pairs].</summary>
    public Operand LogSumExpRows;
    /// <summary>float32 [Pairs].</summary>
    public Operand LogSumExpColumns;
    /// <summary>Optional float32 [1]; 1 when absent.</summary>
    public Operand LossGradient;
    /// <summary>Optional, [Pairs, Width], overwritten.</summary>
    public Operand ImageGradient;
    /// <summary>Optional, [Pairs, Width], overwritten.</summary>
    public Operand TextGradient;
    /// <summary>Optional float32 [1].</summary>
    public Operand LogScaleGradient;
    /// <summary>As in the forward.</summary>
    public float MaxScale = 100;
    /// <summary>Factor on the old LogScaleGradient.</summary>
    public float BetaLogScale;

    /// <summary>Defaults; every other field zero.</summary>
    public ContrastiveLossBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.PatchRegressionForward"/> (<c>mm1_patch_regression_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct PatchRegressionForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<PatchRegressionForwardArgs>();
    /// <summary>Rows.</summary>
    public long Patches;
    /// <summary>Values of one patch.</summary>
    public long Columns;
    /// <summary>[Patches, Columns].</summary>
    public Operand Prediction;
    /// <summary>[Patches, Columns]: pixels.</summary>
    public Operand Target;
    /// <summary>Optional uint8 [Patches]: non-zero counts.</summary>
    public Operand Mask;
    /// <summary>float32 [1].</summary>
    public Operand Loss;
    /// <summary>Optional, as for CrossEntropyForward.</summary>
    public nint StepState;
    /// <summary>Zero compares with the pixels as they are.</summary>
    public int NormalizeTarget = 1;
    /// <summary>Added to the variance.</summary>
    public float Epsilon = 1e-6f;

    /// <summary>Defaults; every other field zero.</summary>
    public PatchRegressionForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.PatchRegressionBackward"/> (<c>mm1_patch_regression_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct PatchRegressionBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<PatchRegressionBackwardArgs>();
    /// <summary>Rows.</summary>
    public long Patches;
    /// <summary>Values of one patch.</summary>
    public long Columns;
    /// <summary>[Patches, Columns].</summary>
    public Operand Prediction;
    /// <summary>[Patches, Columns].</summary>
    public Operand Target;
    /// <summary>Optional uint8 [Patches].</summary>
    public Operand Mask;
    /// <summary>Optional float32 [1]; 1 when absent.</summary>
    public Operand LossGradient;
    /// <summary>[Patches, Columns], overwritten.</summary>
    public Operand PredictionGradient;
    /// <summary>As in the forward.</summary>
    public nint StepState;
    /// <summary>As in the forward.</summary>
    public int NormalizeTarget = 1;
    /// <summary>As in the forward.</summary>
    public float Epsilon = 1e-6f;

    /// <summary>Defaults; every other field zero.</summary>
    public PatchRegressionBackwardArgs() { }
}
