using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// One value per row: sum, mean or maximum of its columns. Sums run in constant blocks.
    /// </summary>
    void Reduce(in Launch launch, in ReduceArgs args);

    /// <summary>
    /// Sum over rows that share a small row: Output[s] = sum of X[r] (* Multiplier[r]) over the rows r that Broadcast maps to s, ascending, + Beta * Output[s].
    /// The backward of a broadcast. With Broadcast.PerRow: Output[r] = sum over columns.
    /// </summary>
    void ReduceRows(in Launch launch, in ReduceRowsArgs args);

    /// <summary>Scratch bytes of <see cref="ReduceRows"/>.</summary>
    long ReduceRowsWorkspaceBytes(in ReduceRowsArgs args);

    /// <summary>
    /// Index of the largest element of each row; ties to the lower index. NaN counts as largest.
    /// </summary>
    void ArgMax(in Launch launch, in ArgMaxArgs args);

    /// <summary>
    /// The K largest elements of each row, descending; ties to the lower index first. NaN counts as largest.
    /// </summary>
    void TopK(in Launch launch, in TopKArgs args);

    /// <summary>
    /// Softmax of each row of Scale * X. Rows of -infinity alone give zeros. Output may be X.
    /// </summary>
    void SoftmaxForward(in Launch launch, in SoftmaxForwardArgs args);

    /// <summary>
    /// InputGradient = Scale * Output * (OutputGradient - sum(OutputGradient * Output)) + Beta * InputGradient. InputGradient may be OutputGradient.
    /// </summary>
    void SoftmaxBackward(in Launch launch, in SoftmaxBackwardArgs args);
}

/// <summary>What <see cref="IKernels.Reduce"/> computes (<c>mm1_reduction</c>).</summary>
public enum Reduction
{
    /// <summary>Sum; 0 for no columns.</summary>
    Sum = 0,
    /// <summary>Sum / columns; NaN for no columns.</summary>
    Mean = 1,
    /// <summary>Maximum; -infinity for no columns; NaN wins.</summary>
    Max = 2,
}

/// <summary>Arguments of <see cref="IKernels.Reduce"/> (<c>mm1_reduce_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ReduceArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ReduceArgs>();
    /// <summary>What is computed.</summary>
    public Reduction Reduction;
    /// <summary>Factor on the old output.</summary>
    public float Beta;
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>float32 [Rows].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public ReduceArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ReduceRows"/> (<c>mm1_reduce_rows_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ReduceRowsArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ReduceRowsArgs>();
    /// <summary>Which rows share an output row.</summary>
    public Broadcast Broadcast;
    /// <summary>Factor on the old output.</summary>
    public float Beta;
    /// <summary>Rows of X.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>Rows of the output; divides Rows.</summary>
    public long OutputRows;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>Optional, [Rows, Columns].</summary>
    public Operand Multiplier;
    /// <summary>[OutputRows, Columns], or [Rows, 1] with Broadcast.PerRow.</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public ReduceRowsArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ArgMax"/> (<c>mm1_arg_max_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ArgMaxArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ArgMaxArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns, 1 at least.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>int32 [Rows].</summary>
    public Operand Indices;
    /// <summary>Optional, [Rows].</summary>
    public Operand Values;

    /// <summary>Defaults; every other field zero.</summary>
    public ArgMaxArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.TopK"/> (<c>mm1_top_k_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct TopKArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<TopKArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>1..Columns.</summary>
    public long K;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, K].</summary>
    public Operand Values;
    /// <summary>int32 [Rows, K].</summary>
    public Operand Indices;

    /// <summary>Defaults; every other field zero.</summary>
    public TopKArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.SoftmaxForward"/> (<c>mm1_softmax_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct SoftmaxForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<SoftmaxForwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand X;
    /// <summary>[Rows, Columns].</summary>
    public Operand Output;
    /// <summary>Factor on X.</summary>
    public float Scale = 1;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public SoftmaxForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.SoftmaxBackward"/> (<c>mm1_softmax_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct SoftmaxBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<SoftmaxBackwardArgs>();
    /// <summary>Rows.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>The forward's output.</summary>
    public Operand Output;
    /// <summary>[Rows, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>[Rows, Columns].</summary>
    public Operand InputGradient;
    /// <summary>As in the forward.</summary>
    public float Scale = 1;
    /// <summary>Factor on the old InputGradient.</summary>
    public float Beta;

    /// <summary>Defaults; every other field zero.</summary>
    public SoftmaxBackwardArgs() { }
}
