namespace MM1.Native.Kernels;

/// <summary>Storage types of tensors and kernel operands. The values are those of <c>mm1_dtype</c> in <c>kernels.h</c>.</summary>
public enum DType
{
    /// <summary>No type: the operand is absent.</summary>
    None = 0,
    /// <summary>IEEE 754 binary64.</summary>
    Float64 = 1,
    /// <summary>IEEE 754 binary32, the master type of every parameter.</summary>
    Float32 = 2,
    /// <summary>bfloat16: the upper half of a binary32.</summary>
    BFloat16 = 3,
    /// <summary>IEEE 754 binary16.</summary>
    Float16 = 4,
    /// <summary>Signed 64-bit integer.</summary>
    Int64 = 5,
    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 6,
    /// <summary>Unsigned byte.</summary>
    UInt8 = 7,
    /// <summary>One byte, 0 or 1.</summary>
    Bool = 8,
}

/// <summary>Sizes, names and .NET types of <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="dtype"/> is <see cref="DType.None"/> or unknown.</exception>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.Float64 or DType.Int64 => 8,
        DType.Float32 or DType.Int32 => 4,
        DType.BFloat16 or DType.Float16 => 2,
        DType.UInt8 or DType.Bool => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "A dtype with a size is needed."),
    };

    /// <summary>Whether values of this type are floating-point numbers.</summary>
    public static bool IsFloatingPoint(this DType dtype) =>
        dtype is DType.Float64 or DType.Float32 or DType.BFloat16 or DType.Float16;

    /// <summary>The dtype that stores <typeparamref name="T"/>.</summary>
    /// <exception cref="NotSupportedException">No dtype stores <typeparamref name="T"/>.</exception>
    public static DType Of<T>() where T : unmanaged
    {
        if (typeof(T) == typeof(float)) return DType.Float32;
        if (typeof(T) == typeof(double)) return DType.Float64;
        if (typeof(T) == typeof(BFloat16)) return DType.BFloat16;
        if (typeof(T) == typeof(Half)) return DType.Float16;
        if (typeof(T) == typeof(long)) return DType.Int64;
        if (typeof(T) == typeof(int)) return DType.Int32;
        if (typeof(T) == typeof(byte)) return DType.UInt8;
        if (typeof(T) == typeof(bool)) return DType.Bool;
        throw new NotSupportedException($"No dtype stores {typeof(T)}; use float, double, BFloat16, Half, long, int, byte or bool.");
    }
}
