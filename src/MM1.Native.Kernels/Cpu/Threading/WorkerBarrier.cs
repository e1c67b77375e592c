namespace MM1.Native.Kernels.Cpu;

/// <summary>What the workers of a job share outside of the managed heap, so that a job, an unmanaged struct, can point at it.</summary>
internal struct SharedCounters
{
    public PaddedCounter Arrivals;
    public PaddedCounter Failed;
    public PaddedCounter Claims;
}

/// <summary>Every worker of a job waits here for all the others: <see cref="WorkerPool.Barrier"/>.</summary>
internal readonly unsafe struct WorkerBarrier(SharedCounters* shared, int threads, bool crowded)
{
    private const int SpinsBeforeYield = 2000;

    private readonly SharedCounters* _shared = shared;
    private readonly int _threads = threads;
    private readonly bool _crowded = crowded;

    /// <summary>The next number, from 0 in each job; every number goes to one worker.</summary>
    public int Claim() => Interlocked.Increment(ref _shared->Claims.Value) - 1;

    /// <summary>Returns when all workers of the pool have come here as often as this one.</summary>
    /// <exception cref="InvalidOperationException">Another worker failed, so that it will not come.</exception>
    public void Wait()
    {
        if (_threads == 1) return;
        int arrival = Interlocked.Increment(ref _shared->Arrivals.Value);
        int target = (arrival + _threads - 1) / _threads * _threads;
        int spins = 0;
        while (Volatile.Read(ref _shared->Arrivals.Value) - target < 0)
        {
            if (Volatile.Read(ref _shared->Failed.Value) != 0) throw new InvalidOperationException("Another worker failed before the barrier.");
            if (++spins < SpinsBeforeYield && !_crowded) Thread.SpinWait(1);
            else Thread.Yield();
        }
    }
}
