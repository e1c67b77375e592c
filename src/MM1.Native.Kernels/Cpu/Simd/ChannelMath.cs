using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Rows of floats: the channels of a pixel, the columns of a token.</summary>
internal static unsafe class ChannelMath
{
    // Floats that one thread reads and writes in about the time that waking another takes.
    private const long GrainFloats = 1 << 16;

    /// <summary>Items that are worth a thread, when each reads or writes this many floats.</summary>
    public static long Grain(long floatsPerItem) => 1 + GrainFloats / Math.Max(floatsPerItem, 1);

    public static void Copy(float* source, float* destination, long count) => NativeMemory.Copy(source, destination, (nuint)count * sizeof(float));

    /// <summary>The same for runs of a few registers, where the call would cost more than the copy. The runs must not overlap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CopyRun(float* source, float* destination, long count)
    {
        if (count < Vector256<float>.Count)
        {
            for (long i = 0; i < count; i++) destination[i] = source[i];
            return;
        }
        // The last register reaches back over what is there already.
        if (Vector512.IsHardwareAccelerated && count >= Vector512<float>.Count)
        {
            long end = count - Vector512<float>.Count;
            for (long i = 0; i < end; i += Vector512<float>.Count) Vector512.Load(source + i).Store(destination + i);
            Vector512.Load(source + end).Store(destination + end);
            return;
        }
        long last = count - Vector256<float>.Count;
        for (long i = 0; i < last; i += Vector256<float>.Count) Vector256.Load(source + i).Store(destination + i);
        Vector256.Load(source + last).Store(destination + last);
    }

    public static void Clear(float* destination, long count) => NativeMemory.Clear(destination, (nuint)count * sizeof(float));

    /// <summary>The old value's part of an accumulating output: 0 does not read it.</summary>
    public static void Scale<T>(float beta, float* destination, long count) where T : unmanaged, ISimd<T>
    {
        if (beta == 1) return;
        if (beta == 0)
        {
            Clear(destination, count);
            return;
        }
        long i = 0;
        for (; i + T.Count <= count; i += T.Count) T.Store(T.Create(beta) * T.Load(destination + i), destination + i);
        for (; i < count; i++) destination[i] *= beta;
    }

    /// <summary>destination += source.</summary>
    public static void Add<T>(float* source, float* destination, long count) where T : unmanaged, ISimd<T>
    {
        long i = 0;
        for (; i + T.Count <= count; i += T.Count) T.Store(T.Load(destination + i) + T.Load(source + i), destination + i);
        for (; i < count; i++) destination[i] += source[i];
    }

    /// <summary>destination += factor * source, each rounded once.</summary>
    public static void MultiplyAdd<T>(float factor, float* source, float* destination, long count) where T : unmanaged, ISimd<T>
    {
        long i = 0;
        for (; i + T.Count <= count; i += T.Count)
            T.Store(T.MultiplyAdd(T.Create(factor), T.Load(source + i), T.Load(destination + i)), destination + i);
        for (; i < count; i++) destination[i] = MathF.FusedMultiplyAdd(factor, source[i], destination[i]);
    }

    /// <summary>sum + beta * old, without reading the old value when beta is 0.</summary>
    public static T Accumulate<T>(T sum, float beta, float* old) where T : unmanaged, ISimd<T> =>
        beta == 0 ? sum : T.MultiplyAdd(T.Create(beta), T.Load(old), sum);
}
