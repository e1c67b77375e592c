using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Copies operands into panels that the register tiles read straight through: <c>panel[k * width + lane]</c>, where a lane
/// is a row of A or a column of B.
/// </summary>
internal static unsafe class GemmPacking
{
    /// <summary>Elements that a panel's last stores may reach beyond it.</summary>
    public const int Slack = 16;

    /// <summary>
    /// Packs one panel of <paramref name="lanes"/> lanes, at most <paramref name="width"/>; the sums of the lanes that are missing are nobody's.
    /// May write up to <see cref="Slack"/> elements past <c>depth * width</c>. With <paramref name="lanesAdjacent"/> lanes lie side by side in the source
    /// and <paramref name="stride"/> is from one k to the next; else k lie side by side and it is from lane to lane.
    /// </summary>
    public static void Panel<T>(float* source, nint stride, bool lanesAdjacent, int lanes, int width, nint depth, float* destination) where T : unmanaged, ISimd<T>
    {
        if (lanes < width) new Span<float>(destination, checked((int)(depth * width))).Clear(); // stale denormals are slow to multiply
        if (lanesAdjacent) Copy<T>(source, stride, lanes, width, depth, destination);
        else
        {
            for (int lane = 0; lane < lanes; lane += 16)
                Turn<T>(source + lane * stride, stride, Math.Min(16, lanes - lane), depth, destination + lane, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy<T>(float* source, nint stride, int lanes, int width, nint depth, float* destination) where T : unmanaged, ISimd<T>
    {
        if (lanes == width && width == 2 * T.Count)
        {
            for (nint k = depth; k > 0; k--, source += stride, destination += 2 * T.Count)
            {
                T.Store(T.Load(source), destination);
                T.Store(T.Load(source + T.Count), destination + T.Count);
            }
        }
        else if (lanes == width && width >= T.Count)
        {
            // Whole registers, the last one moved back to end with the panel.
            int last = width - T.Count;
            for (nint k = depth; k > 0; k--, source += stride, destination += width)
            {
                for (int j = 0; j < last; j += T.Count) T.Store(T.Load(source + j), destination + j);
                T.Store(T.Load(source + last), destination + last);
            }
        }
        else if (lanes == width && width >= 8 && T.Count > 8)
        {
            Copy<Simd256>(source, stride, lanes, width, depth, destination);
        }
        else
        {
            for (nint k = depth; k > 0; k--, source += stride, destination += width)
            {
                for (int j = 0; j < lanes; j++) destination[j] = source[j];
            }
        }
    }

    /// <summary>Transposes up to 16 lanes. Narrow panels are stored in overlapping registers, in ascending k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn<T>(float* source, nint stride, int lanes, nint depth, float* destination, nint width) where T : unmanaged, ISimd<T>
    {
        nint k = 0;
        if (T.Count == 16 && Avx512F.IsSupported && lanes > 4)
        {
            nint* rows = stackalloc nint[16];
            for (int lane = 0; lane < 16; lane++) rows[lane] = Math.Min(lane, lanes - 1) * stride;
            for (; k + 16 <= depth; k += 16) Turn16(source + k, rows, destination + k * width, width);
        }
        if (T.Count >= 4)
        {
            for (; k + 4 <= depth; k += 4)
            {
                for (int lane = 0; lane < lanes; lane += 4) Turn4(source + lane * stride + k, stride, Math.Min(4, lanes - lane), destination + k * width + lane, width);
            }
        }
        for (; k < depth; k++)
        {
            for (int lane = 0; lane < lanes; lane++) destination[k * width + lane] = source[lane * stride + k];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn4(float* source, nint stride, int lanes, float* destination, nint width)
    {
        Vector128<float> r0 = Vector128.Load(source), r1 = r0, r2 = r0, r3 = r0;
        if (lanes > 1) r1 = Vector128.Load(source + stride);
        if (lanes > 2) r2 = Vector128.Load(source + 2 * stride);
        if (lanes > 3) r3 = Vector128.Load(source + 3 * stride);
        Vector128<float> a = Low(r0, r2), b = High(r0, r2), c = Low(r1, r3), d = High(r1, r3);
        Store4(Low(a, c), destination, lanes);
        Store4(High(a, c), destination + width, lanes);
        Store4(Low(b, d), destination + 2 * width, lanes);
        Store4(High(b, d), destination + 3 * width, lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4(Vector128<float> value, float* destination, int lanes)
    {
        if (lanes == 4) value.Store(destination);
        else if (lanes == 2) value.GetLower().Store(destination);
        else
        {
            for (int lane = 0; lane < lanes; lane++) destination[lane] = value.GetElement(lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackLow(left, right) : Vector128.Create(left[0], right[0], left[1], right[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackHigh(left, right) : Vector128.Create(left[2], right[2], left[3], right[3]);

    /// <summary>16 rows, found by their offsets, of 16 k become 16 k of 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn16(float* s, nint* rows, float* d, nint width)
    {
        Vector512<float> r0 = Vector512.Load(s + rows[0]), r1 = Vector512.Load(s + rows[1]), r2 = Vector512.Load(s + rows[2]), r3 = Vector512.Load(s + rows[3]);
        Vector512<float> r4 = Vector512.Load(s + rows[4]), r5 = Vector512.Load(s + rows[5]), r6 = Vector512.Load(s + rows[6]), r7 = Vector512.Load(s + rows[7]);
        Vector512<float> r8 = Vector512.Load(s + rows[8]), r9 = Vector512.Load(s + rows[9]), ra = Vector512.Load(s + rows[10]), rb = Vector512.Load(s + rows[11]);
        Vector512<float> rc = Vector512.Load(s + rows[12]), rd = Vector512.Load(s + rows[13]), re = Vector512.Load(s + rows[14]), rf = Vector512.Load(s + rows[15]);
        // Pairs of rows, then pairs of pairs: within each 128 bits, 4 k of 4 rows are turned.
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
