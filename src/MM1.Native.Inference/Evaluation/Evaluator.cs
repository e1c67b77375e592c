using System.Diagnostics;
using System.Text;
using MM1.Native.Autograd;
using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>Runs tasks.</summary>
public static class Evaluator
{
    /// <summary>Answers the items of a task and scores them.</summary>
    /// <param name="task">The task.</param>
    /// <param name="generator">The model.</param>
    /// <param name="options">Settings; null for the task's own.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Ends the evaluation with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ConfigurationException">The options do not fit the task, or a prompt the model.</exception>
    public static EvaluationResult Run(IEvaluationTask task, Mm1Generator generator, EvaluationOptions? options = null,
        IProgress<EvaluationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(generator);
        options ??= new EvaluationOptions();
        if (options.BatchSize < 1) throw new ConfigurationException($"the batch size of an evaluation is 1 or more, not {options.BatchSize}");
        long start = Stopwatch.GetTimestamp();
        IReadOnlyList<EvaluationItem> items = Select(task, task.Items(options), options.SampleIds);
        IReadOnlyList<ScoredItem> scored = task is IMeasuringTask measuring
            ? measuring.Measure(items, generator, options, progress, cancellationToken)
            : Answer(task, items, generator, options, progress, cancellationToken);
        return new EvaluationResult
        {
            Task = task.Name,
            Shots = options.Shots ?? task.DefaultShots,
            Items = items.Count,
            Blind = options.Blind,
            WrongFormat = options.WrongFormat,
            Metrics = new SortedDictionary<string, double>(task.Metrics(scored).ToDictionary(), StringComparer.Ordinal),
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
            Samples = options.LogSamples ? [.. scored.Select(Sample)] : null,
        };
    }

    private static IReadOnlyList<EvaluationItem> Select(IEvaluationTask task, IReadOnlyList<EvaluationItem> items, IReadOnlyList<string>? ids)
    {
        if (items.Count == 0) throw new ConfigurationException($"the task '{task.Name}' has no items to answer; its limit must be 1 or more");
        if (ids is null) return items;
        Dictionary<string, EvaluationItem> byId = items.ToDictionary(static item => item.Id, StringComparer.Ordinal);
        return [.. ids.Select(id => byId.TryGetValue(id, out EvaluationItem? item) ? item
            : throw new ConfigurationException($"the task '{task.Name}' has no item '{id}' among its {items.Count}; the nearest is '{NearestName.Find(id, byId.Keys)}'"))];
    }

    private static List<ScoredItem> Answer(IEvaluationTask task, IReadOnlyList<EvaluationItem> items, Mm1Generator generator, EvaluationOptions options,
        IProgress<EvaluationProgress>? progress, CancellationToken cancellationToken)
    {
        string[]? chosen = task.Candidates(options) is { } candidates ? Choose(task, items, candidates, generator, options, progress, cancellationToken) : null;
        string[]? written = chosen is null || task.WritesBesideChoosing ? Write(task, items, generator, options, progress, cancellationToken) : null;
        var scored = new List<ScoredItem>(items.Count);
        for (int i = 0; i < items.Count; i++)
        {
            string output = task.Postprocess((chosen ?? written!)[i]);
            scored.Add(new ScoredItem(items[i], output, items[i].Score(output))
            {
                Written = chosen is not null && written is not null ? items[i].Score(task.Postprocess(written[i])) : null,
            });
        }
        return scored;
    }

    private static string[] Write(IEvaluationTask task, IReadOnlyList<EvaluationItem> items, Mm1Generator generator, EvaluationOptions options,
        IProgress<EvaluationProgress>? progress, CancellationToken cancellationToken)
    {
        var generation = new TextGenerationOptions
        {
            MaxNewTokens = task.MaxNewTokens,
            BatchSize = options.BatchSize,
            CancellationToken = cancellationToken,
            Progress = done => progress?.Report(new EvaluationProgress(task.Name, done, items.Count)),
        };
        return [.. generator.Generate([.. items.Select(static item => item.Prompt)], generation).Select(static text => text.Text)];
    }

    private static string[] Choose(IEvaluationTask task, IReadOnlyList<EvaluationItem> items, IReadOnlyList<string> candidates, Mm1Generator generator,
        EvaluationOptions options, IProgress<EvaluationProgress>? progress, CancellationToken cancellationToken)
    {
        (Document, string)[] pairs = [.. items.SelectMany(item => candidates.Select(candidate => (item.Prompt, candidate)))];
        double[] scores = generator.LogLikelihoods(pairs, options.BatchSize, (done, total) => progress?.Report(new EvaluationProgress(task.Name, done, total)), cancellationToken);
        var outputs = new string[items.Count];
        for (int i = 0; i < items.Count; i++)
        {
            int best = 0;
            for (int k = 1; k < candidates.Count; k++)
            {
                if (scores[i * candidates.Count + k] > scores[i * candidates.Count + best]) best = k;
            }
            outputs[i] = candidates[best];
        }
        return outputs;
    }

    private static EvaluationSample Sample(ScoredItem scored)
    {
        var text = new StringBuilder();
        foreach (Segment segment in scored.Item.Prompt.Segments)
        {
            if (segment is TextSegment words) text.Append(words.Text);
            else text.Append("<image>");
        }
        return new EvaluationSample
        {
            Id = scored.Item.Id,
            Prompt = text.ToString(),
            ImageSources = scored.Item.ImageNames,
            Images = [.. scored.Item.Prompt.Segments.OfType<ImageSegment>().Select(static image => image.Image)],
            Output = scored.Output,
            Truth = scored.Item.Truth,
            Correct = scored.Score.IsCorrect,
        };
    }
}
