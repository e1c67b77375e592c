using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>Evaluation during and after the run.</summary>
public sealed record EvaluationConfig
{
    /// <summary>Steps between evaluations (default 0: none before the end).</summary>
    public int Every { get; init; }

    /// <summary>Items of a task in evaluations during the run (default 100).</summary>
    public int Limit { get; init; } = 100;

    /// <summary>What is evaluated during the run; null (default) takes <see cref="Final"/>.</summary>
    public IReadOnlyList<EvaluationEntry>? Tasks { get; init; }

    /// <summary>What is evaluated after the last step (default nothing).</summary>
    public IReadOnlyList<EvaluationEntry> Final { get; init; } = [];

    /// <summary>Items of a task in the final evaluation (default 500).</summary>
    public int FinalLimit { get; init; } = 500;

    /// <summary>Items that are answered at a time (default 32); results do not depend on it.</summary>
    public int BatchSize { get; init; } = 32;

    internal void Validate(DataConfig data)
    {
        Check.That(Every >= 0, "evaluation.every", Every, "must be 0 (none) or more");
        Check.That(Limit >= 1, "evaluation.limit", Limit, "must be 1 or more");
        Check.That(FinalLimit >= 1, "evaluation.finalLimit", FinalLimit, "must be 1 or more");
        Check.That(BatchSize >= 1, "evaluation.batchSize", BatchSize, "must be 1 or more");
        for (int i = 0; i < Final.Count; i++) Final[i].Validate($"evaluation.final[{i}]", data);
        for (int i = 0; i < (Tasks?.Count ?? 0); i++) Tasks![i].Validate($"evaluation.tasks[{i}]", data);
        string? twice = Final.SelectMany(static entry => entry.Summary.Values).Concat((Tasks is null ? Final : Tasks.Concat(Final)).SelectMany(static entry => entry.TimeTo).Select(static goal => goal.Summary)).GroupBy(static key => key, StringComparer.Ordinal).FirstOrDefault(static group => group.Count() > 1)?.Key;
        Check.That(twice is null, "evaluation.final", twice, "must give every summary key once");
    }
}

/// <summary>One task with its settings, and where its metrics go.</summary>
public sealed record EvaluationEntry
{
    /// <summary>Name of a built-in task, or the path of a task file.</summary>
    public required string Task { get; init; }

    /// <summary>Demonstrations before each item (default 0).</summary>
    public int Shots { get; init; }

    /// <summary>Which part of the world (default unseen seeds).</summary>
    public WorldSplit Split { get; init; } = WorldSplit.UnseenSeed;

    /// <summary>Whether each item gets another item's image (default false): what can be guessed without seeing.</summary>
    public bool Blind { get; init; }

    /// <summary>Whether the demonstrations show another format than the wanted one (default false).</summary>
    public bool WrongFormat { get; init; }

    /// <summary>Items; null (default) takes the evaluation's limit.</summary>
    public int? Limit { get; init; }

    /// <summary>Keys of <c>summary.json</c> by metric: <c>{ accuracy: qa_accuracy_unseen_seed }</c> (default none).</summary>
    public IReadOnlyDictionary<string, string> Summary { get; init; } = new Dictionary<string, string>();

    /// <summary>What a task over data takes its items from, e.g. <c>caption-class</c>; null (default) for tasks of the synthetic world.</summary>
    public FilesConfig? Data { get; init; }

    /// <summary>What a task over data draws its demonstrations from; null (default) for none.</summary>
    public FilesConfig? Demonstrations { get; init; }

    /// <summary>
    /// Keys of <c>summary.json</c> for the seconds of training after which an evaluation first had a metric at a value or above (default none); a key whose value is never reached is not there.
    /// As fine as <c>evaluation.every</c>.
    /// </summary>
    public IReadOnlyList<TimeToConfig> TimeTo { get; init; } = [];

    internal void Validate(string key, DataConfig data)
    {
        Check.That(Task.Length > 0, $"{key}.task", "(empty)", "must be a task's name or file");
        Check.That(Shots >= 0, $"{key}.shots", Shots, "must be 0 or more");
        Check.That(Limit is null or >= 1, $"{key}.limit", Limit, "must be 1 or more");
        Check.That((Data is null && Demonstrations is null) || !string.IsNullOrEmpty(data.Root), "data.root", data.Root, $"must name the data folder that the paths of {key} start from: --set data.root=FOLDER");
        Data?.ValidateFiles($"{key}.data");
        Demonstrations?.ValidateFiles($"{key}.demonstrations");
        for (int i = 0; i < TimeTo.Count; i++)
        {
            Check.That(double.IsFinite(TimeTo[i].Value), $"{key}.timeTo[{i}].value", TimeTo[i].Value, "must be a number");
            Check.That(TimeTo[i].Summary.Length > 0, $"{key}.timeTo[{i}].summary", "(empty)", "must be a key of summary.json");
        }
    }
}

/// <summary>A value that a metric shall reach.</summary>
public sealed record TimeToConfig
{
    /// <summary>The metric, e.g. <c>accuracy</c>.</summary>
    public required string Metric { get; init; }

    /// <summary>The value.</summary>
    public required double Value { get; init; }

    /// <summary>The key of <c>summary.json</c>, e.g. <c>seconds_to_45</c>.</summary>
    public required string Summary { get; init; }
}
