using MM1.Native.Kernels.Cpu;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed unsafe class WorkerPoolTests
{
    private struct CountJob : IWorkerJob
    {
        public int* Counts;
        public readonly void Run(int worker) => Counts[worker]++;
    }

    private struct MarkJob : IRangeJob
    {
        public int* Marks;
        public readonly void Run(long begin, long end, int worker)
        {
            for (long i = begin; i < end; i++) Interlocked.Increment(ref Marks[i]);
        }
    }

    private struct FailingJob : IWorkerJob
    {
        public int Who;
        public readonly void Run(int worker)
        {
            if (worker == Who) throw new InvalidDataException("broken");
        }
    }

    [Theory, InlineData(1), InlineData(2), InlineData(5)]
    public void EveryWorkerRunsEveryJobOnce(int threads)
    {
        using var pool = new WorkerPool(threads, pin: true);
        var counts = stackalloc int[threads];
        var job = new CountJob { Counts = counts };
        for (int i = 0; i < 1000; i++) pool.Run(ref job);
        for (int i = 0; i < threads; i++) Assert.Equal(1000, counts[i]);
    }

    [Theory, InlineData(1, 100, 7), InlineData(3, 1000, 1), InlineData(3, 5, 100), InlineData(2, 0, 1)]
    public void RangesCoverEveryItemOnce(int threads, int items, int grain)
    {
        using var pool = new WorkerPool(threads, pin: false);
        var marks = new int[items + 1];
        fixed (int* pointer = marks)
        {
            var job = new MarkJob { Marks = pointer };
            pool.For(items, grain, ref job);
        }
        Assert.All(marks[..items], mark => Assert.Equal(1, mark));
        Assert.Equal(0, marks[items]);
    }

    [Theory, InlineData(0), InlineData(1)]
    public void AFailureReachesTheCallerAndThePoolGoesOn(int who)
    {
        using var pool = new WorkerPool(2, pin: false);
        var job = new FailingJob { Who = who };
        Exception exception = Assert.ThrowsAny<Exception>(() => pool.Run(ref job));
        Assert.IsType<InvalidDataException>(exception is AggregateException ? exception.InnerException : exception);
        job.Who = -1;
        pool.Run(ref job);
    }

    [Fact]
    public void SleepingWorkersWakeUp()
    {
        using var pool = new WorkerPool(2, pin: false);
        var counts = stackalloc int[2];
        var job = new CountJob { Counts = counts };
        for (int i = 0; i < 3; i++)
        {
            pool.Run(ref job);
            Thread.Sleep(60); // far longer than a worker spins
        }
        Assert.Equal(3, counts[1]);
    }
}
