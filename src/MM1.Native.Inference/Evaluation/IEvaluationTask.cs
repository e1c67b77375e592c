namespace MM1.Native.Inference;

/// <summary>What a task's items are made of.</summary>
public enum TaskMaterial
{
    /// <summary>The synthetic world that the model was trained on (<see cref="EvaluationOptions.World"/>).</summary>
    World,
    /// <summary>A synthetic world of its own.</summary>
    OwnWorld,
    /// <summary>Documents of an image and its caption (<see cref="EvaluationOptions.Data"/>).</summary>
    Captions,
    /// <summary>Documents of text alone (<see cref="EvaluationOptions.Data"/>).</summary>
    Text,
}

/// <summary>Something that a model is measured by: items with prompts and truths, a way to answers, a score for each, metrics of all.</summary>
public interface IEvaluationTask
{
    /// <summary>Its name, e.g. <c>shapes-qa</c>.</summary>
    string Name { get; }

    /// <summary>What kind of items it has: question, caption, format, captionClass, textPerplexity.</summary>
    string Kind { get; }

    /// <summary>What its items are made of.</summary>
    TaskMaterial Material { get; }

    /// <summary>Examples before an item where the options do not say.</summary>
    int DefaultShots { get; }

    /// <summary>Most new tokens of a greedy answer.</summary>
    int MaxNewTokens { get; }

    /// <summary>Whether an answer is written greedily beside the one that is chosen of the candidates (<see cref="ScoredItem.Written"/>).</summary>
    bool WritesBesideChoosing { get; }

    /// <summary>The answers to choose from by log-likelihood; null for greedy decoding.</summary>
    /// <exception cref="ConfigurationException">The options ask for what the task does not have.</exception>
    IReadOnlyList<string>? Candidates(EvaluationOptions options);

    /// <summary>The items that the options ask for, a pure function of task and options. An item is the same whatever the limit and the other items (but for blind ones).</summary>
    /// <exception cref="ConfigurationException">The options ask for what the task does not have.</exception>
    IReadOnlyList<EvaluationItem> Items(EvaluationOptions options);

    /// <summary>Refuses a model that the task's settings do not fit, before any time is spent.</summary>
    /// <exception cref="ConfigurationException">They do not fit.</exception>
    void CheckModel(Mm1Generator generator) { }

    /// <summary>What is done to an output before it is scored.</summary>
    string Postprocess(string output);

    /// <summary>The metrics of all items, by name.</summary>
    IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items);
}

/// <summary>A task without answers: it scores its items by what the model thinks of them.</summary>
internal interface IMeasuringTask : IEvaluationTask
{
    /// <summary>Scores the items, in their order.</summary>
    IReadOnlyList<ScoredItem> Measure(IReadOnlyList<EvaluationItem> items, Mm1Generator generator, EvaluationOptions options,
        IProgress<EvaluationProgress>? progress, CancellationToken cancellationToken);
}
