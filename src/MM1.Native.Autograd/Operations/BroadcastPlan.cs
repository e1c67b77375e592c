using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>How two operands of an element-wise operation line up as rows and columns.</summary>
internal readonly record struct BroadcastPlan(Broadcast Kind, long Rows, long Columns, long RowsB, long ColumnsB)
{
    /// <summary>Both have the same elements.</summary>
    public bool IsPlain => Kind == Broadcast.Cycle && RowsB == Rows;

    public static BroadcastPlan Of(string operation, TensorState a, TensorState b)
    {
        Kernel.RequireFloat(operation, "a", a);
        Kernel.RequireSame(operation, "b", b, "a", a);
        Shape large = a.Shape, small = b.Shape;
        long columns = large.Columns, rows = large.Rows;
        if (small == large) return new(Broadcast.Cycle, rows, columns, rows, columns);
        if (IsSuffix(small, large)) return new(Broadcast.Cycle, rows, columns, small.Rows, columns);
        if (small.Rank == large.Rank && small.Columns == 1 && small.Rows == rows && small == large.WithColumns(1))
            return new(Broadcast.PerRow, rows, columns, rows, 1);
        throw new OperationException(operation, $"a {large} and b {small} do not fit: b must have a's shape, a's trailing dimensions, or a's shape with a last dimension of 1.");
    }

    public static BroadcastPlan PerImage(string operation, TensorState a, TensorState b)
    {
        Kernel.RequireFloat(operation, "a", a);
        Kernel.RequireSame(operation, "b", b, "a", a);
        Shape large = a.Shape, small = b.Shape;
        if (large.Rank < 2 || small.Rank != 2 || small[0] != large[0] || small[1] != large.Columns)
            throw new OperationException(operation, $"a {large} and b {small} do not fit: per image, a is [n, ..., c] and b [n, c].");
        return new(Broadcast.Repeat, large.Rows, large.Columns, small[0], large.Columns);
    }

    private static bool IsSuffix(Shape small, Shape large)
    {
        if (small.Rank == 0 || small.Rank > large.Rank) return false;
        for (int i = 1; i <= small.Rank; i++)
        {
            if (small[^i] != large[^i]) return false;
        }
        return true;
    }
}
