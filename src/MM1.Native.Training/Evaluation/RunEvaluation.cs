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
    private static readonly string[] SampleTasks = ["shapes-qa", "shapes-caption"];

    private readonly TrainingConfig _config;
    private readonly Mm1Generator _generator;
    private readonly (EvaluationEntry Entry, IEvaluationTask Task)[] _during, _final;
    private readonly IEvaluationTask[] _samples;

    /// <summary>Opens all tasks and checks prompts and metric names, before any time is spent on training.</summary>
    /// <exception cref="ConfigurationException">A task or a metric does not exist, or a prompt is too long for the model.</exception>
    public RunEvaluation(TrainingConfig config, Mm1Model model, ITokenizer tokenizer, ImageSettings images)
    {
        _config = config;
        _generator = new Mm1Generator(model, tokenizer, images);
        _final = [.. config.Evaluation.Final.Select(static (entry, i) => (entry, Load(entry, string.Create(CultureInfo.InvariantCulture, $"evaluation.final[{i}]"))))];
        _during = config.Evaluation.Tasks is { } tasks ? [.. tasks.Select(static (entry, i) => (entry, Load(entry, string.Create(CultureInfo.InvariantCulture, $"evaluation.tasks[{i}]"))))] : _final;
        _samples = [.. SampleTasks.Select(EvaluationTasks.Load)];
        foreach (IEvaluationTask task in _samples) CheckEntry(new EvaluationEntry { Task = task.Name }, task, "samples");
        for (int i = 0; i < _final.Length; i++) CheckEntry(_final[i].Entry, _final[i].Task, string.Create(CultureInfo.InvariantCulture, $"evaluation.final[{i}]"));
        for (int i = 0; i < _during.Length; i++) CheckEntry(_during[i].Entry, _during[i].Task, string.Create(CultureInfo.InvariantCulture, $"evaluation.tasks[{i}]"));
    }

    /// <inheritdoc/>
    public IEnumerable<TrainEvent> AfterStep(long step, CancellationToken cancellationToken)
    {
        if (step == _config.Schedule.Steps) yield break; // the end has its own
        if (_config.Samples.Every > 0 && step % _config.Samples.Every == 0) yield return Samples(step, cancellationToken);
        if (_config.Evaluation.Every == 0 || step % _config.Evaluation.Every != 0) yield break;
        foreach ((EvaluationEntry entry, IEvaluationTask task) in _during)
        {
            EvaluationResult result = Evaluator.Run(task, _generator, Options(entry, _config.Evaluation.Limit), null, cancellationToken);
            yield return new EvaluationCompleted(step, Name(entry), result.Metrics, result.Items, result.Seconds, IsFinal: false);
        }
    }

    /// <summary>The evaluation after the last step; adds to the summary's metrics as it goes.</summary>
    public IEnumerable<TrainEvent> AtEnd(long step, List<KeyValuePair<string, double>> metrics, CancellationToken cancellationToken)
    {
        yield return Samples(step, cancellationToken);
        foreach ((EvaluationEntry entry, IEvaluationTask task) in _final)
        {
            EvaluationResult result = Evaluator.Run(task, _generator, Options(entry, _config.Evaluation.FinalLimit), null, cancellationToken);
            foreach ((string metric, string key) in entry.Summary) metrics.Add(KeyValuePair.Create(key, result.Metrics[metric]));
            yield return new EvaluationCompleted(step, Name(entry), result.Metrics, result.Items, result.Seconds, IsFinal: true);
        }
    }

    /// <summary>A name of task and settings: <c>shapes-qa/unseenSeed/8-shot/blind</c>.</summary>
    public static string Name(EvaluationEntry entry)
    {
        var parts = new List<string> { entry.Task, JsonNamingPolicy.CamelCase.ConvertName(entry.Split.ToString()) };
        if (entry.Shots > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{entry.Shots}-shot"));
        if (entry.Blind) parts.Add("blind");
        if (entry.WrongFormat) parts.Add("wrongFormat");
        return string.Join('/', parts);
    }

    private SamplesDrawn Samples(long step, CancellationToken cancellationToken)
    {
        var samples = new List<TrainSample>(_config.Samples.Count);
        for (int i = 0; i < _samples.Length; i++)
        {
            int count = (_config.Samples.Count + _samples.Length - 1 - i) / _samples.Length;
            if (count == 0) continue;
            var options = new EvaluationOptions { Shots = 0, Limit = count, LogSamples = true, World = _config.Data.World, BatchSize = _config.Evaluation.BatchSize };
            foreach (EvaluationSample sample in Evaluator.Run(_samples[i], _generator, options, null, cancellationToken).Samples!)
                samples.Add(new TrainSample(sample.Images[^1].Load(), sample.Prompt, sample.Output, sample.Truth, sample.Correct));
        }
        return new SamplesDrawn(step, samples);
    }

    private EvaluationOptions Options(EvaluationEntry entry, int limit) => new()
    {
        Shots = entry.Shots,
        Limit = entry.Limit ?? limit,
        BatchSize = _config.Evaluation.BatchSize,
        Split = entry.Split,
        Blind = entry.Blind,
        WrongFormat = entry.WrongFormat,
        World = _config.Data.World,
    };

    private static IEvaluationTask Load(EvaluationEntry entry, string key)
    {
        try
        {
            return EvaluationTasks.Load(entry.Task);
        }
        catch (ConfigurationException fault)
        {
            throw new ConfigurationException($"Configuration: {key}.task: {fault.Message}", fault);
        }
    }

    private void CheckEntry(EvaluationEntry entry, IEvaluationTask task, string key)
    {
        IReadOnlyList<EvaluationItem> items = task.Items(Options(entry, CheckedItems) with { Limit = CheckedItems });
        foreach (EvaluationItem item in items)
        {
            int tokens = _generator.Encode(item.Prompt).Tokens.Length + (task.Candidates is null ? task.MaxNewTokens - 1 : 1);
            DecoderConfig decoder = _generator.Model.Config.Decoder;
            Check.That(decoder.Position == PositionKind.None || tokens <= decoder.MaxPositions, $"{key} ({Name(entry)})", $"{tokens} (item '{item.Id}')",
                $"must need at most model.decoder.maxPositions ({decoder.MaxPositions}) tokens with the answer");
        }
        IReadOnlyDictionary<string, double> metrics = task.Metrics([.. items.Select(static item => new ScoredItem(item, "", item.Score("")))]);
        foreach (string metric in entry.Summary.Keys)
            Check.That(metrics.ContainsKey(metric), $"{key}.summary", metric, $"must name metrics of task '{entry.Task}' ({string.Join(", ", metrics.Keys)})");
    }
}
