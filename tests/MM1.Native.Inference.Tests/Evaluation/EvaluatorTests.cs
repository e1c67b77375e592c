using System.Text.Json.Nodes;
using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class EvaluatorTests
{
    [Theory]
    [InlineData("shapes-qa", 2)]
    [InlineData("shapes-qa-candidates", 0)]
    [InlineData("shapes-caption", 1)]
    [InlineData("shapes-format", 3)]
    public void ResultsDoNotDependOnBatchSizeLimitOrSelection(string name, int shots)
    {
        using var small = new SmallModel();
        IEvaluationTask task = EvaluationTasks.Load(name);
        var options = new EvaluationOptions { Limit = 66, Shots = shots, LogSamples = true };
        EvaluationResult expected = Evaluator.Run(task, small.Generator, options with { BatchSize = 1 });
        Assert.Equal(66, expected.Items);
        foreach (int size in (int[])[8, 64])
        {
            EvaluationResult result = Evaluator.Run(task, small.Generator, options with { BatchSize = size });
            Assert.Equal(expected.Metrics, result.Metrics);
            Assert.Equal(expected.Samples!.Select(sample => sample.Output), result.Samples!.Select(sample => sample.Output));
        }
        EvaluationResult fewer = Evaluator.Run(task, small.Generator, options with { Limit = 40 });
        Assert.Equal(expected.Samples!.Take(40).Select(sample => sample.Output), fewer.Samples!.Select(sample => sample.Output));
        EvaluationSample wanted = expected.Samples![33];
        EvaluationResult one = Evaluator.Run(task, small.Generator, options with { SampleIds = [wanted.Id] });
        Assert.Equal((wanted.Id, wanted.Prompt, wanted.Output, wanted.Truth, wanted.Correct), (one.Samples![0].Id, one.Samples[0].Prompt, one.Samples[0].Output, one.Samples[0].Truth, one.Samples[0].Correct));
        Assert.Equal(1, one.Items);
    }

    [Fact]
    public void TheResultSaysWhatWasRun()
    {
        using var small = new SmallModel();
        var reports = new List<EvaluationProgress>();
        var options = new EvaluationOptions { Limit = 5, BatchSize = 2, LogSamples = true, Blind = true, Shots = 1 };
        EvaluationResult result = Evaluator.Run(EvaluationTasks.Load("shapes-format"), small.Generator, options, new Collector(reports));
        Assert.Equal([new("shapes-format", 2, 5), new("shapes-format", 4, 5), new("shapes-format", 5, 5)], reports);
        JsonObject json = result.ToJson();
        Assert.Equal("shapes-format", json["task"]!.GetValue<string>());
        Assert.Equal((1, 5, true, false), (json["shots"]!.GetValue<int>(), json["items"]!.GetValue<int>(), json["blind"]!.GetValue<bool>(), json["wrongFormat"]!.GetValue<bool>()));
        Assert.Equal(["content_accuracy", "format_accuracy"], json["metrics"]!.AsObject().Select(metric => metric.Key));
        JsonObject sample = json["samples"]![0]!.AsObject();
        Assert.Equal(["id", "prompt", "imageSources", "output", "truth", "correct"], sample.Select(entry => entry.Key));
        Assert.StartsWith("<image>", sample["prompt"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(2, sample["imageSources"]!.AsArray().Count);
        Assert.Equal(2, result.Samples![0].Images.Count);
        Assert.Null(Evaluator.Run(EvaluationTasks.Load("shapes-qa"), small.Generator, new EvaluationOptions { Limit = 2 }).Samples);
    }

    [Fact]
    public void CandidatesAreChosenByLogLikelihood()
    {
        using var small = new SmallModel();
        IEvaluationTask task = EvaluationTasks.Parse("name: t\nkind: question\ndecoding: {kind: candidates, candidates: [red, 'yes', 'two']}", "t.yaml");
        EvaluationResult result = Evaluator.Run(task, small.Generator, new EvaluationOptions { Limit = 12, LogSamples = true });
        IReadOnlyList<EvaluationItem> items = task.Items(new EvaluationOptions { Limit = 12 });
        for (int i = 0; i < 12; i++)
        {
            double[] scores = small.Generator.LogLikelihoods([(items[i].Prompt, "red"), (items[i].Prompt, "yes"), (items[i].Prompt, "two")]);
            Assert.Equal(task.Candidates(new EvaluationOptions())![Array.IndexOf(scores, scores.Max())], result.Samples![i].Output);
        }
    }

    [Fact]
    public void UnknownSamplesBadBatchesAndCancellation()
    {
        using var small = new SmallModel();
        IEvaluationTask task = EvaluationTasks.Load("shapes-qa");
        Assert.Contains("the task 'shapes-qa' has no item 'unseen-seed/question/0/3x' among its 5; the nearest is 'unseen-seed/question/0/3'",
            Assert.Throws<ConfigurationException>(() => Evaluator.Run(task, small.Generator, new EvaluationOptions { Limit = 5, SampleIds = ["unseen-seed/question/0/3x"] })).Message, StringComparison.Ordinal);
        Assert.Throws<ConfigurationException>(() => Evaluator.Run(task, small.Generator, new EvaluationOptions { BatchSize = 0 }));
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => Evaluator.Run(task, small.Generator, cancellationToken: source.Token));
    }

    private sealed class Collector(List<EvaluationProgress> reports) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => reports.Add(value);
    }
}
