using System.Runtime.CompilerServices;
using MM1.Native.Kernels.Cpu;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>A function of registers.</summary>
internal interface IVectorFunction
{
    static abstract T Invoke<T>(T x) where T : unmanaged, ISimd<T>;
}

/// <summary>Evaluates functions of registers at every width.</summary>
internal static unsafe class VectorFunction
{
    /// <summary>The results of 512, 256, 128 bits and of one element.</summary>
    public static float[][] AllWidths<TFunction>(float[] x) where TFunction : struct, IVectorFunction =>
        [Map<TFunction, Simd512>(x), Map<TFunction, Simd256>(x), Map<TFunction, Simd128>(x), Map<TFunction, SimdScalar>(x)];

    public static void Expect<TFunction>(float[] x, float[] expected) where TFunction : struct, IVectorFunction
    {
        foreach (float[] actual in AllWidths<TFunction>(x)) Assert.Equal(expected, actual);
    }

    /// <summary>Evenly spaced arguments, both bounds included.</summary>
    public static float[] Arguments(double low, double high)
    {
        var x = new float[16 * 4000];
        for (int i = 0; i < x.Length; i++) x[i] = (float)(low + (high - low) * i / (x.Length - 1));
        return x;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float[] Map<TFunction, T>(float[] x) where TFunction : struct, IVectorFunction where T : unmanaged, ISimd<T>
    {
        // Padded, so that a few special values fill the widest register too.
        var padded = new float[(x.Length + 15) / 16 * 16];
        x.CopyTo(padded, 0);
        var y = new float[padded.Length];
        fixed (float* source = padded, destination = y)
        {
            for (int i = 0; i < padded.Length; i += T.Count) T.Store(TFunction.Invoke(T.Load(source + i)), destination + i);
        }
        return y[..x.Length];
    }
}
