using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>What the tasks of the synthetic world share: options, examples, exchanged images, post-processing.</summary>
internal abstract class SyntheticTask(TaskConfig config, IReadOnlyList<string>? candidates) : IEvaluationTask
{
    public string Name => config.Name;

    public string Kind => config.Kind.ToString().ToLowerInvariant();

    public int DefaultShots => config.Demonstrations.Count;

    public int MaxNewTokens => config.Decoding.MaxNewTokens;

    public TaskMaterial Material => config.World is null ? TaskMaterial.World : TaskMaterial.OwnWorld;

    public bool WritesBesideChoosing => false;

    public IReadOnlyList<string>? Candidates(EvaluationOptions options) => candidates;

    protected TaskConfig Config => config;

    /// <summary>One item before it has a prompt.</summary>
    /// <param name="Id">A stable name.</param>
    /// <param name="Group">Items that are alike.</param>
    /// <param name="ImageName">A name of the image.</param>
    /// <param name="Image">The image that belongs to it.</param>
    /// <param name="Question">The words of the prompt; empty for captions.</param>
    /// <param name="Truth">A right answer.</param>
    /// <param name="Demonstrations">Examples with the names of their images.</param>
    /// <param name="Score">Judges an output.</param>
    protected sealed record Draft(string Id, string Group, string ImageName, IImageSource Image, string Question, string Truth,
        IReadOnlyList<(string ImageName, Demonstration Shot)> Demonstrations, Func<string, ItemScore> Score);

    public IReadOnlyList<EvaluationItem> Items(EvaluationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        int shots = options.Shots ?? DefaultShots, limit = options.Limit ?? config.Limit;
        if (shots < 0) throw new ConfigurationException($"the number of examples is 0 or more, not {shots}");
        if (limit < 1) throw new ConfigurationException($"the limit of items is 1 or more, not {limit}");
        if (options.WrongFormat && config.Kind != TaskKind.Format) throw new ConfigurationException($"the task '{Name}' is of kind '{Kind}'; only tasks of kind 'format' can show a wrong format");
        SyntheticWorld world;
        try
        {
            world = new SyntheticWorld(config.World ?? options.World);
        }
        catch (ArgumentException exception)
        {
            throw new ConfigurationException($"the world of task '{Name}': {exception.Message}", exception);
        }
        Draft[] drafts = Drafts(world, options, shots, limit);
        int[] imageOf = options.Blind ? ItemDraws.Exchange(Name, drafts, static draft => draft.Group, options.Seed ?? config.Demonstrations.Seed) : [.. Enumerable.Range(0, drafts.Length)];
        return [.. drafts.Select((draft, i) => new EvaluationItem
        {
            Id = draft.Id,
            Group = draft.Group,
            Prompt = config.Prompt.Apply(draft.Id, drafts[imageOf[i]].Image, draft.Question, [.. draft.Demonstrations.Select(static entry => entry.Shot)]),
            Truth = draft.Truth,
            ImageNames = [.. draft.Demonstrations.Select(static entry => entry.ImageName), drafts[imageOf[i]].ImageName],
            Score = draft.Score,
        })];
    }

    public string Postprocess(string output)
    {
        ArgumentNullException.ThrowIfNull(output);
        return config.Postprocess.Apply(output);
    }

    public abstract IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items);

    /// <summary>The first items with their examples.</summary>
    protected abstract Draft[] Drafts(SyntheticWorld world, EvaluationOptions options, int shots, int limit);

    /// <summary>Whether a metric is asked for.</summary>
    protected bool Wants(string metric) => config.Metrics is null || config.Metrics.Contains(metric);

    /// <summary>
    /// Examples for the item with a number: drawn without repetition from the pool, a pure function of seed, task and number. Fewer are the first of more.
    /// </summary>
    protected IReadOnlyList<T> Draw<T>(IReadOnlyList<T> pool, EvaluationOptions options, int shots, long number)
    {
        if (shots > pool.Count) throw new ConfigurationException($"{shots} examples were asked for; 'demonstrations.pool' of task '{Name}' is {pool.Count}");
        int[] order = ItemDraws.Order(pool.Count, options.Seed ?? config.Demonstrations.Seed, "demonstrations/" + Name, number);
        return [.. order.Take(shots).Select(i => pool[i])];
    }
}
