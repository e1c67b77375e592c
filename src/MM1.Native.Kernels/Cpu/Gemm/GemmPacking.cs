using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Copies operands to where the register tiles read them straight through.</summary>
internal static unsafe class GemmPacking
{
    /// <summary>Elements between the rows of a copied block of A beyond its depth: rows a power of two apart would share one cache set.</summary>
    public const int RowPadding = 16;

    private const int StepsTogether = 8;

    /// <summary>
    /// Packs columns of B as <c>panel[k * width + column]</c>; the sums of the columns that are missing to <paramref name="width"/> are nobody's.
    /// <paramref name="stride"/> is from one k to the next, or with <paramref name="transposed"/> from column to column.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Columns<T>(float* source, nint stride, bool transposed, int columns, int width, nint depth, float* panel) where T : unmanaged, ISimd<T>
    {
        if (columns < width) new Span<float>(panel, checked((int)(depth * width))).Clear(); // stale denormals are slow to multiply
        if (transposed)
        {
            for (int column = 0; column < columns; column += 16) Turn<T>(source + column * stride, stride, Math.Min(16, columns - column), depth, panel + column, width);
            return;
        }
        if (columns == 3 * T.Count)
        {
            for (nint k = depth; k > 0; k--, source += stride, panel += 3 * T.Count)
            {
                T.Store(T.Load(source), panel);
                T.Store(T.Load(source + T.Count), panel + T.Count);
                T.Store(T.Load(source + 2 * T.Count), panel + 2 * T.Count);
            }
            return;
        }
        for (nint k = depth; k > 0; k--, source += stride, panel += width)
        {
            int column = 0;
            for (; column + T.Count <= columns; column += T.Count) T.Store(T.Load(source + column), panel + column);
            // The last register reaches back over what is there already.
            if (column < columns && columns >= T.Count) T.Store(T.Load(source + columns - T.Count), panel + columns - T.Count);
            else for (; column < columns; column++) panel[column] = source[column];
        }
    }

    /// <summary>Copies rows of A, <paramref name="depth"/> + <see cref="RowPadding"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows<T>(float* source, nint stride, int rows, nint depth, float* block) where T : unmanaged, ISimd<T>
    {
        for (int row = 0; row < rows; row++, source += stride, block += depth + RowPadding)
        {
            nint k = 0;
            for (; k + T.Count <= depth; k += T.Count) T.Store(T.Load(source + k), block + k);
            for (; k < depth; k++) block[k] = source[k];
        }
    }

    /// <summary>Copies rows of a transposed A in tiles of <paramref name="height"/>, the last of those that are left: <c>tile[k * height + row]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TransposedRows<T>(float* source, nint stride, int rows, int height, nint depth, float* block) where T : unmanaged, ISimd<T>
    {
        // A few k at a time: their rows stay in the L1 cache even where they are a power of two apart, and a tile is written in runs.
        for (nint begin = 0; begin < depth; begin += StepsTogether)
        {
            nint end = Math.Min(depth, begin + StepsTogether);
            for (int row = 0; row < rows; row += height)
            {
                int count = Math.Min(height, rows - row);
                float* from = source + begin * stride + row, to = block + row * depth + begin * count;
                if (T.Count == 16 && count == 9)
                {
                    for (nint k = begin; k < end; k++, from += stride, to += 9)
                    {
                        Vector256.Load(from).Store(to);
                        to[8] = from[8];
                    }
                }
                else
                {
                    for (nint k = begin; k < end; k++, from += stride, to += count)
                    {
                        int i = 0;
                        for (; i + 4 <= count; i += 4) Vector128.Load(from + i).Store(to + i);
                        for (; i < count; i++) to[i] = from[i];
                    }
                }
            }
        }
    }

    /// <summary>Transposes up to 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn<T>(float* source, nint stride, int columns, nint depth, float* panel, nint width) where T : unmanaged, ISimd<T>
    {
        nint k = 0;
        if (T.Count == 16 && Avx512F.IsSupported && columns > 4)
        {
            nint* offsets = stackalloc nint[16];
            for (int column = 0; column < 16; column++) offsets[column] = Math.Min(column, columns - 1) * stride;
            for (; k + 16 <= depth; k += 16) Transpose512.Turn(source + k, offsets, panel + k * width, width);
        }
        if (T.Count >= 4)
        {
            for (; k + 4 <= depth; k += 4)
            {
                for (int column = 0; column < columns; column += 4) Turn4(source + column * stride + k, stride, Math.Min(4, columns - column), panel + k * width + column, width);
            }
        }
        for (; k < depth; k++)
        {
            for (int column = 0; column < columns; column++) panel[k * width + column] = source[column * stride + k];
        }
    }

    /// <summary>Up to 4 columns of 4 k; a column that is missing is stored as a copy of one that is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn4(float* source, nint stride, int columns, float* panel, nint width)
    {
        Vector128<float> c0 = Vector128.Load(source), c1 = c0, c2 = c0, c3 = c0;
        if (columns > 1) c1 = Vector128.Load(source + stride);
        if (columns > 2) c2 = Vector128.Load(source + 2 * stride);
        if (columns > 3) c3 = Vector128.Load(source + 3 * stride);
        Vector128<float> a = Low(c0, c2), b = High(c0, c2), c = Low(c1, c3), d = High(c1, c3);
        Low(a, c).Store(panel);
        High(a, c).Store(panel + width);
        Low(b, d).Store(panel + 2 * width);
        High(b, d).Store(panel + 3 * width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackLow(left, right) : Vector128.Create(left[0], right[0], left[1], right[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackHigh(left, right) : Vector128.Create(left[2], right[2], left[3], right[3]);
}
