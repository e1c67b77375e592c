using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>An element of dtype Bool: any byte but 0 is true.</summary>
internal readonly struct BoolByte(byte value)
{
    public readonly byte Value = value;
}

/// <summary>
/// Value conversion between storage types: rounds once, to nearest, ties to even; to integers it truncates and saturates, NaN
/// gives 0; to Bool is x != 0. Every type fits exactly into double or into long, from which each target is one rounding away.
/// </summary>
internal static class Conversion
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TTo To<TFrom, TTo>(TFrom value) where TFrom : unmanaged where TTo : unmanaged
    {
        if (typeof(TFrom) == typeof(double)) return FromDouble<TTo>(Unsafe.BitCast<TFrom, double>(value));
        if (typeof(TFrom) == typeof(float)) return FromDouble<TTo>(Unsafe.BitCast<TFrom, float>(value));
        if (typeof(TFrom) == typeof(BFloat16)) return FromDouble<TTo>(Unsafe.BitCast<TFrom, BFloat16>(value));
        if (typeof(TFrom) == typeof(Half)) return FromDouble<TTo>((double)Unsafe.BitCast<TFrom, Half>(value));
        if (typeof(TFrom) == typeof(long)) return FromLong<TTo>(Unsafe.BitCast<TFrom, long>(value));
        if (typeof(TFrom) == typeof(int)) return FromLong<TTo>(Unsafe.BitCast<TFrom, int>(value));
        if (typeof(TFrom) == typeof(byte)) return FromLong<TTo>(Unsafe.BitCast<TFrom, byte>(value));
        return FromLong<TTo>(Unsafe.BitCast<TFrom, BoolByte>(value).Value != 0 ? 1 : 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TTo FromDouble<TTo>(double value) where TTo : unmanaged
    {
        if (typeof(TTo) == typeof(double)) return Unsafe.BitCast<double, TTo>(value);
        if (typeof(TTo) == typeof(float)) return Unsafe.BitCast<float, TTo>((float)value);
        if (typeof(TTo) == typeof(BFloat16)) return Unsafe.BitCast<BFloat16, TTo>((BFloat16)ToOdd(value));
        if (typeof(TTo) == typeof(Half)) return Unsafe.BitCast<Half, TTo>((Half)value);
        if (typeof(TTo) == typeof(long)) return Unsafe.BitCast<long, TTo>((long)value); // saturates, NaN gives 0
        if (typeof(TTo) == typeof(int)) return Unsafe.BitCast<int, TTo>((int)value);
        if (typeof(TTo) == typeof(byte)) return Unsafe.BitCast<byte, TTo>((byte)Math.Clamp((int)value, 0, 255));
        return Unsafe.BitCast<BoolByte, TTo>(new BoolByte(value != 0 ? (byte)1 : (byte)0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TTo FromLong<TTo>(long value) where TTo : unmanaged
    {
        if (typeof(TTo) == typeof(double)) return Unsafe.BitCast<double, TTo>((double)value);
        if (typeof(TTo) == typeof(float)) return Unsafe.BitCast<float, TTo>((float)value);
        if (typeof(TTo) == typeof(BFloat16)) return Unsafe.BitCast<BFloat16, TTo>((BFloat16)ToOdd(ToOdd(value)));
        if (typeof(TTo) == typeof(Half)) return Unsafe.BitCast<Half, TTo>((Half)(double)value); // what double rounds is far beyond Half
        if (typeof(TTo) == typeof(long)) return Unsafe.BitCast<long, TTo>(value);
        if (typeof(TTo) == typeof(int)) return Unsafe.BitCast<int, TTo>((int)Math.Clamp(value, int.MinValue, int.MaxValue));
        if (typeof(TTo) == typeof(byte)) return Unsafe.BitCast<byte, TTo>((byte)Math.Clamp(value, 0, 255));
        return Unsafe.BitCast<BoolByte, TTo>(new BoolByte(value != 0 ? (byte)1 : (byte)0));
    }

    /// <summary>To float32, rounded to odd: a second rounding, to bfloat16, then gives what a single one would.</summary>
    private static float ToOdd(double value)
    {
        float rounded = (float)value;
        if (rounded == value || double.IsNaN(value)) return rounded;
        // Towards zero, then the last bit set: it stands for all that was cut off.
        int bits = BitConverter.SingleToInt32Bits(rounded);
        if (Math.Abs((double)rounded) > Math.Abs(value)) bits--;
        return BitConverter.Int32BitsToSingle(bits | 1);
    }

    /// <summary>To double, rounded to odd.</summary>
    private static double ToOdd(long value)
    {
        if (value is >= -(1L << 53) and <= 1L << 53) return value;
        // 53 of at most 63 bits fit. The 11 lowest become one that says whether they were all zero.
        long kept = value & ~0x7FFL;
        return (value & 0x7FFL) == 0 ? kept : kept | 0x400L;
    }
}
