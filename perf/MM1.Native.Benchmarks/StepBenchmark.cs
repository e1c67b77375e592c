using System.Diagnostics;
using System.Text.Json;
using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Benchmarks;

/// <summary>
/// A whole training step of a decoder (forward, backward, AdamW) on the cpu device, interleaved with the machine's peak:
/// medians of both. Steps are timed plain; a few more run under the profile for the time by family, and a tiny model on one
/// thread gives the cost of an operation outside its kernel. With another <c>--device</c>: <see cref="NativeStepBenchmark"/>.
/// </summary>
internal static class StepBenchmark
{
    private const int WarmUpSteps = 3, ProfiledSteps = 3;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static int Run(string[] arguments)
    {
        var options = new BenchmarkOptions(
            arguments, ["--json"],
            ["--layers", "--width", "--heads", "--ffn", "--seq", "--batch", "--vocab", "--threads", "--steps", "--device", "--model", "--precision", "--peak-tflops"]);
        DecoderConfig sizes = DecoderConfig.Named(options.Text("--model", "small"));
        var config = new DecoderConfig(
            options.Number("--layers", sizes.Layers), options.Number("--width", sizes.Width), options.Number("--heads", sizes.Heads), options.Number("--ffn", sizes.Hidden),
            options.Number("--seq", sizes.Sequence), options.Number("--batch", sizes.Batch), options.Number("--vocab", sizes.Vocabulary));
        string device = options.Text("--device", "cpu");
        if (device != "cpu") return NativeStepBenchmark.Run(device, config, options);
        if (options.Text("--precision", "float32") != "float32") throw new ArgumentException("Device cpu computes in float32; --precision bfloat16 needs --device cuda:N.");
        if (options.Has("--peak-tflops")) throw new ArgumentException("--peak-tflops is for --device cuda:N; the cpu's peak is measured.");
        int threads = options.Number("--threads", Environment.ProcessorCount), steps = options.Number("--steps", 15);
        bool json = options.Has("--json");
        using var run = new TrainingRun(config, threads);
        var times = new List<double>();
        for (int i = 0; i < WarmUpSteps; i++) run.Step();
        // A shared machine's speed changes from second to second: the peak is taken before every step, on the same threads.
        var peaks = new List<double>();
        for (int i = 0; i < steps; i++)
        {
            peaks.Add(run.Peak());
            times.Add(run.Step());
        }
        peaks.Sort();
        double peak = peaks[peaks.Count / 2];
        long peakBytes = Process.GetCurrentProcess().PeakWorkingSet64;
        times.Sort();
        double median = times[times.Count / 2];
        double gflops = config.FlopsPerStep / median * 1e-9;
        Dictionary<string, double> families = run.Profile(ProfiledSteps, out int operations);
        var result = new
        {
            MsMedian = Round(median * 1e3, 2),
            MsMin = Round(times[0] * 1e3, 2),
            MsMax = Round(times[^1] * 1e3, 2),
            Gflops = Round(gflops, 1),
            PeakGflops = Round(peak, 1),
            PeakGflopsBest = Round(peaks[^1], 1),
            FractionOfPeak = Round(gflops / peak, 3),
            FractionOfPeakBestStep = Round(config.FlopsPerStep / times[0] * 1e-9 / peak, 3),
            TokensPerS = Round(config.Batch * config.Sequence / median, 0),
            PeakRssMib = Round(peakBytes / 1048576.0, 1),
            ArenaPeakMib = Round(run.ArenaPeakBytes / 1048576.0, 1),
            Threads = threads,
            Steps = steps,
            Parameters = run.Parameters,
            GflopPerStep = Round(config.FlopsPerStep * 1e-9, 2),
            KernelsPerStep = operations,
            MsByFamily = families,
            OverheadUsPerOp = Round(OverheadMicroseconds(), 2),
            LossFirst = Round(run.FirstLoss, 4),
            LossLast = Round(run.LastLoss, 4),
            Config = config,
            Machine = BenchmarkMachine.Current,
        };
        if (json) Console.WriteLine(JsonSerializer.Serialize(result, Json));
        else
        {
            Console.WriteLine($"{result.MsMedian} ms a step ({result.MsMin} to {result.MsMax}), {result.Gflops} GFLOP/s, {result.FractionOfPeak:P1} of the peak {result.PeakGflops}, {threads} threads");
            Console.WriteLine($"{result.TokensPerS} tokens/s, peak memory {result.PeakRssMib} MiB, {result.OverheadUsPerOp} us overhead an operation, loss {result.LossFirst} to {result.LossLast}");
            foreach ((string family, double ms) in families) Console.WriteLine($"  {family,-14} {ms,8:F2} ms");
            foreach ((KernelVerb verb, long calls, TimeSpan time) in run.Verbs) Console.WriteLine($"    {verb,-26} {calls / ProfiledSteps,4} {time.TotalMilliseconds / ProfiledSteps,8:F2} ms");
        }
        return 0;
    }

    /// <summary>
    /// Step wall time minus kernel time, over the kernels of a step, on one thread: autograd, arenas, argument checks. Tiny
    /// tensors, so that the clock reads of the profile and the caches disturb little.
    /// </summary>
    private static double OverheadMicroseconds()
    {
        var tiny = new DecoderConfig(Layers: 6, Width: 32, Heads: 2, Hidden: 64, Sequence: 16, Batch: 1, Vocabulary: 64);
        using var run = new TrainingRun(tiny, 1);
        for (int i = 0; i < 2000; i++) run.Step(); // the JIT's last tier
        var plain = new List<double>();
        for (int i = 0; i < 500; i++) plain.Add(run.Step());
        plain.Sort();
        Dictionary<string, double> families = run.Profile(500, out int operations);
        return (plain[plain.Count / 2] * 1e3 - families.Values.Sum()) * 1e3 / operations;
    }

    private static double Round(double value, int digits) => Math.Round(value, digits);

    /// <summary>A model, its optimizer and fixed random data on a device of its own.</summary>
    private sealed class TrainingRun : IDisposable
    {
        private readonly DecoderConfig _config;
        private readonly Device _device;
        private readonly DecoderModel _model;
        private readonly AdamW _optimizer;
        private readonly int[] _tokens, _targets, _positions;

        public TrainingRun(DecoderConfig config, int threads)
        {
            _config = config;
            _device = Device.Parse("cpu", new DeviceOptions { Threads = threads });
            _model = new DecoderModel(config, _device, seed: 1);
            _optimizer = new AdamW(_model.Parameters(), new AdamWOptions { LearningRate = 3e-4f, WeightDecay = 0.1f, MaxGradientNorm = 1 });
            var random = new Random(7);
            int count = config.Batch * config.Sequence;
            _tokens = new int[count];
            _targets = new int[count];
            _positions = new int[count];
            for (int i = 0; i < count; i++)
            {
                _tokens[i] = random.Next(config.Vocabulary);
                _targets[i] = random.Next(config.Vocabulary);
                _positions[i] = i % config.Sequence;
            }
        }

        public double FirstLoss { get; private set; } = double.NaN;
        public double LastLoss { get; private set; }
        public long ArenaPeakBytes { get; private set; }
        public IReadOnlyList<(KernelVerb Verb, long Calls, TimeSpan Time)> Verbs { get; private set; } = [];
        public long Parameters => _model.ParameterCount();

        /// <summary>GFLOP/s of independent multiply-adds on the device's threads, now.</summary>
        public double Peak() => MachinePeak.Measure(((CpuDevice)_device).Pool, 5);

        /// <summary>One step; its time in seconds.</summary>
        public double Step()
        {
            long start = Stopwatch.GetTimestamp();
            using (Arena arena = _device.BeginStep())
            {
                Tensor tokens = Tensor.From(_tokens, [_tokens.Length]), targets = Tensor.From(_targets, [_targets.Length]), positions = Tensor.From(_positions, [_positions.Length]);
                Tensor loss = Loss.CrossEntropy(_model.Forward(tokens, positions), targets);
                loss.Backward();
                _optimizer.Step();
                LastLoss = loss.Item();
                ArenaPeakBytes = arena.PeakBytes;
            }
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (double.IsNaN(FirstLoss)) FirstLoss = LastLoss;
            return seconds;
        }

        /// <summary>Milliseconds of a step by kernel family, the mean of some profiled steps.</summary>
        public Dictionary<string, double> Profile(int steps, out int kernelsPerStep)
        {
            using KernelProfile profile = _device.StartProfile();
            for (int i = 0; i < steps; i++) Step();
            kernelsPerStep = (int)(profile.Calls / steps);
            Verbs = profile.ByVerb();
            return profile.ByFamily().ToDictionary(row => row.Family, row => Math.Round(row.Time.TotalMilliseconds / steps, 4));
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            _model.Dispose();
            _device.Dispose();
        }
    }
}
