using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Transposes matrices of blocks of equal bytes in square tiles that fit the first-level cache. An item is one stripe of
/// <see cref="Tile"/> columns of one matrix: a stripe of consecutive output rows.
/// </summary>
internal unsafe struct TransposeJob : IRangeJob
{
    private const long Tile = 32;

    public byte* X;
    public byte* Output;
    public long Rows;
    public long Columns;
    public long BlockBytes;
    public long RowBytesX;
    public long RowBytesOutput;
    public long StripesPerMatrix;

    public static void Run(WorkerPool pool, in TransposeBlocksArgs args)
    {
        int size = args.X.DType.Size();
        long blockBytes = args.Inner * size;
        if (args.Batch == 0 || args.Rows == 0 || args.Columns == 0 || blockBytes == 0) return;
        var job = new TransposeJob
        {
            X = (byte*)args.X.Data,
            Output = (byte*)args.Output.Data,
            Rows = args.Rows,
            Columns = args.Columns,
            BlockBytes = blockBytes,
            RowBytesX = args.X.RowStride * size,
            RowBytesOutput = args.Output.RowStride * size,
            StripesPerMatrix = (args.Columns + Tile - 1) / Tile,
        };
        long grain = Math.Max(1, 2 * LinePlan.LightGrain / (args.Rows * Math.Min(args.Columns, Tile) * blockBytes));
        pool.For(args.Batch * job.StripesPerMatrix, grain, ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        for (long item = begin; item < end; item++)
        {
            long matrix = item / StripesPerMatrix, column = (item - matrix * StripesPerMatrix) * Tile;
            long columns = Math.Min(Tile, Columns - column);
            byte* x = X + matrix * Rows * RowBytesX + column * BlockBytes, output = Output + (matrix * Columns + column) * RowBytesOutput;
            for (long row = 0; row < Rows; row += Tile)
            {
                long rows = Math.Min(Tile, Rows - row);
                byte* source = x + row * RowBytesX, target = output + row * BlockBytes;
                switch (BlockBytes)
                {
                    case 1: Elements<byte>(source, target, rows, columns); break;
                    case 2: Elements<ushort>(source, target, rows, columns); break;
                    case 4: Words(source, target, rows, columns); break;
                    case 8: Elements<ulong>(source, target, rows, columns); break;
                    default: Blocks(source, target, rows, columns); break;
                }
            }
        }
    }

    private readonly void Elements<T>(byte* x, byte* output, long rows, long columns) where T : unmanaged
    {
        for (long column = 0; column < columns; column++)
        {
            byte* source = x + column * sizeof(T);
            var target = (T*)(output + column * RowBytesOutput);
            for (long row = 0; row < rows; row++) target[row] = *(T*)(source + row * RowBytesX);
        }
    }

    private readonly void Blocks(byte* x, byte* output, long rows, long columns)
    {
        for (long column = 0; column < columns; column++)
        {
            byte* source = x + column * BlockBytes, target = output + column * RowBytesOutput;
            for (long row = 0; row < rows; row++) Buffer.MemoryCopy(source + row * RowBytesX, target + row * BlockBytes, BlockBytes, BlockBytes);
        }
    }

    /// <summary>4-byte elements, 8 x 8 of them in registers at a time.</summary>
    private readonly void Words(byte* x, byte* output, long rows, long columns)
    {
        long wholeRows = Avx.IsSupported ? rows & ~7L : 0, wholeColumns = Avx.IsSupported ? columns & ~7L : 0;
        for (long column = 0; column < wholeColumns; column += 8)
        {
            for (long row = 0; row < wholeRows; row += 8)
                Words8x8(x + row * RowBytesX + column * sizeof(float), RowBytesX, output + column * RowBytesOutput + row * sizeof(float), RowBytesOutput);
        }
        Elements<uint>(x + wholeRows * RowBytesX, output + wholeRows * sizeof(uint), rows - wholeRows, wholeColumns);
        Elements<uint>(x + wholeColumns * sizeof(uint), output + wholeColumns * RowBytesOutput, rows, columns - wholeColumns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Words8x8(byte* x, long rowBytesX, byte* output, long rowBytesOutput)
    {
        // 4 x 4 blocks land in their place by the loads (row r beside row r + 4); the rest stays inside 128-bit lanes.
        Vector256<float> r0 = Pair(x, x + 4 * rowBytesX), r1 = Pair(x + rowBytesX, x + 5 * rowBytesX);
        Vector256<float> r2 = Pair(x + 2 * rowBytesX, x + 6 * rowBytesX), r3 = Pair(x + 3 * rowBytesX, x + 7 * rowBytesX);
        Quarter(r0, r1, r2, r3, output, rowBytesOutput);
        x += 16;
        r0 = Pair(x, x + 4 * rowBytesX);
        r1 = Pair(x + rowBytesX, x + 5 * rowBytesX);
        r2 = Pair(x + 2 * rowBytesX, x + 6 * rowBytesX);
        r3 = Pair(x + 3 * rowBytesX, x + 7 * rowBytesX);
        Quarter(r0, r1, r2, r3, output + 4 * rowBytesOutput, rowBytesOutput);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Pair(byte* lower, byte* upper) => Vector256.Create(Vector128.Load((float*)lower), Vector128.Load((float*)upper));

    /// <summary>Four input columns of eight rows become four output rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3, byte* output, long rowBytes)
    {
        Vector256<float> a = Avx.UnpackLow(r0, r1), b = Avx.UnpackHigh(r0, r1), c = Avx.UnpackLow(r2, r3), d = Avx.UnpackHigh(r2, r3);
        Avx.Shuffle(a, c, 0x44).Store((float*)output);
        Avx.Shuffle(a, c, 0xEE).Store((float*)(output + rowBytes));
        Avx.Shuffle(b, d, 0x44).Store((float*)(output + 2 * rowBytes));
        Avx.Shuffle(b, d, 0xEE).Store((float*)(output + 3 * rowBytes));
    }
}
