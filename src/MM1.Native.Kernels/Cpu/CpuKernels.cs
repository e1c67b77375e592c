namespace MM1.Native.Kernels.Cpu;

/// <summary>The contract on the CPU: float32 arithmetic in SIMD, one folder per family, threads from one pool.</summary>
internal sealed partial class CpuKernels(WorkerPool pool) : IKernels, IDisposable
{
    private readonly WorkerPool _pool = pool;

    public void Dispose()
    {
        _gemmScratch.Dispose();
    }
}
