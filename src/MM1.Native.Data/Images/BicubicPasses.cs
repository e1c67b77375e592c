using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Data;

/// <summary>
/// The two passes of <see cref="BicubicResize"/> over 8-bit RGB. Sums are int32, as in Pillow; integer sums do not depend on their order, so every width of vectors
/// gives the same bytes. A weight w of 24 bits is taken apart as 65536 * high + low with 16-bit parts, and multiply-adds of 16-bit pairs do two inputs at once; a
/// wrap-around of a part's sum cancels, because the whole sum fits in 32 bits.
/// </summary>
internal static unsafe class BicubicPasses
{
    private const int Round = 1 << (BicubicCoefficients.PrecisionBits - 1), RowsAtOnce = 4, LoadBytes = 16;

    /// <summary>The widest vectors that the passes may use, in bits: tests set it lower to compare the paths; 0 is scalar.</summary>
    internal static int VectorBits { get; set; } = 512;

    private static bool Use256 => VectorBits >= 256 && Avx2.IsSupported;

    private static bool Use512 => VectorBits >= 512 && Avx512BW.IsSupported;

    private static bool Use128 => VectorBits >= 128 && Vector128.IsHardwareAccelerated;

    /// <summary>Filters along rows.</summary>
    /// <param name="source">The first byte of the first row.</param>
    /// <param name="stride">Bytes from row to row.</param>
    /// <param name="columns">Pixels of a row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="coefficients">From columns to the target's.</param>
    /// <param name="target">[rows, outputs, 3] bytes.</param>
    internal static void Horizontal(byte* source, int stride, int columns, int rows, BicubicCoefficients coefficients, byte* target)
    {
        int width = 3 * coefficients.Outputs, row = 0;
        if (Use256)
        {
            // A load of 16 bytes that begins at a row's last pixel ends 13 after the row: for most rows that is the next one, the last are filtered from a copy.
            int groups = (coefficients.MaximumTaps + 3) / 4, safe = rows - (LoadBytes + stride - 1) / stride;
            short[] packed = ArrayPool<short>.Shared.Rent(32 * groups * coefficients.Outputs);
            byte[]? copies = null;
            try
            {
                fixed (short* weights = packed)
                {
                    PackPairs(coefficients, groups, weights);
                    for (; row + RowsAtOnce <= safe; row += RowsAtOnce) Horizontal256(source + (long)stride * row, stride, coefficients, groups, weights, target + (long)width * row, width);
                    int used = 3 * columns, padded = used + LoadBytes;
                    copies = ArrayPool<byte>.Shared.Rent(RowsAtOnce * Math.Max(padded, width));
                    byte[] results = ArrayPool<byte>.Shared.Rent(RowsAtOnce * width);
                    fixed (byte* copy = copies)
                    fixed (byte* result = results)
                    {
                        new Span<byte>(copy, RowsAtOnce * padded).Clear();
                        for (; row < rows; row += RowsAtOnce)
                        {
                            int count = Math.Min(RowsAtOnce, rows - row);
                            for (int i = 0; i < count; i++) new ReadOnlySpan<byte>(source + (long)stride * (row + i), used).CopyTo(new Span<byte>(copy + padded * i, used));
                            Horizontal256(copy, padded, coefficients, groups, weights, result, width);
                            new ReadOnlySpan<byte>(result, count * width).CopyTo(new Span<byte>(target + (long)width * row, count * width));
                        }
                    }
                    ArrayPool<byte>.Shared.Return(results);
                }
            }
            finally
            {
                ArrayPool<short>.Shared.Return(packed);
                if (copies is not null) ArrayPool<byte>.Shared.Return(copies);
            }
            return;
        }
        for (; row < rows; row++)
        {
            byte* from = source + (long)stride * row, to = target + (long)width * row;
            if (Use128) Horizontal128(from, coefficients, to, last: from + 3L * columns);
            else HorizontalScalar(from, coefficients, to);
        }
    }

    /// <summary>Filters along columns.</summary>
    /// <param name="source">The first byte of the row that input 0 of the coefficients stands for; rows that no output needs are never touched.</param>
    /// <param name="stride">Bytes from row to row.</param>
    /// <param name="width">Bytes of a row that are filtered.</param>
    /// <param name="coefficients">From rows to the target's.</param>
    /// <param name="target">[outputs, width] bytes.</param>
    internal static void Vertical(byte* source, long stride, int width, BicubicCoefficients coefficients, byte* target)
    {
        int[] packed = ArrayPool<int>.Shared.Rent(coefficients.MaximumTaps + 2);
        fixed (int* weights = packed)
        {
            for (int y = 0; y < coefficients.Outputs; y++)
            {
                ReadOnlySpan<int> taps = coefficients.Of(y, out int first);
                byte* from = source + stride * first, to = target + (long)width * y;
                int at = 0;
                if (Use256 && width >= 32)
                {
                    // Pairs of weights: the low parts of two, then the high parts of the two.
                    int count = (taps.Length + 1) / 2;
                    for (int k = 0; k < count; k++)
                    {
                        int one = taps[2 * k], other = 2 * k + 1 < taps.Length ? taps[2 * k + 1] : 0;
                        weights[2 * k] = (ushort)one | other << 16;
                        weights[2 * k + 1] = (ushort)High(one) | High(other) << 16;
                    }
                    if (Use512)
                        for (; at + 64 <= width; at += 64) Vertical512(from + at, stride, weights, taps.Length, to + at);
                    for (; at + 32 <= width; at += 32) Vertical256(from + at, stride, weights, taps.Length, to + at);
                    // The last bytes once more, together with some that are done.
                    if (at < width) Vertical256(from + width - 32, stride, weights, taps.Length, to + width - 32);
                    continue;
                }
                if (Use128)
                    for (; at + 16 <= width; at += 16) Vertical128(from + at, stride, taps, to + at);
                for (; at < width; at++)
                {
                    int sum = Round;
                    for (int k = 0; k < taps.Length; k++) sum += from[at + stride * k] * taps[k];
                    to[at] = Clip(sum);
                }
            }
        }
        ArrayPool<int>.Shared.Return(packed);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> BicubicCoefficients.PrecisionBits, 0, 255);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int High(int weight) => (weight - (short)weight) >> 16;

    private static void HorizontalScalar(byte* row, BicubicCoefficients coefficients, byte* target)
    {
        for (int x = 0; x < coefficients.Outputs; x++, target += 3)
        {
            ReadOnlySpan<int> weights = coefficients.Of(x, out int first);
            int red = Round, green = Round, blue = Round;
            byte* from = row + 3 * first;
            foreach (int weight in weights)
            {
                red += from[0] * weight;
                green += from[1] * weight;
                blue += from[2] * weight;
                from += 3;
            }
            (target[0], target[1], target[2]) = (Clip(red), Clip(green), Clip(blue));
        }
    }

    /// <summary>A pixel at a time, its channels side by side.</summary>
    private static void Horizontal128(byte* row, BicubicCoefficients coefficients, byte* target, byte* last)
    {
        for (int x = 0; x < coefficients.Outputs; x++, target += 3)
        {
            ReadOnlySpan<int> weights = coefficients.Of(x, out int first);
            Vector128<int> sum = Vector128.Create(Round);
            byte* from = row + 3 * first;
            foreach (int weight in weights)
            {
                uint pixel = from + 4 <= last ? Unsafe.ReadUnaligned<uint>(from) : (uint)(from[0] | from[1] << 8 | from[2] << 16);
                Vector128<int> wide = Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalar(pixel).AsByte())).AsInt32();
                sum += wide * Vector128.Create(weight);
                from += 3;
            }
            (target[0], target[1], target[2]) = (Clip(sum[0]), Clip(sum[1]), Clip(sum[2]));
        }
    }

    /// <summary>
    /// For each output and each four inputs two vectors of 16-bit pairs, low parts and high parts: lane 0 the weights (0, 1) for red, green, blue and nothing, lane 1
    /// the weights (2, 3).
    /// </summary>
    private static void PackPairs(BicubicCoefficients coefficients, int groups, short* packed)
    {
        for (int x = 0; x < coefficients.Outputs; x++)
        {
            ReadOnlySpan<int> weights = coefficients.Of(x, out _);
            for (int group = 0; group < groups; group++)
            {
                Vector256<int> low = default, high = default;
                if (4 * group < weights.Length)
                {
                    int w0 = weights[4 * group], w1 = At(weights, 4 * group + 1), w2 = At(weights, 4 * group + 2), w3 = At(weights, 4 * group + 3);
                    low = Vector256.Create(Vector128.Create((ushort)w0 | w1 << 16), Vector128.Create((ushort)w2 | w3 << 16));
                    high = Vector256.Create(Vector128.Create((ushort)High(w0) | High(w1) << 16), Vector128.Create((ushort)High(w2) | High(w3) << 16));
                }
                low.AsInt16().Store(packed);
                high.AsInt16().Store(packed + 16);
                packed += 32;
            }
        }

        static int At(ReadOnlySpan<int> weights, int k) => k < weights.Length ? weights[k] : 0;
    }

    /// <summary>Four rows at once, four inputs at a time: one load of 12 bytes serves two lanes. 512-bit vectors would need a lane crossing for each load, and win nothing.</summary>
    private static void Horizontal256(byte* rows, int stride, BicubicCoefficients coefficients, int groups, short* weights, byte* target, int width)
    {
        const byte None = 128;
        Vector256<byte> spread = Vector256.Create(
            (byte)0, None, 3, None, 1, None, 4, None, 2, None, 5, None, None, None, None, None,
            6, None, 9, None, 7, None, 10, None, 8, None, 11, None, None, None, None, None);
        byte* row1 = rows + stride, row2 = row1 + stride, row3 = row2 + stride;
        int last = coefficients.Outputs - 1;
        for (int x = 0; x <= last; x++)
        {
            int taps = coefficients.Of(x, out int first).Length;
            short* pair = weights + 32L * groups * x;
            Vector256<int> low0 = default, low1 = default, low2 = default, low3 = default, high0 = default, high1 = default, high2 = default, high3 = default;
            int end = 3 * (first + taps);
            for (int at = 3 * first; at < end; at += 12, pair += 32)
            {
                Vector256<short> low = Vector256.Load(pair), high = Vector256.Load(pair + 16);
                Vector256<short> pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(rows + at), spread).AsInt16();
                low0 = MultiplyAdd(low0, pixels, low);
                high0 = MultiplyAdd(high0, pixels, high);
                pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row1 + at), spread).AsInt16();
                low1 = MultiplyAdd(low1, pixels, low);
                high1 = MultiplyAdd(high1, pixels, high);
                pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row2 + at), spread).AsInt16();
                low2 = MultiplyAdd(low2, pixels, low);
                high2 = MultiplyAdd(high2, pixels, high);
                pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row3 + at), spread).AsInt16();
                low3 = MultiplyAdd(low3, pixels, low);
                high3 = MultiplyAdd(high3, pixels, high);
            }
            Vector128<byte> bytes = Sse2.PackUnsignedSaturate(Sse2.PackSignedSaturate(Finish(low0, high0), Finish(low1, high1)), Sse2.PackSignedSaturate(Finish(low2, high2), Finish(low3, high3)));
            byte* to = target + 3 * x;
            if (x < last)
            {
                // The fourth byte is the next pixel's, written after this.
                Unsafe.WriteUnaligned(to, bytes.AsUInt32()[0]);
                Unsafe.WriteUnaligned(to + width, bytes.AsUInt32()[1]);
                Unsafe.WriteUnaligned(to + 2 * width, bytes.AsUInt32()[2]);
                Unsafe.WriteUnaligned(to + 3 * width, bytes.AsUInt32()[3]);
                continue;
            }
            for (int i = 0; i < RowsAtOnce; i++)
            {
                uint pixel = bytes.AsUInt32()[i];
                (to[0], to[1], to[2]) = ((byte)pixel, (byte)(pixel >> 8), (byte)(pixel >> 16));
                to += width;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector128<int> Finish(Vector256<int> low, Vector256<int> high)
        {
            Vector256<int> sum = low + (high << 16);
            return (sum.GetLower() + sum.GetUpper() + Vector128.Create(Round)) >> BicubicCoefficients.PrecisionBits;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> MultiplyAdd(Vector256<int> sum, Vector256<short> left, Vector256<short> right) =>
        AvxVnni.IsSupported ? AvxVnni.MultiplyWideningAndAdd(sum, left, right) : Avx2.Add(sum, Avx2.MultiplyAddAdjacent(left, right));

    /// <summary>32 bytes of one output row. Unpacking and packing stay in their lanes, so the order comes out right.</summary>
    private static void Vertical256(byte* source, long stride, int* weights, int taps, byte* target)
    {
        Vector256<int> low0 = default, low1 = default, low2 = default, low3 = default, high0 = default, high1 = default, high2 = default, high3 = default;
        for (int k = 0; k < taps; k += 2, source += 2 * stride)
        {
            Vector256<byte> one = Vector256.Load(source), other = k + 1 < taps ? Vector256.Load(source + stride) : default;
            (Vector256<short> p0, Vector256<short> p1) = Widen(Avx2.UnpackLow(one, other));
            (Vector256<short> p2, Vector256<short> p3) = Widen(Avx2.UnpackHigh(one, other));
            Vector256<short> low = Vector256.Create(weights[k]).AsInt16(), high = Vector256.Create(weights[k + 1]).AsInt16();
            low0 = MultiplyAdd(low0, p0, low);
            low1 = MultiplyAdd(low1, p1, low);
            low2 = MultiplyAdd(low2, p2, low);
            low3 = MultiplyAdd(low3, p3, low);
            high0 = MultiplyAdd(high0, p0, high);
            high1 = MultiplyAdd(high1, p1, high);
            high2 = MultiplyAdd(high2, p2, high);
            high3 = MultiplyAdd(high3, p3, high);
        }
        Avx2.PackUnsignedSaturate(Avx2.PackSignedSaturate(Finish(low0, high0), Finish(low1, high1)), Avx2.PackSignedSaturate(Finish(low2, high2), Finish(low3, high3))).Store(target);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static (Vector256<short>, Vector256<short>) Widen(Vector256<byte> pairs) =>
            (Avx2.UnpackLow(pairs, Vector256<byte>.Zero).AsInt16(), Avx2.UnpackHigh(pairs, Vector256<byte>.Zero).AsInt16());

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector256<int> Finish(Vector256<int> low, Vector256<int> high) => (low + (high << 16) + Vector256.Create(Round)) >> BicubicCoefficients.PrecisionBits;
    }

    /// <summary>64 bytes of one output row.</summary>
    private static void Vertical512(byte* source, long stride, int* weights, int taps, byte* target)
    {
        Vector512<int> low0 = default, low1 = default, low2 = default, low3 = default, high0 = default, high1 = default, high2 = default, high3 = default;
        for (int k = 0; k < taps; k += 2, source += 2 * stride)
        {
            Vector512<byte> one = Vector512.Load(source), other = k + 1 < taps ? Vector512.Load(source + stride) : default;
            Vector512<byte> first = Avx512BW.UnpackLow(one, other), second = Avx512BW.UnpackHigh(one, other);
            Vector512<short> p0 = Avx512BW.UnpackLow(first, Vector512<byte>.Zero).AsInt16(), p1 = Avx512BW.UnpackHigh(first, Vector512<byte>.Zero).AsInt16();
            Vector512<short> p2 = Avx512BW.UnpackLow(second, Vector512<byte>.Zero).AsInt16(), p3 = Avx512BW.UnpackHigh(second, Vector512<byte>.Zero).AsInt16();
            Vector512<short> low = Vector512.Create(weights[k]).AsInt16(), high = Vector512.Create(weights[k + 1]).AsInt16();
            low0 += Avx512BW.MultiplyAddAdjacent(p0, low);
            low1 += Avx512BW.MultiplyAddAdjacent(p1, low);
            low2 += Avx512BW.MultiplyAddAdjacent(p2, low);
            low3 += Avx512BW.MultiplyAddAdjacent(p3, low);
            high0 += Avx512BW.MultiplyAddAdjacent(p0, high);
            high1 += Avx512BW.MultiplyAddAdjacent(p1, high);
            high2 += Avx512BW.MultiplyAddAdjacent(p2, high);
            high3 += Avx512BW.MultiplyAddAdjacent(p3, high);
        }
        Avx512BW.PackUnsignedSaturate(Avx512BW.PackSignedSaturate(Finish(low0, high0), Finish(low1, high1)), Avx512BW.PackSignedSaturate(Finish(low2, high2), Finish(low3, high3))).Store(target);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector512<int> Finish(Vector512<int> low, Vector512<int> high) => (low + (high << 16) + Vector512.Create(Round)) >> BicubicCoefficients.PrecisionBits;
    }

    /// <summary>16 bytes of one output row, products of 32 bits: any machine with vectors.</summary>
    private static void Vertical128(byte* source, long stride, ReadOnlySpan<int> taps, byte* target)
    {
        Vector128<int> sum0 = Vector128.Create(Round), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        foreach (int tap in taps)
        {
            Vector128<int> weight = Vector128.Create(tap);
            (Vector128<ushort> lower, Vector128<ushort> upper) = Vector128.Widen(Vector128.Load(source));
            (Vector128<uint> a, Vector128<uint> b) = Vector128.Widen(lower);
            (Vector128<uint> c, Vector128<uint> d) = Vector128.Widen(upper);
            sum0 += a.AsInt32() * weight;
            sum1 += b.AsInt32() * weight;
            sum2 += c.AsInt32() * weight;
            sum3 += d.AsInt32() * weight;
            source += stride;
        }
        Vector128<ushort> first = Vector128.Narrow(Clip(sum0), Clip(sum1)), second = Vector128.Narrow(Clip(sum2), Clip(sum3));
        Vector128.Narrow(first, second).Store(target);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector128<uint> Clip(Vector128<int> sum) => Vector128.Clamp(sum >> BicubicCoefficients.PrecisionBits, Vector128<int>.Zero, Vector128.Create(255)).AsUInt32();
    }
}
