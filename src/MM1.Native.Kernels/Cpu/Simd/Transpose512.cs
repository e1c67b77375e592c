using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>16 x 16 elements turned in registers of AVX-512.</summary>
internal static unsafe class Transpose512
{
    /// <summary>turned[i * width + row] = source[offsets[row] + i] for 16 rows and 16 i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Turn(float* s, nint* offsets, float* d, nint width)
    {
        Vector512<float> r0 = Vector512.Load(s + offsets[0]), r1 = Vector512.Load(s + offsets[1]), r2 = Vector512.Load(s + offsets[2]), r3 = Vector512.Load(s + offsets[3]);
        Vector512<float> r4 = Vector512.Load(s + offsets[4]), r5 = Vector512.Load(s + offsets[5]), r6 = Vector512.Load(s + offsets[6]), r7 = Vector512.Load(s + offsets[7]);
        Vector512<float> r8 = Vector512.Load(s + offsets[8]), r9 = Vector512.Load(s + offsets[9]), ra = Vector512.Load(s + offsets[10]), rb = Vector512.Load(s + offsets[11]);
        Vector512<float> rc = Vector512.Load(s + offsets[12]), rd = Vector512.Load(s + offsets[13]), re = Vector512.Load(s + offsets[14]), rf = Vector512.Load(s + offsets[15]);
        // Pairs of rows, then pairs of pairs: within each 128 bits, 4 x 4 are turned.
        Vector512<float> t0 = Avx512F.UnpackLow(r0, r1), t1 = Avx512F.UnpackHigh(r0, r1), t2 = Avx512F.UnpackLow(r2, r3), t3 = Avx512F.UnpackHigh(r2, r3);
        Vector512<float> t4 = Avx512F.UnpackLow(r4, r5), t5 = Avx512F.UnpackHigh(r4, r5), t6 = Avx512F.UnpackLow(r6, r7), t7 = Avx512F.UnpackHigh(r6, r7);
        Vector512<float> t8 = Avx512F.UnpackLow(r8, r9), t9 = Avx512F.UnpackHigh(r8, r9), ta = Avx512F.UnpackLow(ra, rb), tb = Avx512F.UnpackHigh(ra, rb);
        Vector512<float> tc = Avx512F.UnpackLow(rc, rd), td = Avx512F.UnpackHigh(rc, rd), te = Avx512F.UnpackLow(re, rf), tf = Avx512F.UnpackHigh(re, rf);
        r0 = LowPairs(t0, t2); r1 = HighPairs(t0, t2); r2 = LowPairs(t1, t3); r3 = HighPairs(t1, t3);
        r4 = LowPairs(t4, t6); r5 = HighPairs(t4, t6); r6 = LowPairs(t5, t7); r7 = HighPairs(t5, t7);
        r8 = LowPairs(t8, ta); r9 = HighPairs(t8, ta); ra = LowPairs(t9, tb); rb = HighPairs(t9, tb);
        rc = LowPairs(tc, te); rd = HighPairs(tc, te); re = LowPairs(td, tf); rf = HighPairs(td, tf);
        // Then the 128-bit quarters are dealt out.
        t0 = Even(r0, r4); t1 = Even(r1, r5); t2 = Even(r2, r6); t3 = Even(r3, r7);
        t4 = Odd(r0, r4); t5 = Odd(r1, r5); t6 = Odd(r2, r6); t7 = Odd(r3, r7);
        t8 = Even(r8, rc); t9 = Even(r9, rd); ta = Even(ra, re); tb = Even(rb, rf);
        tc = Odd(r8, rc); td = Odd(r9, rd); te = Odd(ra, re); tf = Odd(rb, rf);
        Even(t0, t8).Store(d); Even(t1, t9).Store(d + width); Even(t2, ta).Store(d + 2 * width); Even(t3, tb).Store(d + 3 * width);
        d += 4 * width;
        Even(t4, tc).Store(d); Even(t5, td).Store(d + width); Even(t6, te).Store(d + 2 * width); Even(t7, tf).Store(d + 3 * width);
        d += 4 * width;
        Odd(t0, t8).Store(d); Odd(t1, t9).Store(d + width); Odd(t2, ta).Store(d + 2 * width); Odd(t3, tb).Store(d + 3 * width);
        d += 4 * width;
        Odd(t4, tc).Store(d); Odd(t5, td).Store(d + width); Odd(t6, te).Store(d + 2 * width); Odd(t7, tf).Store(d + 3 * width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> LowPairs(Vector512<float> left, Vector512<float> right) => Avx512F.UnpackLow(left.AsDouble(), right.AsDouble()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> HighPairs(Vector512<float> left, Vector512<float> right) => Avx512F.UnpackHigh(left.AsDouble(), right.AsDouble()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Even(Vector512<float> left, Vector512<float> right) => Avx512F.Shuffle4x128(left, right, 0x88);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Odd(Vector512<float> left, Vector512<float> right) => Avx512F.Shuffle4x128(left, right, 0xDD);
}
