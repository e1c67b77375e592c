using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Training.Tests;

/// <summary>The file of bad samples: each line once, also when a run is continued, and no more than a limit.</summary>
public sealed class BadSamplesTests
{
    private static StepCompleted Step(long step, params BadSample[] bad) => new(step)
    {
        IsLogged = false,
        Loss = 1,
        LearningRate = 0,
        GradientNorm = 1,
        Tokens = 1,
        Targets = 1,
        Images = 0,
        Skipped = false,
        Throughput = new Throughput(),
        TrainTime = default,
        Remaining = default,
        BadSamples = bad,
        BadSamplesSoFar = bad.Length,
    };

    private static BadSample Bad(int number) => new("shards", $"0.tar:{number}", "document", "no caption", $"0.tar:{number}: the sample has no caption (.txt)");

    private static string Line(long step, int number) => $$"""{"step":{{step}},"source":"shards","id":"0.tar:{{number}}","what":"document","cause":"no caption","message":"0.tar:{{number}}: the sample has no caption (.txt)"}""";

    [Fact]
    public void LinesHaveFileKeyAndCauseAndAResumeTellsNothingTwice()
    {
        using var folder = new TemporaryFolder();
        string path = folder["bad-samples.jsonl"];
        using (var sink = new BadSamplesSink(path, resumeStep: null))
        {
            sink.Handle(Step(1));
            Assert.False(File.Exists(path)); // nothing bad, no file
            sink.Handle(Step(2, Bad(1), Bad(2)));
            sink.Handle(Step(3, Bad(3)));
        }
        File.AppendAllText(path, "{\"step\": 4, \"sou"); // a kill cut this line short
        using (var sink = new BadSamplesSink(path, resumeStep: 2)) sink.Handle(Step(3, Bad(4)));
        Assert.Equal([Line(2, 1), Line(2, 2), Line(3, 4)], File.ReadAllLines(path));
        using (var sink = new BadSamplesSink(path, resumeStep: null)) sink.Handle(Step(1));
        Assert.False(File.Exists(path)); // another run's
    }

    [Fact]
    public void AFileThatGrowsWithoutEndIsStoppedAndSaysSo()
    {
        using var folder = new TemporaryFolder();
        string path = folder["bad-samples.jsonl"];
        using (var sink = new BadSamplesSink(path, null, maximum: 3))
        {
            sink.Handle(Step(1, Bad(1), Bad(2)));
            sink.Handle(Step(2, Bad(3), Bad(4), Bad(5)));
            sink.Handle(Step(3, Bad(6)));
        }
        using (var sink = new BadSamplesSink(path, resumeStep: 3, maximum: 3)) sink.Handle(Step(4, Bad(7)));
        Assert.Equal([Line(1, 1), Line(1, 2), Line(2, 3), """{"step":2,"source":"shards","id":"","what":"limit","cause":"limit","message":"3 samples are told here; later ones are only counted"}"""], File.ReadAllLines(path));
    }
}
