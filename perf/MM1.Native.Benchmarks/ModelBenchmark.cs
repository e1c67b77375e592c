using System.Diagnostics;
using System.Text.Json;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Benchmarks;

/// <summary>
/// A whole training step of an MM1 preset (images, connector, decoder, AdamW) on batches of the synthetic world, made beforehand: the
/// median time, the processors' time, and a few profiled steps by verb.
/// </summary>
internal static class ModelBenchmark
{
    private const int Batches = 4;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static int Run(string[] arguments)
    {
        var options = new BenchmarkOptions(arguments, ["--json"], ["--preset", "--sequences", "--length", "--threads", "--steps"]);
        int threads = options.Number("--threads", Environment.ProcessorCount), steps = options.Number("--steps", 40);
        Mm1Config config = Mm1Presets.Get(options.Text("--preset", "tiny"));
        WordTokenizer tokenizer = WorldWords.CreateTokenizer();
        config = config with { Decoder = config.Decoder with { Vocabulary = tokenizer.VocabularySize } };
        int size = config.Vision.ImageSize;
        var world = new SyntheticWorld(new SyntheticWorldOptions { ImageSize = size });
        var packing = new PackingOptions
        {
            Sequences = options.Number("--sequences", 8),
            Length = options.Number("--length", (int)Math.Min(512, config.Decoder.MaxPositions)),
            ImageTokens = config.Connector.Tokens,
            ImageSize = size,
            Workers = 0,
        };
        MixtureSource[] mixture = [new(world.Captions, 0.45), new(world.Interleaved, 0.45), new(world.Text, 0.1)];
        using var loader = new BatchLoader(mixture, tokenizer, packing);
        PackedBatch[] batches = [.. Enumerable.Range(0, Batches).Select(_ => loader.Next())];

        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = threads });
        using var model = new Mm1Model(config);
        model.Build(device, 1);
        using var optimizer = new AdamW(model.Parameters(), new AdamWOptions { LearningRate = 1e-3f, WeightDecay = 0.1f, MaxGradientNorm = 1 });
        int taken = 0;
        for (int i = 0; i < 3 * Batches; i++) Step();
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        double[] times = [.. Enumerable.Range(0, steps).Select(_ => Step())];
        processor = Environment.CpuUsage.TotalTime - processor;
        Array.Sort(times);
        using KernelProfile profile = device.StartProfile();
        int profiled = 2 * Batches;
        for (int i = 0; i < profiled; i++) Step();
        var result = new
        {
            MsMedian = Math.Round(times[times.Length / 2] * 1e3, 2),
            MsMean = Math.Round(times.Average() * 1e3, 2),
            MsOfProcessors = Math.Round(processor.TotalMilliseconds / steps, 2),
            MsMin = Math.Round(times[0] * 1e3, 2),
            TokensPerS = Math.Round(packing.Sequences * packing.Length / times[times.Length / 2]),
            Images = batches.Average(batch => batch.PaddedImageCount),
            Documents = batches.Average(batch => batch.DocumentCount),
            Targets = batches.Average(batch => batch.TargetCount),
            Parameters = model.ParameterCount(),
            Threads = threads,
            KernelsPerStep = profile.Calls / profiled,
            MsOfKernels = Math.Round(profile.Time.TotalMilliseconds / profiled, 2),
            Machine = BenchmarkMachine.Current,
        };
        if (options.Has("--json")) Console.WriteLine(JsonSerializer.Serialize(result, Json));
        else
        {
            Console.WriteLine($"{result.MsMedian} ms a step (least {result.MsMin}, mean {result.MsMean}; {result.MsOfProcessors} ms of processors), {result.TokensPerS} tokens/s, {result.Images:F0} images, {result.Documents:F0} documents, {result.Targets:F0} targets, {result.Parameters} parameters, {threads} threads");
            Console.WriteLine($"profiled: {result.MsOfKernels} ms in {result.KernelsPerStep} kernels");
            foreach ((KernelVerb verb, long calls, TimeSpan time) in profile.ByVerb()) Console.WriteLine($"    {verb,-30} {calls / (double)profiled,6:F1} {time.TotalMilliseconds / profiled,8:F2} ms");
        }
        return 0;

        double Step()
        {
            PackedBatch packed = batches[taken++ % Batches];
            long start = Stopwatch.GetTimestamp();
            using (device.BeginStep())
            {
                var batch = Mm1Batch.From(packed.TokenIds.Span, packed.Positions.Span, packed.Targets.Span, packed.Placement.Span, packed.CuSeqlens.Span, packed.LongestDocument, packed.Images.Span, size);
                Tensor loss = model.Loss(batch);
                loss.Backward();
                optimizer.Step();
                loss.Item();
            }
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
