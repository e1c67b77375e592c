using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Global 2-norm of all gradients into StepState.GradientNorm, summed in fixed blocks in float64; sets StepState.ClipFactor = min(1, MaxNorm / (norm + 1e-6))
    /// (1 when MaxNorm is 0); sets, where SkipNonFinite is set, StepState.Skip where the norm is NaN or infinite. A norm
    /// (as written, in float32) above StepState.SkipAboveNorm, where that is not 0, sets it too. No norm clears it.
    /// </summary>
    void GradientNorm(in Launch launch, in GradientNormArgs args);

    /// <summary>Scratch bytes of <see cref="GradientNorm"/>.</summary>
    long GradientNormWorkspaceBytes(in GradientNormArgs args);

    /// <summary>
    /// AdamW with decoupled decay (Loshchilov and Hutter 2019; torch.optim.AdamW): g = ClipFactor * gradient; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    /// p = p (1 - lr lambda) - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), lr = StepState.LearningRate * LearningRateScale, t = StepState.Step. Writes the shadow.
    /// </summary>
    void AdamW(in Launch launch, in AdamWArgs args);

    /// <summary>
    /// Adafactor (Shazeer and Stern 2018, algorithm 4 with external learning rate): factored second moment for tensors with row and column statistics, update
    /// clipped to ClipThreshold by its root mean square, step scaled by max(EpsilonScale, RMS(p)) where ScaleParameter, decay rate b2 = 1 - t^DecayExponent.
    /// </summary>
    void Adafactor(in Launch launch, in AdafactorArgs args);

    /// <summary>Scratch bytes of <see cref="Adafactor"/>.</summary>
    long AdafactorWorkspaceBytes(in AdafactorArgs args);
}

/// <summary>One parameter tensor of a multi-tensor optimizer call, in device memory (<c>mm1_optimizer_tensor</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct OptimizerTensor
{
    /// <summary>float32 master values, updated.</summary>
    public nint Master;
    /// <summary>Optional compute copy, written in the same pass; see <see cref="ShadowDType"/>.</summary>
    public nint Shadow;
    /// <summary>float32 gradient.</summary>
    public nint Gradient;
    /// <summary>float32 first moment; 0 where the optimizer keeps none.</summary>
    public nint FirstMoment;
    /// <summary>float32 second moment (AdamW; Adafactor when not factored).</summary>
    public nint SecondMoment;
    /// <summary>Adafactor, factored: float32[Rows] row means.</summary>
    public nint SecondMomentRow;
    /// <summary>Adafactor, factored: float32[Columns] column means.</summary>
    public nint SecondMomentColumn;
    /// <summary>Elements: Rows * Columns.</summary>
    public long Count;
    /// <summary>First dimension.</summary>
    public long Rows;
    /// <summary>Product of the others (1 for a vector).</summary>
    public long Columns;
    /// <summary>Factor on the learning rate.</summary>
    public float LearningRateScale;
    /// <summary>Decoupled weight decay lambda.</summary>
    public float WeightDecay;
    /// <summary>Dtype of the shadow.</summary>
    public DType ShadowDType;
    /// <summary>Zero.</summary>
    public int Reserved;
}

/// <summary>Arguments of <see cref="IKernels.GradientNorm"/> (<c>mm1_gradient_norm_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct GradientNormArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<GradientNormArgs>();
    /// <summary>Tensors.</summary>
    public long TensorCount;
    /// <summary>OptimizerTensor[TensorCount] in device memory; Gradient and Count are read.</summary>
    public nint Tensors;
    /// <summary>Device address of the step state.</summary>
    public nint StepState;
    /// <summary>Clipping threshold; 0 for none.</summary>
    public float MaxNorm;
    /// <summary>Non-zero: a NaN or infinite norm sets Skip.</summary>
    public int SkipNonFinite;

    /// <summary>Defaults; every other field zero.</summary>
    public GradientNormArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.AdamW"/> (<c>mm1_adam_w_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct AdamWArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<AdamWArgs>();
    /// <summary>Tensors.</summary>
    public long TensorCount;
    /// <summary>OptimizerTensor[TensorCount] in device memory.</summary>
    public nint Tensors;
    /// <summary>Device address of the step state.</summary>
    public nint StepState;
    /// <summary>Decay of the first moment.</summary>
    public float Beta1 = 0.9f;
    /// <summary>Decay of the second moment (AXLearn's default).</summary>
    public float Beta2 = 0.95f;
    /// <summary>Added to the root of the second moment.</summary>
    public float Epsilon = 1e-8f;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public AdamWArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.Adafactor"/> (<c>mm1_adafactor_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct AdafactorArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<AdafactorArgs>();
    /// <summary>Tensors.</summary>
    public long TensorCount;
    /// <summary>OptimizerTensor[TensorCount] in device memory.</summary>
    public nint Tensors;
    /// <summary>Device address of the step state.</summary>
    public nint StepState;
    /// <summary>Exponent of the second moment's decay.</summary>
    public float DecayExponent = -0.8f;
    /// <summary>Added to the squared gradient.</summary>
    public float Epsilon = 1e-30f;
    /// <summary>Least parameter scale.</summary>
    public float EpsilonScale = 1e-3f;
    /// <summary>Largest root mean square of an update.</summary>
    public float ClipThreshold = 1;
    /// <summary>First-moment decay; 0 keeps none.</summary>
    public float Beta1;
    /// <summary>Non-zero: steps are relative to the parameter's root mean square.</summary>
    public int ScaleParameter = 1;

    /// <summary>Defaults; every other field zero.</summary>
    public AdafactorArgs() { }
}
