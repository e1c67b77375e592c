using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Moves rows of a strided operand into tiles and back. In a tile, queries are the lanes of vectors: tile element
/// (d, lane) is column d of the lane's row.
/// </summary>
internal static unsafe class AttentionLanes
{
    private const int PrefetchRows = 8;

    /// <summary>tile[d, lane] = rows[lane][d] * scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gather(float** rows, int lanes, int columns, float scale, float* tile, nint tileStride)
    {
        int lane = 0;
        if (Avx.IsSupported)
        {
            Vector256<float> factor = Vector256.Create(scale);
            for (; lane + 8 <= lanes; lane += 8)
            {
                for (int d = 0; d < columns; d += 8)
                {
                    Block8 block = Block8.Load(rows + lane, d);
                    block.Transpose();
                    float* to = tile + d * tileStride + lane;
                    (block.R0 * factor).Store(to);
                    (block.R1 * factor).Store(to += tileStride);
                    (block.R2 * factor).Store(to += tileStride);
                    (block.R3 * factor).Store(to += tileStride);
                    (block.R4 * factor).Store(to += tileStride);
                    (block.R5 * factor).Store(to += tileStride);
                    (block.R6 * factor).Store(to += tileStride);
                    (block.R7 * factor).Store(to += tileStride);
                }
            }
        }
        for (; lane < lanes; lane++)
        {
            for (int d = 0; d < columns; d++) tile[d * tileStride + lane] = rows[lane][d] * scale;
        }
    }

    /// <summary>rows[lane][d] = tile[d, lane] * factor[lane].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scatter(float* tile, nint tileStride, float* factor, float** rows, int lanes, int columns)
    {
        int lane = 0;
        if (Avx.IsSupported)
        {
            for (; lane + 8 <= lanes; lane += 8)
            {
                Vector256<float> scale = Vector256.Load(factor + lane);
                for (int d = 0; d < columns; d += 8)
                {
                    float* from = tile + d * tileStride + lane;
                    var block = new Block8
                    {
                        R0 = Vector256.Load(from) * scale,
                        R1 = Vector256.Load(from + tileStride) * scale,
                        R2 = Vector256.Load(from + 2 * tileStride) * scale,
                        R3 = Vector256.Load(from + 3 * tileStride) * scale,
                        R4 = Vector256.Load(from + 4 * tileStride) * scale,
                        R5 = Vector256.Load(from + 5 * tileStride) * scale,
                        R6 = Vector256.Load(from + 6 * tileStride) * scale,
                        R7 = Vector256.Load(from + 7 * tileStride) * scale,
                    };
                    block.Transpose();
                    block.Store(rows + lane, d);
                }
            }
        }
        for (; lane < lanes; lane++)
        {
            for (int d = 0; d < columns; d++) rows[lane][d] = tile[d * tileStride + lane] * factor[lane];
        }
    }

    /// <summary>Asks for a row that is needed soon. Rows lie pages apart, so the machine does not foresee them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(float* row, int columns)
    {
        if (!Sse.IsSupported) return;
        for (int d = 0; d < columns; d += 16) Sse.Prefetch1(row + d);
    }

    /// <summary>Copies rows into a block of their own; the columns up to <paramref name="stride"/> and the rows up to <paramref name="paddedRows"/> become zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, long sourceStride, int rows, int paddedRows, int columns, float* packed, int stride)
    {
        for (int row = 0; row < paddedRows; row++, source += sourceStride, packed += stride)
        {
            int d = 0;
            if (row + PrefetchRows < rows) Prefetch(source + PrefetchRows * sourceStride, columns);
            if (row < rows)
            {
                for (; d < columns; d += 8) Vector256.Load(source + d).Store(packed + d);
            }
            for (; d < stride; d++) packed[d] = 0;
        }
    }

    /// <summary>An 8 x 8 block in registers.</summary>
    private struct Block8
    {
        public Vector256<float> R0, R1, R2, R3, R4, R5, R6, R7;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Block8 Load(float** rows, int column) => new()
        {
            R0 = Vector256.Load(rows[0] + column),
            R1 = Vector256.Load(rows[1] + column),
            R2 = Vector256.Load(rows[2] + column),
            R3 = Vector256.Load(rows[3] + column),
            R4 = Vector256.Load(rows[4] + column),
            R5 = Vector256.Load(rows[5] + column),
            R6 = Vector256.Load(rows[6] + column),
            R7 = Vector256.Load(rows[7] + column),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float** rows, int column)
        {
            R0.Store(rows[0] + column);
            R1.Store(rows[1] + column);
            R2.Store(rows[2] + column);
            R3.Store(rows[3] + column);
            R4.Store(rows[4] + column);
            R5.Store(rows[5] + column);
            R6.Store(rows[6] + column);
            R7.Store(rows[7] + column);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Transpose()
        {
            Vector256<float> a0 = Avx.UnpackLow(R0, R1), a1 = Avx.UnpackHigh(R0, R1), a2 = Avx.UnpackLow(R2, R3), a3 = Avx.UnpackHigh(R2, R3);
            Vector256<float> a4 = Avx.UnpackLow(R4, R5), a5 = Avx.UnpackHigh(R4, R5), a6 = Avx.UnpackLow(R6, R7), a7 = Avx.UnpackHigh(R6, R7);
            Vector256<float> b0 = Avx.Shuffle(a0, a2, 0x44), b1 = Avx.Shuffle(a0, a2, 0xEE), b2 = Avx.Shuffle(a1, a3, 0x44), b3 = Avx.Shuffle(a1, a3, 0xEE);
            Vector256<float> b4 = Avx.Shuffle(a4, a6, 0x44), b5 = Avx.Shuffle(a4, a6, 0xEE), b6 = Avx.Shuffle(a5, a7, 0x44), b7 = Avx.Shuffle(a5, a7, 0xEE);
            R0 = Avx.Permute2x128(b0, b4, 0x20);
            R1 = Avx.Permute2x128(b1, b5, 0x20);
            R2 = Avx.Permute2x128(b2, b6, 0x20);
            R3 = Avx.Permute2x128(b3, b7, 0x20);
            R4 = Avx.Permute2x128(b0, b4, 0x31);
            R5 = Avx.Permute2x128(b1, b5, 0x31);
            R6 = Avx.Permute2x128(b2, b6, 0x31);
            R7 = Avx.Permute2x128(b3, b7, 0x31);
        }
    }
}
