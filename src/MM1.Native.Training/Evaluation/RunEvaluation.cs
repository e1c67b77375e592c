using System.Globalization;
using System.Text.Json;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>
/// Evaluation and samples of a run. Nothing here touches what training uses: prompts are pure functions of task and number, answers are greedy, and tensors live in arenas of their own.
/// </summary>
internal sealed class RunEvaluation : ITrainBreaks
{
    private const int CheckedItems = 8;

    private readonly TrainingConfig _config;
    private readonly TrainingData _data;
    private readonly Mm1Generator _generator;
    private readonly Planned[] _during, _final, _samples;
    private readonly SortedDictionary<string, double> _reached = new(StringComparer.Ordinal);

    /// <summary>An entry with its task and data, and the key that errors call it by.</summary>
    private sealed record Planned(EvaluationEntry Entry, IEvaluationTask Task, IDocumentSource? Data, IDocumentSource? Demonstrations, string Key);

    /// <summary>Opens all tasks and their data, and checks prompts and metric names, before any time is spent on training.</summary>
    /// <exception cref="ConfigurationException">A task, its data or a metric does not exist, or a prompt is too long for the model.</exception>
    public RunEvaluation(TrainingConfig config, Mm1Model model, TrainingData data, ImageSettings images)
    {
        (_config, _data) = (config, data);
        _generator = new Mm1Generator(model, data.Tokenizer, images);
        _final = PlanAll(config.Evaluation.Final, "evaluation.final");
        _during = config.Evaluation.Tasks is { } tasks ? PlanAll(tasks, "evaluation.tasks") : _final;
        if (config.Samples.Tasks is { } chosen)
        {
            _samples = PlanAll(chosen, "samples.tasks");
            foreach (Planned planned in _samples) Check.That(planned.Task.Material != TaskMaterial.Text, $"{planned.Key}.task", planned.Entry.Task, "must be a task whose items have images: samples are pictures");
        }
        else if (data.World is not null) _samples = PlanAll([new EvaluationEntry { Task = "shapes-qa" }, new EvaluationEntry { Task = "shapes-caption" }], "samples");
        else _samples = [.. _final.Where(static planned => planned.Task.Material == TaskMaterial.Captions).Take(1)];
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Reached => _reached;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> reached)
    {
        foreach ((string key, double seconds) in reached) _reached[key] = seconds;
    }

    /// <inheritdoc/>
    public IEnumerable<TrainEvent> AfterStep(long step, TimeSpan trainTime, CancellationToken cancellationToken)
    {
        if (step == _config.Schedule.Steps) yield break; // the end has its own
        if (_config.Samples.Every > 0 && step % _config.Samples.Every == 0 && Samples(step, cancellationToken) is { } samples) yield return samples;
        if (_config.Evaluation.Every == 0 || step % _config.Evaluation.Every != 0) yield break;
        foreach (Planned planned in _during) yield return Run(planned, step, trainTime, _config.Evaluation.Limit, isFinal: false, cancellationToken);
    }

    /// <summary>The evaluation after the last step; adds to the summary's metrics as it goes.</summary>
    public IEnumerable<TrainEvent> AtEnd(long step, TimeSpan trainTime, List<KeyValuePair<string, double>> metrics, CancellationToken cancellationToken)
    {
        if (Samples(step, cancellationToken) is { } samples) yield return samples;
        foreach (Planned planned in _final)
        {
            EvaluationCompleted completed = Run(planned, step, trainTime, _config.Evaluation.FinalLimit, isFinal: true, cancellationToken);
            // A class that no item of a small limit belongs to has no metric.
            foreach ((string metric, string key) in planned.Entry.Summary)
                if (completed.Metrics.TryGetValue(metric, out double value)) metrics.Add(KeyValuePair.Create(key, value));
            yield return completed;
        }
        foreach ((string key, double seconds) in _reached) metrics.Add(KeyValuePair.Create(key, Math.Round(seconds, 3)));
    }

    /// <summary>A name of task and settings: <c>shapes-qa/unseenSeed/8-shot/blind</c>, <c>caption-class/images/cifar10-test.tar</c>.</summary>
    public static string Name(EvaluationEntry entry)
    {
        var parts = new List<string> { entry.Task, entry.Data is { } data ? string.Join('+', data.Paths) : JsonNamingPolicy.CamelCase.ConvertName(entry.Split.ToString()) };
        if (entry.Data?.Split is { } part) parts.Add("split " + part);
        if (entry.Data?.Lines is { } lines) parts.Add("lines " + lines);
        if (entry.Shots > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{entry.Shots}-shot"));
        if (entry.Blind) parts.Add("blind");
        if (entry.WrongFormat) parts.Add("wrongFormat");
        return string.Join('/', parts);
    }

    private EvaluationCompleted Run(Planned planned, long step, TimeSpan trainTime, int limit, bool isFinal, CancellationToken cancellationToken)
    {
        EvaluationResult result = Evaluator.Run(planned.Task, _generator, Options(planned, limit), null, cancellationToken);
        foreach (TimeToConfig goal in planned.Entry.TimeTo)
        {
            if (result.Metrics.TryGetValue(goal.Metric, out double value) && value >= goal.Value) _reached.TryAdd(goal.Summary, trainTime.TotalSeconds);
        }
        return new EvaluationCompleted(step, Name(planned.Entry), result.Metrics, result.Items, result.Seconds, isFinal) { TrainSeconds = trainTime.TotalSeconds };
    }

    private SamplesDrawn? Samples(long step, CancellationToken cancellationToken)
    {
        if (_samples.Length == 0) return null;
        var samples = new List<TrainSample>(_config.Samples.Count);
        for (int i = 0; i < _samples.Length; i++)
        {
            int count = (_config.Samples.Count + _samples.Length - 1 - i) / _samples.Length;
            if (count == 0) continue;
            EvaluationOptions options = Options(_samples[i], count) with { Limit = count, LogSamples = true };
            foreach (EvaluationSample sample in Evaluator.Run(_samples[i].Task, _generator, options, null, cancellationToken).Samples!)
                samples.Add(new TrainSample(sample.Images[^1].Load(), sample.Prompt, sample.Output, sample.Truth, sample.Correct));
        }
        return new SamplesDrawn(step, samples);
    }

    private EvaluationOptions Options(Planned planned, int limit) => new()
    {
        Shots = planned.Entry.Shots,
        Limit = planned.Entry.Limit ?? limit,
        BatchSize = _config.Evaluation.BatchSize,
        Split = planned.Task.Material is TaskMaterial.World or TaskMaterial.OwnWorld ? planned.Entry.Split : null,
        Blind = planned.Entry.Blind,
        WrongFormat = planned.Entry.WrongFormat,
        World = _config.Data.World,
        Data = planned.Data,
        DemonstrationData = planned.Demonstrations,
    };

    private Planned[] PlanAll(IReadOnlyList<EvaluationEntry> entries, string key)
    {
        Planned[] planned = [.. entries.Select((entry, i) => Plan(entry, string.Create(CultureInfo.InvariantCulture, $"{key}[{i}]")))];
        foreach (Planned one in planned) CheckEntry(one);
        return planned;
    }

    private Planned Plan(EvaluationEntry entry, string key)
    {
        IEvaluationTask task;
        try
        {
            task = EvaluationTasks.Load(entry.Task);
        }
        catch (ConfigurationException fault)
        {
            throw new ConfigurationException($"Configuration: {key}.task: {fault.Message}", fault);
        }
        bool overData = task.Material is TaskMaterial.Captions or TaskMaterial.Text;
        Check.That(task.Material != TaskMaterial.World || _data.World is not null, $"{key}.task", entry.Task,
            "must not ask about the synthetic world where data.kind is sources; caption-class and text-perplexity take data, and a task file may have a world of its own");
        Check.That(!overData || entry.Data is not null, $"{key}.data", null, $"must give the files of task '{entry.Task}': {{ format: ..., paths: [...] }}");
        Check.That(overData || (entry.Data is null && entry.Demonstrations is null), $"{key}.data", entry.Data?.Format, $"is not for task '{entry.Task}', whose items are of a synthetic world");
        Check.That(entry.Demonstrations is null || (task.Material == TaskMaterial.Captions && entry.Shots > 0), $"{key}.demonstrations", entry.Demonstrations?.Format, "is for caption-class with shots above 0");
        return new Planned(entry, task, Open(entry.Data, $"{key}.data"), Open(entry.Demonstrations, $"{key}.demonstrations"), key);

        IDocumentSource? Open(FilesConfig? files, string part) => files is null ? null : _data.OpenFiles(files, part, _config.Data.Root!);
    }

    private void CheckEntry(Planned planned)
    {
        (EvaluationEntry entry, IEvaluationTask task, _, _, string key) = planned;
        // Items of a world are made one by one: a few show how long prompts are. Those of data are read in any case, and what they are called by may lie in any of them.
        bool overData = task.Material is TaskMaterial.Captions or TaskMaterial.Text;
        IReadOnlyList<EvaluationItem> items;
        try
        {
            EvaluationOptions options = Options(planned, overData ? _config.Evaluation.FinalLimit : CheckedItems);
            if (!overData) options = options with { Limit = CheckedItems };
            items = task.Items(options);
            if (items.Count == 0) throw new ConfigurationException("the data have no documents");
            int answer = task.Candidates(options) is { } candidates ? candidates.Max(candidate => _generator.Tokenizer.Encode(candidate).Length) : task.MaxNewTokens;
            if (task.WritesBesideChoosing) answer = Math.Max(answer, task.MaxNewTokens);
            task.CheckModel(_generator);
            if (task.Material != TaskMaterial.Text) CheckLengths(items, answer - 1, key, entry);
        }
        catch (ConfigurationException fault) when (overData)
        {
            throw new ConfigurationException($"Configuration: {key} ({Name(entry)}): {fault.Message}", fault);
        }
        IReadOnlyDictionary<string, double> metrics = task.Metrics([.. items.Select(static item => new ScoredItem(item, "", item.Score("")))]);
        foreach (string metric in entry.Summary.Keys.Concat(entry.TimeTo.Select(static goal => goal.Metric)))
            Check.That(metrics.ContainsKey(metric), $"{key}.summary", metric, $"must name metrics of task '{entry.Task}' ({string.Join(", ", metrics.Keys)})");
    }

    private void CheckLengths(IReadOnlyList<EvaluationItem> items, int more, string key, EvaluationEntry entry)
    {
        DecoderConfig decoder = _generator.Model.Config.Decoder;
        if (decoder.Position == PositionKind.None) return;
        foreach (EvaluationItem item in items)
        {
            int tokens = _generator.Encode(item.Prompt).Tokens.Length + more;
            Check.That(tokens <= decoder.MaxPositions, $"{key} ({Name(entry)})", $"{tokens} (item '{item.Id}')",
                $"must need at most model.decoder.maxPositions ({decoder.MaxPositions}) tokens with the answer");
        }
    }
}
