using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using MM1.Native.Kernels.Cpu;

namespace MM1.Native.Benchmarks;

/// <summary>The most float32 work that this machine does: independent fused multiply-adds in registers, one thread per CPU, pinned.</summary>
internal static unsafe class MachinePeak
{
    private const int Chains = 12;
    private const int Steps = 200_000;

    /// <summary>GFLOP/s of that many threads: the best of some runs of half a millisecond.</summary>
    public static double Measure(int threads, int runs = 30)
    {
        using var pool = new WorkerPool(threads, pin: true);
        return Measure(pool, runs);
    }

    /// <summary>The same on the threads of a device, to be interleaved with its work: no second set of threads spins beside them.</summary>
    public static double Measure(WorkerPool pool, int runs)
    {
        int threads = pool.Threads;
        var job = new Job();
        double best = double.MaxValue;
        for (int run = 0; run < runs; run++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.Run(ref job);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2.0 * Lanes * Chains * Steps * threads / best * 1e-9;
    }

    private static int Lanes => Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : 4;

    private struct Job : IWorkerJob
    {
        public readonly void Run(int worker)
        {
            float result = Vector512.IsHardwareAccelerated ? Loop<Simd512>() : Vector256.IsHardwareAccelerated ? Loop<Simd256>() : Loop<Simd128>();
            if (float.IsNaN(result)) throw new InvalidOperationException("The sums must stay finite.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Loop<T>() where T : unmanaged, ISimd<T>
    {
        T x = T.Create(0.5f), y = T.Create(1f);
        T c0 = y, c1 = y, c2 = y, c3 = y, c4 = y, c5 = y, c6 = y, c7 = y, c8 = y, c9 = y, ca = y, cb = y;
        for (int step = 0; step < Steps; step++)
        {
            c0 = T.MultiplyAdd(c0, x, y);
            c1 = T.MultiplyAdd(c1, x, y);
            c2 = T.MultiplyAdd(c2, x, y);
            c3 = T.MultiplyAdd(c3, x, y);
            c4 = T.MultiplyAdd(c4, x, y);
            c5 = T.MultiplyAdd(c5, x, y);
            c6 = T.MultiplyAdd(c6, x, y);
            c7 = T.MultiplyAdd(c7, x, y);
            c8 = T.MultiplyAdd(c8, x, y);
            c9 = T.MultiplyAdd(c9, x, y);
            ca = T.MultiplyAdd(ca, x, y);
            cb = T.MultiplyAdd(cb, x, y);
        }
        return T.Sum(c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + ca + cb);
    }
}
