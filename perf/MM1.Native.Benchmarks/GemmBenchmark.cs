using System.Diagnostics;
using System.Text.Json;
using MM1.Native.Kernels;
using MM1.Native.Kernels.Cpu;

namespace MM1.Native.Benchmarks;

/// <summary>Matrix products on the cpu device beside OpenBLAS, interleaved in one process, as medians of rounds.</summary>
internal static unsafe class GemmBenchmark
{
    private const double RoundSeconds = 0.008, WarmUpSeconds = 0.002;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private sealed record Shape(string Group, int M, int N, int K, string Op, float Beta = 0);

    public sealed record Result(string Group, int M, int N, int K, string Op, float Beta, double Gflops, double? OpenblasGflops, double PeakGflops, int Threads);

    public static int Run(string[] arguments)
    {
        var options = new BenchmarkOptions(arguments, ["--json"], ["--threads", "--rounds", "--only"]);
        bool json = options.Has("--json");
        int threads = options.Number("--threads", BenchmarkMachine.Current.Cpus);
        int rounds = options.Number("--rounds", 15);
        string only = options.Text("--only", "");
        double peak = MachinePeak.Measure(threads);
        OpenBlas? peer = OpenBlas.TryOpen(threads);
        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = threads, PinThreads = true });
        if (Affinity.AllowedCpus() is { Length: > 0 } cpus) Affinity.Pin(cpus[0]);
        Console.WriteLine(JsonSerializer.Serialize(new { Machine = BenchmarkMachine.Current, Openblas = peer?.Version, PeakGflops = Math.Round(peak, 1), Threads = threads, Rounds = rounds }, Json));
        var results = new List<Result>();
        foreach (Shape shape in Shapes())
        {
            if (!$"{shape.Group} {shape.M}x{shape.N}x{shape.K} {shape.Op}".Contains(only, StringComparison.Ordinal)) continue;
            Result result = Measure(device, peer, shape, rounds, peak, threads);
            results.Add(result);
            if (json) Console.WriteLine(JsonSerializer.Serialize(result, Json));
            else Console.WriteLine($"{result.Group,-9} {result.M,5} {result.N,5} {result.K,5} {result.Op}{(result.Beta == 0 ? "  " : "+=")} {result.Gflops,7:F1} GFLOP/s, {result.Gflops / peak,4:P0} of peak, {result.Gflops / result.OpenblasGflops:F2} x OpenBLAS's {result.OpenblasGflops:F1}");
        }
        if (peer is not null && !json)
        {
            foreach (IGrouping<string, Result> group in results.GroupBy(result => result.Group))
            {
                double[] ratios = [.. group.Select(result => result.Gflops / result.OpenblasGflops!.Value)];
                Console.WriteLine($"{group.Key}: geometric mean {Math.Exp(ratios.Average(Math.Log)):F3} x OpenBLAS, {ratios.Min():F2} to {ratios.Max():F2}");
            }
        }
        return 0;
    }

    private static IEnumerable<Shape> Shapes()
    {
        string[] layouts = ["NN", "NT", "TN"];
        int[] extents = [256, 512, 1024];
        foreach (int n in extents)
        {
            foreach (int k in extents)
            {
                foreach (string op in layouts) yield return new Shape("grid", 2048, n, k, op);
            }
        }
        foreach (string op in layouts) yield return new Shape("grid", 4096, 4096, 1024, op);
        // A training step's layers of width 256 on 2048 tokens: y = x W^T, dx = dy W, dW += dy^T x.
        foreach ((int n, int k) in new[] { (768, 256), (256, 256), (1408, 256), (256, 704), (512, 256) })
        {
            yield return new Shape("step", 2048, n, k, "NT");
            yield return new Shape("step", 2048, k, n, "NN");
            yield return new Shape("step", n, k, 2048, "TN", 1);
        }
        foreach (int size in new[] { 32, 64, 96, 128 })
        {
            foreach (string op in layouts) yield return new Shape("small", size, size, size, op);
        }
        foreach (int rows in new[] { 1, 4, 16 })
        {
            yield return new Shape("skinny", rows, 1024, 1024, "NT");
            yield return new Shape("skinny", rows, 1024, 1024, "NN");
        }
    }

    private static Result Measure(Device device, OpenBlas? peer, Shape shape, int rounds, double peak, int threads)
    {
        (int m, int n, int k) = (shape.M, shape.N, shape.K);
        bool turnA = shape.Op[0] == 'T', turnB = shape.Op[1] == 'T';
        using DeviceMemory a = Normal(device, 1, (long)m * k), b = Normal(device, 2, (long)k * n), c = Normal(device, 3, (long)m * n);
        int strideA = turnA ? m : k, strideB = turnB ? k : n;
        var args = new GemmArgs
        {
            TransposeA = turnA ? Transpose.Transposed : Transpose.None,
            TransposeB = turnB ? Transpose.Transposed : Transpose.None,
            M = m,
            N = n,
            K = k,
            Beta = shape.Beta,
            A = new Operand(a.Address, DType.Float32, strideA),
            B = new Operand(b.Address, DType.Float32, strideB),
            Output = new Operand(c.Address, DType.Float32, n),
        };
        IKernels kernels = device.Kernels;
        double work = 2.0 * m * n * k;
        int calls = 1;
        double[] ours = new double[rounds], theirs = new double[rounds];
        for (int round = -1; round < rounds; round++) // the first warms up and finds how many calls fill a round
        {
            double seconds = Time(() => kernels.Gemm(default, in args), ref calls, round < 0);
            double other = peer is null ? double.NaN : Time(
                () => OpenBlas.Multiply(turnA, turnB, m, n, k, (float*)a.Address, strideA, (float*)b.Address, strideB, shape.Beta, (float*)c.Address, n), ref calls, false);
            if (round < 0) continue;
            ours[round] = work / seconds * 1e-9;
            theirs[round] = work / other * 1e-9;
        }
        return new Result(shape.Group, m, n, k, shape.Op, shape.Beta, Math.Round(Median(ours), 2), peer is null ? null : Math.Round(Median(theirs), 2), Math.Round(peak, 1), threads);
    }

    /// <summary>Seconds per call over some calls, after some that wake its threads and fill the caches.</summary>
    private static double Time(Action action, ref int calls, bool calibrate)
    {
        Thread.Sleep(3); // the other contender's threads go to sleep
        long begin = Stopwatch.GetTimestamp();
        do action();
        while (Stopwatch.GetElapsedTime(begin).TotalSeconds < WarmUpSeconds);
        while (true)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++) action();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (!calibrate || seconds >= RoundSeconds) return seconds / calls;
            calls = (int)Math.Clamp(calls * 1.2 * RoundSeconds / seconds, calls + 1, calls * 100.0);
        }
    }

    private static DeviceMemory Normal(Device device, int seed, long count)
    {
        DeviceMemory memory = device.Allocate(count * sizeof(float));
        var random = new Random(seed);
        var values = new Span<float>((void*)memory.Address, (int)count);
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return memory;
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values.Length % 2 == 1 ? values[values.Length / 2] : (values[values.Length / 2 - 1] + values[values.Length / 2]) / 2;
    }
}
