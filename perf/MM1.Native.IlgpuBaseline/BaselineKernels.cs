using ILGPU;
using ILGPU.Algorithms;

namespace MM1.Native.IlgpuBaseline;

/// <summary>What C# alone can say to a GPU: kernels as one writes them first, and with tiles in shared memory. All float32, row-major.</summary>
internal static class BaselineKernels
{
    /// <summary>Rows and columns of a tile; a group has Tile x Tile threads.</summary>
    public const int Tile = 16;

    /// <summary>Threads of a group of <see cref="Softmax"/>: a power of two.</summary>
    public const int SoftmaxThreads = 256;

    /// <summary>output [m, n] = a [m, k] b [k, n], a thread for each element.</summary>
    public static void NaiveGemm(ArrayView<float> a, ArrayView<float> b, ArrayView<float> output, int m, int n, int k)
    {
        int column = Grid.IdxX * Tile + Group.IdxX, row = Grid.IdxY * Tile + Group.IdxY;
        if (row >= m || column >= n) return;
        float sum = 0;
        for (int i = 0; i < k; i++) sum += a[(long)row * k + i] * b[(long)i * n + column];
        output[(long)row * n + column] = sum;
    }

    /// <summary>The same with tiles of both operands in shared memory.</summary>
    public static void TiledGemm(ArrayView<float> a, ArrayView<float> b, ArrayView<float> output, int m, int n, int k)
    {
        ArrayView<float> tileA = SharedMemory.Allocate<float>(Tile * Tile), tileB = SharedMemory.Allocate<float>(Tile * Tile);
        int x = Group.IdxX, y = Group.IdxY, column = Grid.IdxX * Tile + x, row = Grid.IdxY * Tile + y;
        float sum = 0;
        for (int first = 0; first < k; first += Tile)
        {
            tileA[y * Tile + x] = row < m && first + x < k ? a[(long)row * k + first + x] : 0;
            tileB[y * Tile + x] = column < n && first + y < k ? b[(long)(first + y) * n + column] : 0;
            Group.Barrier();
            for (int i = 0; i < Tile; i++) sum += tileA[y * Tile + i] * tileB[i * Tile + x];
            Group.Barrier();
        }
        if (row < m && column < n) output[(long)row * n + column] = sum;
    }

    /// <summary>output [rows, columns] = softmax of each row of x, a group for each row.</summary>
    public static void Softmax(ArrayView<float> x, ArrayView<float> output, int columns)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(SoftmaxThreads);
        int thread = Group.IdxX;
        long start = (long)Grid.IdxX * columns;
        float largest = float.NegativeInfinity;
        for (int i = thread; i < columns; i += SoftmaxThreads) largest = XMath.Max(largest, x[start + i]);
        shared[thread] = largest;
        Group.Barrier();
        for (int half = SoftmaxThreads / 2; half > 0; half /= 2)
        {
            if (thread < half) shared[thread] = XMath.Max(shared[thread], shared[thread + half]);
            Group.Barrier();
        }
        largest = shared[0];
        Group.Barrier();
        float sum = 0;
        for (int i = thread; i < columns; i += SoftmaxThreads) sum += XMath.Exp(x[start + i] - largest);
        shared[thread] = sum;
        Group.Barrier();
        for (int half = SoftmaxThreads / 2; half > 0; half /= 2)
        {
            if (thread < half) shared[thread] += shared[thread + half];
            Group.Barrier();
        }
        float inverse = 1 / shared[0];
        for (int i = thread; i < columns; i += SoftmaxThreads) output[start + i] = XMath.Exp(x[start + i] - largest) * inverse;
    }
}
