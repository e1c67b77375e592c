using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

internal static partial class VectorMath
{
    /// <summary>2^x for a finite x below 128, within 1 unit in the last place; below -150 zero. What larger x give is the machine's choice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp2<T>(T x) where T : unmanaged, ISimd<T>
    {
        // AVX-512 scales by any power of two; elsewhere the power has to stay in the range of ScaleByPowerOfTwo.
        if (T.Count != 16 || !Avx512F.IsSupported) x = T.Max(x, T.Create(-160f));
        T n = T.Round(x);
        T r = x - n;
        // Minimax polynomial of 2^r on [-1/2, 1/2] in relative error, 1.9e-9 (Remez).
        T p = T.MultiplyAdd(T.Create(0.000153458124f), r, T.Create(0.00133999309f));
        p = T.MultiplyAdd(p, r, T.Create(0.00961848907f));
        p = T.MultiplyAdd(p, r, T.Create(0.0555032864f));
        p = T.MultiplyAdd(p, r, T.Create(0.240226462f));
        p = T.MultiplyAdd(p, r, T.Create(0.693147182f));
        p = T.MultiplyAdd(p, r, T.Create(1f));
        return T.ScaleByPowerOfTwo(p, n);
    }
}
