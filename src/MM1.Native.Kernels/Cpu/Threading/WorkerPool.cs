using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>A job that every worker runs once. A struct that holds only unmanaged fields: it lives on the caller's stack.</summary>
internal interface IWorkerJob
{
    void Run(int worker);
}

/// <summary>A job over a range of items, cut into chunks.</summary>
internal interface IRangeJob
{
    void Run(long begin, long end, int worker);
}

/// <summary>
/// Fork-join pool. Worker 0 is the calling thread; the others spin on an epoch counter for a while and then sleep, so that
/// kernels a few microseconds apart start without a system call and an idle process costs nothing.
/// </summary>
/// <remarks>
/// Workers are pinned, each to a CPU of its own. The caller is not (threads that it creates would inherit it): when it finds
/// itself on a worker's CPU it moves to its own and lifts the restriction again. Without that, two threads can share one CPU
/// for seconds while the other idles.
/// </remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeSleep = 8000;
    private const int SpinsBeforeYield = 10000;
    private const int MaximumChunksPerWorker = 8;

    private readonly Worker[] _workers;
    private readonly int[] _cpus;

    /// <summary>More threads than CPUs: whoever spins keeps the one he waits for from running.</summary>
    private readonly bool _crowded;
    private PaddedCounter _epoch;
    private PaddedCounter _running;
    private readonly SharedCounters* _shared;
    private PaddedLong _next;
    private delegate*<int, void*, void> _entry;
    private void* _job;
    private volatile Exception? _failure;
    private volatile bool _stopping;

    public WorkerPool(int threads, bool pin)
    {
        Threads = threads;
        int[] cpus = Affinity.AllowedCpus();
        _crowded = threads > (cpus.Length > 0 ? cpus.Length : Environment.ProcessorCount);
        _cpus = pin && cpus.Length >= threads ? cpus : []; // more threads than CPUs: let the scheduler place them
        _shared = (SharedCounters*)NativeMemory.AlignedAlloc((nuint)sizeof(SharedCounters), 256);
        *_shared = default;
        _workers = new Worker[threads];
        for (int i = 1; i < threads; i++) _workers[i] = new Worker(this, i);
    }

    public int Threads { get; }

    /// <summary>Runs the job once on every worker and returns when all are done. Not reentrant.</summary>
    /// <exception cref="AggregateException">A worker threw; the first exception is inside. The caller's own is thrown as it is.</exception>
    public void Run<TJob>(ref TJob job) where TJob : unmanaged, IWorkerJob
    {
        if (Threads == 1)
        {
            job.Run(0);
            return;
        }
        fixed (TJob* pinned = &job) Fork(&Invoke<TJob>, pinned);
    }

    /// <summary>
    /// Runs the job over [0, items) in chunks of at least <paramref name="grain"/> items, taken by the workers as they
    /// come: nothing that a chunk computes may depend on where chunks begin or on who runs them.
    /// </summary>
    public void For<TJob>(long items, long grain, ref TJob job) where TJob : unmanaged, IRangeJob
    {
        if (items <= 0) return;
        grain = Math.Max(grain, 1);
        if (Threads == 1 || items <= grain)
        {
            fixed (TJob* pinned = &job) Chunk(pinned, 0, items, 0);
            return;
        }
        long chunk = Math.Max(grain, (items + Threads * MaximumChunksPerWorker - 1) / (Threads * MaximumChunksPerWorker));
        fixed (TJob* pinned = &job)
        {
            var range = new Range<TJob> { Job = pinned, Items = items, Chunk = chunk };
            Volatile.Write(ref _next.Value, 0);
            fixed (long* next = &_next.Value)
            {
                range.Next = next;
                Fork(&Invoke<Range<TJob>>, &range);
            }
        }
    }

    /// <summary>Where every worker of a running job can wait for all the others; jobs carry it as a field.</summary>
    public WorkerBarrier Barrier => new(_shared, Threads, _crowded);

    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        for (int i = 1; i < Threads; i++) _workers[i].Wake();
        for (int i = 1; i < Threads; i++) _workers[i].Dispose();
        NativeMemory.AlignedFree(_shared);
    }

    private void Fork(delegate*<int, void*, void> entry, void* job)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (_cpus.Length > 0) Affinity.LeaveCpusOf(_cpus, Threads);
        _entry = entry;
        _job = job;
        _failure = null;
        _shared->Arrivals.Value = 0;
        _shared->Failed.Value = 0;
        _shared->Claims.Value = 0;
        Volatile.Write(ref _running.Value, Threads - 1);
        Interlocked.Increment(ref _epoch.Value);
        for (int i = 1; i < Threads; i++) _workers[i].WakeIfAsleep();
        Exception? own = null;
        try
        {
            entry(0, job);
        }
        catch (Exception exception)
        {
            own = exception;
            Fail(exception);
        }
        int spins = 0;
        while (Volatile.Read(ref _running.Value) != 0)
        {
            if (++spins < SpinsBeforeYield && !_crowded) Thread.SpinWait(2);
            else Thread.Yield();
        }
        if (own is not null) ExceptionDispatchInfo.Throw(own);
        if (_failure is { } failure) throw new AggregateException("A worker thread of the cpu device failed.", failure);
    }

    private void Fail(Exception exception)
    {
        _failure ??= exception;
        Volatile.Write(ref _shared->Failed.Value, 1);
    }

    /// <summary>
    /// A method of its own: inside of its callers the job would share the JIT's budget of inlining with them, and vector functions that no
    /// longer fit become calls (ten times slower).
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Chunk<TJob>(TJob* job, long begin, long end, int worker) where TJob : unmanaged, IRangeJob => job->Run(begin, end, worker);

    private static void Invoke<TJob>(int worker, void* job) where TJob : unmanaged, IWorkerJob => ((TJob*)job)->Run(worker);

    private struct Range<TJob> : IWorkerJob where TJob : unmanaged, IRangeJob
    {
        public TJob* Job;
        public long* Next;
        public long Items;
        public long Chunk;

        public readonly void Run(int worker)
        {
            while (true)
            {
                long begin = Interlocked.Add(ref *Next, Chunk) - Chunk;
                if (begin >= Items) return;
                WorkerPool.Chunk(Job, begin, Math.Min(Items, begin + Chunk), worker);
            }
        }
    }

    /// <summary>One pinned thread.</summary>
    private sealed class Worker : IDisposable
    {
        private readonly WorkerPool _pool;
        private readonly int _index;
        private readonly SemaphoreSlim _semaphore = new(0);
        private readonly Thread _thread;
        private int _asleep;

        public Worker(WorkerPool pool, int index)
        {
            _pool = pool;
            _index = index;
            _thread = new Thread(Loop) { IsBackground = true, Name = $"mm1-cpu-{index}" };
            _thread.Start();
        }

        public void WakeIfAsleep()
        {
            if (Interlocked.Exchange(ref _asleep, 0) == 1) _semaphore.Release();
        }

        public void Wake() => _semaphore.Release();

        /// <summary>Waits for the thread to end.</summary>
        public void Dispose()
        {
            _thread.Join();
            _semaphore.Dispose();
        }

        private void Loop()
        {
            if (_pool._cpus.Length > 0) Affinity.Pin(_pool._cpus[_index]);
            int seen = 0;
            while (Await(seen))
            {
                seen++;
                try
                {
                    _pool._entry(_index, _pool._job);
                }
                catch (Exception exception)
                {
                    _pool.Fail(exception);
                }
                Interlocked.Decrement(ref _pool._running.Value);
            }
        }

        /// <summary>Waits for the next epoch; false when the pool stops.</summary>
        private bool Await(int seen)
        {
            int spins = 0;
            while (Volatile.Read(ref _pool._epoch.Value) == seen)
            {
                if (_pool._stopping) return false;
                if (_pool._crowded) spins = SpinsBeforeSleep;
                else Thread.SpinWait(4);
                if (++spins < SpinsBeforeSleep) continue;
                Volatile.Write(ref _asleep, 1);
                Interlocked.MemoryBarrier(); // the flag before the last look at the epoch: no wake-up is lost
                if (Volatile.Read(ref _pool._epoch.Value) == seen && !_pool._stopping) _semaphore.Wait();
                else if (Interlocked.Exchange(ref _asleep, 0) == 0) _semaphore.Wait();
                spins = 0;
            }
            return true;
        }
    }
}
