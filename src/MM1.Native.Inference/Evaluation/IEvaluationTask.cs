namespace MM1.Native.Inference;

/// <summary>Something that a model is measured by: items with prompts and truths, a way to answers, a score for each, metrics of all.</summary>
public interface IEvaluationTask
{
    /// <summary>Its name, e.g. <c>shapes-qa</c>.</summary>
    string Name { get; }

    /// <summary>What kind of items it has: question, caption, format.</summary>
    string Kind { get; }

    /// <summary>Examples before an item where the options do not say.</summary>
    int DefaultShots { get; }

    /// <summary>Most new tokens of a greedy answer.</summary>
    int MaxNewTokens { get; }

    /// <summary>The answers to choose from by log-likelihood; null for greedy decoding.</summary>
    IReadOnlyList<string>? Candidates { get; }

    /// <summary>The items that the options ask for, a pure function of task and options. An item is the same whatever the limit and the other items (but for blind ones).</summary>
    /// <exception cref="ConfigurationException">The options ask for what the task does not have.</exception>
    IReadOnlyList<EvaluationItem> Items(EvaluationOptions options);

    /// <summary>What is done to an output before it is scored.</summary>
    string Postprocess(string output);

    /// <summary>The metrics of all items, by name.</summary>
    IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items);
}
