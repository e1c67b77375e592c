using MM1.Native.Inference;
using MM1.Native.Training;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>What a person sees of a run, to the letter, with a clock of the test.</summary>
public sealed class ConsoleSinkTests
{
    [Fact]
    public void PipedEveryLoggedStepIsOneWholeLine()
    {
        using var output = new StringWriter();
        using (var sink = new ConsoleSink(new Terminal(output, output, interactive: false, width: 200), new FakeClock(), peakGigaflops: 200))
        {
            sink.Handle(Started(1000));
            sink.Handle(Pretraining(8, logged: false));
            sink.Handle(Pretraining(9, logged: true));
            sink.Handle(Step(7, logged: false));
            sink.Handle(Step(10, logged: true));
            sink.Handle(new StepSkipped(11, SkipCause.LossSpike, "loss 9.0 is 8.1 deviations above the mean", 1, 1));
            sink.Handle(Step(11, logged: true, skipped: true, norm: double.NaN));
            sink.Handle(new EvaluationCompleted(20, "shapes-qa/unseenSeed", new Dictionary<string, double> { ["accuracy_colour"] = 1, ["accuracy"] = 0.5 }, 100, 2.345, false));
            sink.Handle(new CheckpointSaved(20, "runs/x/checkpoints/step-000020", 0.12));
            sink.Handle(new SamplesDrawn(20, []));
            sink.Handle(new RunStopped(20, "interrupted"));
        }
        Assert.Equal("""
            There is no checkpoint: starting fresh.
            pre-training   9/450  loss 2.5000  lr 2.00e-3  norm 1.2500  750 images/s  ETA 1:15
            step   10/1000  loss 2.3457 (captions 2.1000, text 3.0000)  lr 1.20e-3  norm 0.8500  12.3k tokens/s  310 images/s  95.0 GFLOP/s (47.5% of peak)  512 MiB  data wait 0.3%  ETA 2:05
            step 11 skipped: loss 9.0 is 8.1 deviations above the mean (1 so far)
            step   11/1000  loss 2.3457 (captions 2.1000, text 3.0000)  lr 1.20e-3  norm -  SKIPPED  12.3k tokens/s  310 images/s  95.0 GFLOP/s (47.5% of peak)  512 MiB  data wait 0.3%  ETA 2:05
            evaluation shapes-qa/unseenSeed: accuracy 0.500, accuracy_colour 1.000 (100 items, 2.3 s)
            checkpoint runs/x/checkpoints/step-000020 (0.1 s)
            samples at step 20: 0 of 0 right
            stopped after step 20: interrupted

            """.ReplaceLineEndings("\n"), output.ToString().ReplaceLineEndings("\n"));
    }

    [Fact]
    public void WatchedALiveLineIsWrittenOverTenTimesASecondAtMost()
    {
        using var output = new StringWriter();
        var clock = new FakeClock();
        using (var sink = new ConsoleSink(new Terminal(output, output, interactive: true, width: 100), clock))
        {
            sink.Handle(Started(100));
            for (int step = 1; step <= 9; step++)
            {
                sink.Handle(Step(step, logged: false));
                clock.Advance(TimeSpan.FromMilliseconds(40));
            }
            sink.Handle(Step(10, logged: true));
        }
        string[] lives = output.ToString().Split("\r\e[2K", StringSplitOptions.RemoveEmptyEntries)[1..];
        // Steps 1, 4, 7: every 120 ms; then the whole line takes the place of the last.
        Assert.Equal(4, lives.Length);
        Assert.Equal("╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   1/100  loss 2.3457  12.3k tokens/s  ETA 2:05", lives[0]);
        Assert.Equal("━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   7/100  loss 2.3457  12.3k tokens/s  ETA 2:05", lives[2]);
        Assert.StartsWith("step  10/100  loss 2.3457", lives[3], StringComparison.Ordinal);
    }

    [Fact]
    public void PretrainingHasALiveLineToo()
    {
        using var output = new StringWriter();
        using (var sink = new ConsoleSink(new Terminal(output, output, interactive: true, width: 100), new FakeClock())) sink.Handle(Pretraining(225, logged: false));
        Assert.Equal("━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌ pre-training 225/450  loss 2.5000  750 images/s  ETA 1:15", output.ToString().Split("\r\e[2K", StringSplitOptions.RemoveEmptyEntries)[0]);
    }

    [Fact]
    public void ALiveLineIsNeverWiderThanTheTerminal()
    {
        using var output = new StringWriter();
        using (var sink = new ConsoleSink(new Terminal(output, output, interactive: true, width: 60), new FakeClock()))
        {
            sink.Handle(Started(100));
            sink.Handle(Step(1, logged: false));
        }
        Assert.All(output.ToString().Split("\r\e[2K")[1..], static line => Assert.True(line.Length < 60, line));
    }

    [Theory]
    [InlineData(0.4, "0 s")]
    [InlineData(59.6, "1:00")]
    [InlineData(125, "2:05")]
    [InlineData(3725, "1:02:05")]
    public void DurationsReadAsClocksDo(double seconds, string expected) => Assert.Equal(expected, Quantity.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(999, "999")]
    [InlineData(1234, "1.23k")]
    [InlineData(12345, "12.3k")]
    [InlineData(1_309_136, "1.31M")]
    [InlineData(30.6e9, "30.6B")]
    public void CountsHaveThreeDigits(double value, string expected) => Assert.Equal(expected, Quantity.Count(value));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(2.2234e-5, "2.22e-5")]
    [InlineData(0.0012, "0.0012")]
    [InlineData(12.345, "12.35")]
    [InlineData(double.NaN, "-")]
    public void SmallNumbersKeepTheirDigits(double value, string expected) => Assert.Equal(expected, Quantity.Small(value));

    private static RunStarted Started(long stop)
    {
        TrainingConfig config = StrictYaml.Bind(StrictYaml.Parse(TinyRun.Yaml, "smallest.yaml"), TrainingJson.Default.TrainingConfig, "smallest.yaml");
        return new RunStarted(0, config, "runs/x", "cpu", 100, 100, 1e-3, stop, ["There is no checkpoint: starting fresh."]);
    }

    private static PretrainingStepCompleted Pretraining(int step, bool logged) => new(step)
    {
        IsLogged = logged,
        Steps = 450,
        Loss = 2.5,
        LearningRate = 2e-3,
        GradientNorm = 1.25,
        Scale = 14.3,
        Images = 128,
        ImagesPerSecond = 750,
        Time = TimeSpan.FromSeconds(2),
        Remaining = TimeSpan.FromSeconds(75),
    };

    private static StepCompleted Step(long step, bool logged, bool skipped = false, double norm = 0.85) => new(step)
    {
        IsLogged = logged,
        Loss = 2.34567,
        Sources = [new SourceLoss("captions", 2.1, 10), new SourceLoss("text", 3, 5)],
        LearningRate = 1.2e-3,
        GradientNorm = norm,
        Tokens = 100,
        Targets = 15,
        Images = 3,
        Skipped = skipped,
        Throughput = new Throughput { TokensPerSecond = 12345, ImagesPerSecond = 310, FlopsPerSecond = 95e9, PeakRssMiB = 512, DataWaitFraction = 0.003, SecondsPerStep = 0.1 },
        TrainTime = TimeSpan.FromSeconds(3),
        Remaining = TimeSpan.FromSeconds(125),
    };

    private sealed class FakeClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
