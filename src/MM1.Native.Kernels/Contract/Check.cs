namespace MM1.Native.Kernels;

/// <summary>Argument checks that every device shares, so that the same mistake gives the same sentence everywhere.</summary>
internal static class Check
{
    /// <summary>Throws that <paramref name="verb"/> was called against <paramref name="rule"/> unless it holds.</summary>
    public static void That(bool holds, string verb, string rule)
    {
        if (!holds) Fail(verb, rule);
    }

    /// <summary>An extent that must not be negative.</summary>
    public static void Extent(long value, string verb, string field)
    {
        if (value < 0) Fail(verb, $"{field} is {value}; it must not be negative.");
    }

    /// <summary>A required operand of one dtype whose rows do not overlap.</summary>
    public static void Operand(in Operand operand, long rows, long columns, DType dtype, string verb, string field)
    {
        if (rows == 0 || columns == 0) return;
        if (!operand.IsPresent) Fail(verb, $"{field} is missing; it holds [{rows}, {columns}] {dtype} values.");
        Optional(operand, rows, columns, dtype, verb, field);
    }

    /// <summary>An operand that may be absent; where present it has this dtype and rows that do not overlap.</summary>
    public static void Optional(in Operand operand, long rows, long columns, DType dtype, string verb, string field)
    {
        if (!operand.IsPresent || rows == 0 || columns == 0) return;
        if (operand.DType != dtype) Fail(verb, $"{field} has dtype {operand.DType}; this device needs {dtype}.");
        if (rows > 1 && operand.RowStride < columns)
            Fail(verb, $"{field} has row stride {operand.RowStride}, less than its {columns} columns; rows would overlap.");
    }

    /// <summary>
    /// Statistics of rows, float32 [rows, groups] without gaps: a stride that is meant for something else (a vector's length, say) would be a write far outside of them.
    /// </summary>
    public static void Statistics(in Operand operand, long rows, long groups, bool isRequired, string verb, string field)
    {
        if (isRequired) Operand(operand, rows, groups, DType.Float32, verb, field);
        else Optional(operand, rows, groups, DType.Float32, verb, field);
        if (operand.IsPresent && rows > 1 && groups != 0 && operand.RowStride != groups)
            Fail(verb, $"{field} has row stride {operand.RowStride}; it holds [{rows}, {groups}] values without gaps.");
    }

    /// <summary>Enough scratch for the call.</summary>
    public static void Workspace(in Launch launch, long bytes, string verb)
    {
        if (launch.WorkspaceBytes < bytes)
            Fail(verb, $"the workspace has {launch.WorkspaceBytes} bytes; {verb}WorkspaceBytes asks for {bytes}.");
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void Fail(string verb, string rule) => throw new KernelArgumentException(verb, rule);
}
