using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

/// <summary>
/// The kernel contract: every verb of <c>kernels/include/mm1/kernels.h</c>, with argument records of the same fields in
/// the same order and the same memory layout. One file per family. A device implements it; nothing above it knows which.
/// </summary>
/// <remarks>
/// <para><b>Operands</b> are rows of contiguous columns: element (r, c) lies at <c>Data + (r * RowStride + c) * size</c>.
/// Pointers are device addresses, aligned to their element size at least. A zero pointer is an absent operand; optional
/// operands are named as such. Operands with zero elements may have any pointer.</para>
/// <para><b>Accumulation</b>: <c>Beta</c> 0 overwrites an output without reading it; any other value gives
/// <c>result + Beta * old</c>. <b>Aliasing</b>: outputs overlap no other operand unless the verb says so.</para>
/// <para><b>Order</b>: the summation order of one output row depends only on the reduced length, the dtype and the
/// device kind: never on the number of rows, batch, neighbours, threads or SMs. Ties go to the lower index. The same call gives the same bits.</para>
/// <para><b>What changes from step to step</b> is read from device memory: <see cref="StepState"/>, cuSeqlens, lengths.</para>
/// <para><b>Errors</b>: arguments are checked before anything is written; a violated rule throws
/// <see cref="KernelArgumentException"/>, which names verb, field and rule. Workspaces hold undefined bytes on entry.</para>
/// </remarks>
public partial interface IKernels
{
}

/// <summary>One operand: rows of contiguous elements in device memory (<c>mm1_operand</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct Operand
{
    /// <summary>Device address of element (0, 0); 0 when the operand is absent.</summary>
    public nint Data;
    /// <summary>Element type.</summary>
    public DType DType;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Elements from one row to the next.</summary>
    public long RowStride;

    /// <summary>An operand at <paramref name="data"/>.</summary>
    public Operand(nint data, DType dtype, long rowStride)
    {
        Data = data;
        DType = dtype;
        RowStride = rowStride;
    }

    /// <summary>Whether the operand is given.</summary>
    public readonly bool IsPresent => Data != 0;
}

/// <summary>Where a call runs: the stream (ignored by the CPU) and its scratch memory.</summary>
/// <param name="Stream">Device stream handle; 0 is the device's own.</param>
/// <param name="Workspace">Device address of the scratch memory, 256-byte aligned.</param>
/// <param name="WorkspaceBytes">Its size; at least what the verb's <c>...WorkspaceBytes</c> function says.</param>
public readonly record struct Launch(nint Stream, nint Workspace, long WorkspaceBytes);

/// <summary>
/// What changes from one optimizer step to the next, in device memory (<c>mm1_step_state</c>), so that a captured step
/// replays with new values.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public record struct StepState
{
    /// <summary>Number of this optimizer step, from 1 (Adam's bias correction).</summary>
    public long Step;
    /// <summary>Added to the offset of every random draw that asks for it.</summary>
    public ulong RandomCounter;
    /// <summary>Learning rate of this step.</summary>
    public float LearningRate;
    /// <summary>Written by <see cref="IKernels.GradientNorm"/>: the global 2-norm of the gradients.</summary>
    public float GradientNorm;
    /// <summary>Written by <see cref="IKernels.GradientNorm"/>, read by the optimizers: factor on every gradient.</summary>
    public float ClipFactor;
    /// <summary>Targets that count in the whole optimizer step; losses and their gradients are divided by it. 0: each call counts its own.</summary>
    public float LossDenominator;
    /// <summary>Non-zero: the optimizers leave every tensor as it is.</summary>
    public int Skip;
    /// <summary>Read by <see cref="IKernels.GradientNorm"/>: a norm above it sets <see cref="Skip"/>. 0: no limit.</summary>
    public float SkipAboveNorm;
}

/// <summary>How the rows of a smaller operand repeat over the rows of a larger one (<c>mm1_broadcast</c>).</summary>
public enum Broadcast
{
    /// <summary>Row r meets row <c>r % smallRows</c> (a bias: one row; a position table: one period).</summary>
    Cycle = 0,
    /// <summary>Row r meets row <c>r / (rows / smallRows)</c> (one row per image over all its pixels).</summary>
    Repeat = 1,
    /// <summary>Row r meets one value, element (r, 0) of a <c>[rows, 1]</c> operand.</summary>
    PerRow = 2,
}

/// <summary>Pointwise functions (<c>mm1_activation</c>).</summary>
public enum Activation
{
    /// <summary>x.</summary>
    None = 0,
    /// <summary>max(x, 0).</summary>
    Relu = 1,
    /// <summary>x * (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016).</summary>
    Gelu = 2,
    /// <summary>x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2.</summary>
    GeluTanh = 3,
    /// <summary>x * sigmoid(1.702 x), OpenAI CLIP's.</summary>
    QuickGelu = 4,
    /// <summary>x * sigmoid(x).</summary>
    Silu = 5,
    /// <summary>1 / (1 + exp(-x)).</summary>
    Sigmoid = 6,
    /// <summary>tanh(x).</summary>
    Tanh = 7,
}
