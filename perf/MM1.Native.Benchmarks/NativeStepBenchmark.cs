using System.Diagnostics;
using System.Text.Json;
using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Benchmarks;

/// <summary>
/// The decoder's training step (forward, backward, clipping, AdamW) on a native device, eager and captured into a graph: one result each, with the
/// fields that perf/gpu/torch_step.py prints for PyTorch. A step ends when its loss has come to the host.
/// </summary>
internal static class NativeStepBenchmark
{
    private const int WarmUpSteps = 5; // a captured step is recorded in its third run

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static int Run(string deviceName, DecoderConfig config, BenchmarkOptions options)
    {
        if (options.Has("--threads")) throw new ArgumentException("--threads is for --device cpu.");
        Precision precision = options.Text("--precision", "bfloat16") switch
        {
            "bfloat16" => Precision.BFloat16,
            "float32" => Precision.Float32,
            var other => throw new ArgumentException($"--precision is '{other}'; it is bfloat16 or float32."),
        };
        int steps = options.Number("--steps", 15);
        DevicePeak? peak = null;
        foreach (string mode in new[] { "eager", "captured" })
        {
            // A device of its own for each, so that memory is counted from nothing.
            Device device;
            try
            {
                device = Device.Parse(deviceName);
            }
            catch (DeviceUnavailableException exception)
            {
                Console.Error.WriteLine(exception.Message);
                return 3;
            }
            using (device)
            {
                if (device is not CudaDevice native) throw new ArgumentException($"Device {deviceName} is not native; leave --device away for the cpu.");
                peak ??= DevicePeak.Of(native, precision.ComputeDType(device), options.Text("--peak-tflops", ""));
                Measure(native, config, precision, mode, steps, peak, options.Has("--json"));
            }
        }
        return 0;
    }

    private static void Measure(CudaDevice device, DecoderConfig config, Precision precision, string mode, int steps, DevicePeak peak, bool json)
    {
        long free = device.FreeMemory();
        using var run = new TrainingRun(device, config, precision, mode == "captured");
        for (int i = 0; i < WarmUpSteps; i++) run.Step();
        var times = new List<double>();
        for (int i = 0; i < steps; i++) times.Add(run.Step());
        times.Sort();
        double median = times[steps / 2], tflops = config.FlopsPerStep / median * 1e-12;
        var result = new
        {
            Engine = "MM1.Native",
            Mode = mode,
            MsMedian = Math.Round(median * 1e3, 3),
            MsMin = Math.Round(times[0] * 1e3, 3),
            MsMax = Math.Round(times[^1] * 1e3, 3),
            TokensPerS = Math.Round(config.Batch * config.Sequence / median, 1),
            Tflops = Significant(tflops),
            Mfu = Significant(tflops / peak.Tflops),
            PeakTflops = Significant(peak.Tflops),
            PeakSource = peak.Source,
            // Arenas keep what they took, so the least free memory is that of now.
            PeakMemoryMib = Math.Round((free - device.FreeMemory()) / 1048576.0, 1),
            Precision = precision.ComputeDType(device) == DType.BFloat16 ? "bfloat16" : "float32",
            Steps = steps,
            Parameters = run.Parameters,
            GflopPerStep = Math.Round(config.FlopsPerStep * 1e-9, 3),
            RecordedOperations = run.RecordedSize,
            LossFirst = Math.Round(run.FirstLoss, 4),
            LossLast = Math.Round(run.LastLoss, 4),
            Config = config,
            Device = device.Properties.Name,
            Driver = device.Properties.DriverVersion,
            Machine = BenchmarkMachine.Current,
        };
        if (json) Console.WriteLine(JsonSerializer.Serialize(result, Json));
        else
        {
            Console.WriteLine(
                $"{mode,-9} {result.MsMedian} ms a step ({result.MsMin} to {result.MsMax}), {result.TokensPerS} tokens/s, {result.Tflops} TFLOP/s, MFU {result.Mfu:P1} of {result.PeakTflops} ({result.PeakSource})");
            Console.WriteLine($"          {result.Precision}, peak memory {result.PeakMemoryMib} MiB, loss {result.LossFirst} to {result.LossLast}, {result.Device}");
        }
    }

    private static double Significant(double value) => double.Parse(value.ToString("G4", System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A model, its optimizer and fixed random data.</summary>
    private sealed class TrainingRun : IDisposable
    {
        private readonly DecoderModel _model;
        private readonly AdamW _optimizer;
        private readonly Arena _session;
        private readonly CapturedStep? _captured;
        private readonly Device _device;
        private readonly Tensor _tokens, _targets, _positions;
        private readonly int _count;

        public TrainingRun(Device device, DecoderConfig config, Precision precision, bool captured)
        {
            _device = device;
            _model = new DecoderModel(config, device, seed: 1, precision.Shadow(device));
            _optimizer = new AdamW(_model.Parameters(), new AdamWOptions { LearningRate = 3e-4f, WeightDecay = 0.1f, MaxGradientNorm = 1 });
            _session = device.BeginSession();
            _count = config.Batch * config.Sequence;
            var random = new Random(7);
            int[] tokens = new int[_count], targets = new int[_count], positions = new int[_count];
            for (int i = 0; i < _count; i++) (tokens[i], targets[i], positions[i]) = (random.Next(config.Vocabulary), random.Next(config.Vocabulary), i % config.Sequence);
            (_tokens, _targets, _positions) = (Tensor.From(tokens, [_count]), Tensor.From(targets, [_count]), Tensor.From(positions, [_count]));
            if (captured) _captured = new CapturedStep(_optimizer, () => [Loss()]);
        }

        public double FirstLoss { get; private set; } = double.NaN;
        public double LastLoss { get; private set; }
        public long Parameters => _model.ParameterCount();
        public long RecordedSize => _captured?.RecordedSize ?? 0;

        /// <summary>One step; its time in seconds.</summary>
        public double Step()
        {
            long start = Stopwatch.GetTimestamp();
            if (_captured is not null)
            {
                _captured.Run(_count);
                LastLoss = _captured.Outputs[0].Item();
            }
            else
            {
                using Arena arena = _device.BeginStep(_count);
                Tensor loss = Loss();
                _optimizer.Step();
                LastLoss = loss.Item();
            }
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (double.IsNaN(FirstLoss)) FirstLoss = LastLoss;
            return seconds;
        }

        private Tensor Loss()
        {
            Tensor loss = _model.Loss(_tokens, _positions, _targets).Keep();
            loss.Backward();
            return loss;
        }

        public void Dispose()
        {
            _captured?.Dispose();
            _session.Dispose();
            _optimizer.Dispose();
            _model.Dispose();
        }
    }
}
