using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>The kernel calls and checks that many operations share.</summary>
internal static class Kernel
{
    public static void Fill(TensorState destination, double value) =>
        destination.Device.Kernels.Fill(destination.Device.Launch(), new FillArgs { Rows = 1, Columns = destination.Elements, Output = destination.AsRowsOf(destination.Elements), Value = value });

    public static void Cast(TensorState source, TensorState destination) =>
        source.Device.Kernels.Cast(source.Device.Launch(), new CastArgs { Rows = 1, Columns = source.Elements, X = source.AsRowsOf(source.Elements), Output = destination.AsRowsOf(source.Elements) });

    public static void Copy(TensorState source, TensorState destination) =>
        source.Device.Kernels.Copy(source.Device.Launch(), new CopyArgs { Rows = 1, Columns = source.Elements, X = source.AsRowsOf(source.Elements), Output = destination.AsRowsOf(source.Elements) });

    /// <summary>destination = a + b for tensors of one size; the destination may be either.</summary>
    public static void AddSame(TensorState a, TensorState b, TensorState destination)
    {
        // Rows of a moderate length let the device spread long tensors over its threads.
        long columns = a.Shape.Columns, rows = columns == 0 ? 0 : a.Elements / columns;
        a.Device.Kernels.Add(a.Device.Launch(), new AddArgs { Rows = rows, Columns = columns, RowsB = rows, A = a.Operand, B = b.AsRowsOf(columns), Output = destination.AsRowsOf(columns) });
    }

    /// <summary>Begins an operation: the arena for its results; checks that inputs share the arena's device.</summary>
    public static Arena Begin(string operation, TensorState first)
    {
        Arena arena = Arena.Require(operation);
        RequireDevice(operation, arena, first);
        return arena;
    }

    public static Arena Begin(string operation, TensorState first, TensorState second)
    {
        Arena arena = Begin(operation, first);
        RequireDevice(operation, arena, second);
        return arena;
    }

    /// <summary>Ends an operation: the debug trap looks at what it made.</summary>
    public static Tensor End(string operation, TensorState output)
    {
        if (GradientMode.TrapNonFinite) RequireFinite(operation, "its result", output);
        return new Tensor(output);
    }

    public static bool Records(TensorState a) => GradientMode.Records && a.RequiresGradient;

    public static bool Records(TensorState a, TensorState? b, TensorState? c = null, TensorState? d = null) =>
        GradientMode.Records && (a.RequiresGradient || b is { RequiresGradient: true } || c is { RequiresGradient: true } || d is { RequiresGradient: true });

    public static void RequireDevice(string operation, Arena arena, TensorState input)
    {
        if (input.Device != arena.Device)
            throw new OperationException(operation, $"a tensor {input.Shape} is on device {input.Device}, the current arena on {arena.Device}; copy the tensor over first.");
    }

    /// <summary>A floating-point dtype in which the device computes.</summary>
    public static void RequireFloat(string operation, string name, TensorState input)
    {
        if (input.DType == DType.Float32 || (input.DType.IsFloatingPoint() && input.Device.Computes(input.DType))) return;
        string needed = input.Device.Computes(DType.BFloat16) ? "Float32 or BFloat16" : "Float32";
        throw new OperationException(operation, $"{name} {input.Shape} holds {input.DType}; {needed} is needed. Cast it with Functional.Cast.");
    }

    /// <summary>Operands of one operation compute in one dtype.</summary>
    public static void RequireSame(string operation, string name, TensorState input, string firstName, TensorState first)
    {
        RequireFloat(operation, name, input);
        if (input.DType != first.DType)
            throw new OperationException(operation, $"{name} {input.Shape} holds {input.DType}, {firstName} {first.Shape} {first.DType}; operands of one operation have one dtype. Cast one with Functional.Cast.");
    }

    public static void RequireFloat32(string operation, string name, TensorState input) => RequireDType(operation, name, input, DType.Float32);

    public static void RequireDType(string operation, string name, TensorState input, DType dtype)
    {
        if (input.DType != dtype)
            throw new OperationException(operation, $"{name} {input.Shape} holds {input.DType}; {dtype} is needed. Cast it with Functional.Cast.");
    }

    public static void RequireWritable(string operation, TensorState state)
    {
        if (state.Owner.Saved > 0)
            throw new OperationException(operation, $"the tensor {state.Shape} is saved by an operation on the tape for its backward; writing in place would give wrong gradients. Write to a copy, or after Backward().");
    }

    public static void RequireFinite(string operation, string what, TensorState state)
    {
        if (state.DType is not (DType.Float32 or DType.BFloat16)) return;
        float[] values = state.ToFloats();
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i])) throw new NonFiniteException(operation, what, state.Shape, i, values[i]);
        }
    }
}
