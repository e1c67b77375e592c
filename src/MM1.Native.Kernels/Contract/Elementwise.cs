using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Output = Alpha * A + Beta * B, B broadcast over the rows of A. Output may be A; it may be B where nothing is broadcast.
    /// </summary>
    void Add(in Launch launch, in AddArgs args);

    /// <summary>
    /// Output = A * B (+ OutputBeta * Output), B broadcast over the rows of A. Output may be A.
    /// </summary>
    void Multiply(in Launch launch, in MultiplyArgs args);

    /// <summary>
    /// Output = X * Factor * (FactorPointer ? *FactorPointer : 1) + Beta * Output. Output may be X.
    /// </summary>
    void Scale(in Launch launch, in ScaleArgs args);

    /// <summary>
    /// Output = activation(X). Output may be X.
    /// </summary>
    void ActivationForward(in Launch launch, in ActivationForwardArgs args);

    /// <summary>
    /// InputGradient = OutputGradient * activation'(X) + Beta * InputGradient. InputGradient may be OutputGradient.
    /// </summary>
    void ActivationBackward(in Launch launch, in ActivationBackwardArgs args);

    /// <summary>
    /// Output = activation(Gate) * Up (Shazeer 2020): Silu gives SwiGLU, Gelu GEGLU. Gate and Up may be columns of one fused buffer.
    /// </summary>
    void GatedActivationForward(in Launch launch, in GatedActivationForwardArgs args);

    /// <summary>
    /// Gradients of <see cref="GatedActivationForward"/>; each may be the operand it is the gradient of. Optionally rebuilds the forward's output on the way.
    /// </summary>
    void GatedActivationBackward(in Launch launch, in GatedActivationBackwardArgs args);

    /// <summary>
    /// Rotates the first RotarySize elements of each head by the position's angles (Su et al. 2021). Output may be X (in place).
    /// With Inverse it rotates back, which is the backward. CosineSine row p holds cos(p * f_i) for i below RotarySize / 2, then sin(p * f_i).
    /// </summary>
    void RotaryEmbedding(in Launch launch, in RotaryEmbeddingArgs args);

    /// <summary>
    /// Output = X in another dtype: to nearest, ties to even; floats to integers truncate towards zero and saturate, NaN gives 0; to Bool is x != 0.
    /// </summary>
    void Cast(in Launch launch, in CastArgs args);

    /// <summary>
    /// Every element of Output becomes Value, converted to its dtype.
    /// </summary>
    void Fill(in Launch launch, in FillArgs args);

    /// <summary>
    /// Output = X, of the same dtype, row by row.
    /// </summary>
    void Copy(in Launch launch, in CopyArgs args);

    /// <summary>
    /// Output[b, c, r, :] = X[b, r, c, :]: exchanges rows and columns of blocks of Inner contiguous elements. Any dtype.
    /// </summary>
    void TransposeBlocks(in Launch launch, in TransposeBlocksArgs args);
}

/// <summary>How rotary embedding pairs the elements of a head (<c>mm1_rotary_style</c>).</summary>
public enum RotaryStyle
{
    /// <summary>Element i with element i + RotarySize / 2 (Llama as in Hugging Face).</summary>
    Half = 0,
    /// <summary>Element 2i with element 2i + 1 (the paper; Llama as released).</summary>
    Interleaved = 1,
}

/// <summary>Arguments of <see cref="IKernels.Add"/> (<c>mm1_add_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct AddArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<AddArgs>();
    /// <summary>How B's rows repeat.</summary>
    public Broadcast Broadcast;
    /// <summary>Factor on A.</summary>
    public float Alpha = 1;
    /// <summary>Factor on B.</summary>
    public float Beta = 1;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Rows of A and of the output.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>Rows of B; divides Rows. With Broadcast.PerRow it is Rows.</summary>
    public long RowsB;
    /// <summary>[Rows, Columns].</summary>
    public Operand A;
    /// <summary>[RowsB, Columns], or [Rows, 1] with Broadcast.PerRow.</summary>
    public Operand B;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public AddArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.Multiply"/> (<c>mm1_multiply_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct MultiplyArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<MultiplyArgs>();
    /// <summary>How B's rows repeat.</summary>
    public Broadcast Broadcast;
    /// <summary>Factor on the old output.</summary>
    public float OutputBeta;
    /// <summary>Rows of A and of the output.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>Rows of B; divides Rows. With Broadcast.PerRow it is Rows.</summary>
    public long RowsB;
    /// <summary>[Rows, Columns].</summary>
    public Operand A;
    /// <summary>[RowsB, Columns], or [Rows, 1] with Broadcast.PerRow.</summary>
    public Operand B;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public MultiplyArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.Scale"/> (<c>mm1_scale_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ScaleArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ScaleArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;
    /// <summary>Optional float32[1] in device memory.</summary>
    public nint FactorPointer;
    /// <summary>Factor.</summary>
    public float Factor = 1;
    /// <summary>Factor on the old output.</summary>
    public float Beta;

    /// <summary>Defaults; every other field zero.</summary>
    public ScaleArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ActivationForward"/> (<c>mm1_activation_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ActivationForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ActivationForwardArgs>();
    /// <summary>Function.</summary>
    public Activation Activation;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public ActivationForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ActivationBackward"/> (<c>mm1_activation_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ActivationBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ActivationBackwardArgs>();
    /// <summary>Function.</summary>
    public Activation Activation;
    /// <summary>Factor on the old InputGradient.</summary>
    public float Beta;
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>The forward's input.</summary>
    public Operand X;
    /// <summary>[Rows, Columns].</summary>
    public Operand InputGradient;

    /// <summary>Defaults; every other field zero.</summary>
    public ActivationBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.GatedActivationForward"/> (<c>mm1_gated_activation_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct GatedActivationForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<GatedActivationForwardArgs>();
    /// <summary>Function of the gate.</summary>
    public Activation Activation;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns of one half.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand Gate;
    /// <summary>[Rows, Columns].</summary>
    public Operand Up;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public GatedActivationForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.GatedActivationBackward"/> (<c>mm1_gated_activation_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct GatedActivationBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<GatedActivationBackwardArgs>();
    /// <summary>Function of the gate.</summary>
    public Activation Activation;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns of one half.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>The forward's.</summary>
    public Operand Gate;
    /// <summary>The forward's.</summary>
    public Operand Up;
    /// <summary>[Rows, Columns].</summary>
    public Operand GateGradient;
    /// <summary>[Rows, Columns].</summary>
    public Operand UpGradient;
    /// <summary>Optional: receives the forward's output again, so that it need not be saved; may be OutputGradient.</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public GatedActivationBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.RotaryEmbedding"/> (<c>mm1_rotary_embedding_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct RotaryEmbeddingArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<RotaryEmbeddingArgs>();
    /// <summary>Pairing.</summary>
    public RotaryStyle Style;
    /// <summary>Non-zero rotates by the negative angle.</summary>
    public int Inverse;
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Heads in a row, contiguous.</summary>
    public long Heads;
    /// <summary>Head size.</summary>
    public long HeadSize;
    /// <summary>Rotated elements of each head: even, at most HeadSize; the rest is copied.</summary>
    public long RotarySize;
    /// <summary>Rows of the table; every position is below it.</summary>
    public long MaxPosition;
    /// <summary>[Tokens, Heads, HeadSize].</summary>
    public Operand X;
    /// <summary>[Tokens, Heads, HeadSize].</summary>
    public Operand Output;
    /// <summary>float32 [MaxPosition, RotarySize].</summary>
    public Operand CosineSine;
    /// <summary>int32[Tokens] in device memory.</summary>
    public nint Positions;

    /// <summary>Defaults; every other field zero.</summary>
    public RotaryEmbeddingArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.Cast"/> (<c>mm1_cast_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct CastArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<CastArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, Columns] of another dtype.</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public CastArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.Fill"/> (<c>mm1_fill_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct FillArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<FillArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;
    /// <summary>The value.</summary>
    public double Value;

    /// <summary>Defaults; every other field zero.</summary>
    public FillArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.Copy"/> (<c>mm1_copy_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct CopyArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<CopyArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public CopyArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.TransposeBlocks"/> (<c>mm1_transpose_blocks_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct TransposeBlocksArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<TransposeBlocksArgs>();
    /// <summary>Independent matrices of blocks.</summary>
    public long Batch = 1;
    /// <summary>Rows of blocks of X.</summary>
    public long Rows;
    /// <summary>Columns of blocks of X.</summary>
    public long Columns;
    /// <summary>Contiguous elements of one block.</summary>
    public long Inner = 1;
    /// <summary>[Batch * Rows, Columns * Inner].</summary>
    public Operand X;
    /// <summary>[Batch * Columns, Rows * Inner].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public TransposeBlocksArgs() { }
}
