namespace MM1.Native.Inference;

/// <summary>A task file of kind <c>captionClass</c>. Keys that are not there have the defaults below.</summary>
internal sealed record CaptionClassConfig
{
    /// <summary>The task's name.</summary>
    public required string Name { get; init; }

    /// <summary>The kind.</summary>
    public required TaskKind Kind { get; init; }

    /// <summary>The captions to choose from; null (default) for the different ones of the data.</summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>Items at most; null (default) for all of the data.</summary>
    public int? Limit { get; init; }

    /// <summary>Text around the items.</summary>
    public PromptTemplate Prompt { get; init; } = new();

    /// <summary>Examples before an item (default 0); they are drawn from data of their own.</summary>
    public int Shots { get; init; }

    /// <summary>Key of the order of items and of the draw of examples.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Whether the caption that the model writes is scored beside the one that is chosen (default true).</summary>
    public bool Greedy { get; init; } = true;

    /// <summary>Most tokens of a greedy caption.</summary>
    public int MaxNewTokens { get; init; } = 16;

    /// <summary>What is done to an output before it is scored, in this order.</summary>
    public IReadOnlyList<PostprocessStep> Postprocess { get; init; } = [PostprocessStep.Trim];

    /// <summary>The metrics that are wanted; null for all: accuracy, accuracy_greedy (with <see cref="Greedy"/>), accuracy_by_class.</summary>
    public IReadOnlyList<string>? Metrics { get; init; }
}

/// <summary>A task file of kind <c>textPerplexity</c>. Keys that are not there have the defaults below.</summary>
internal sealed record TextPerplexityConfig
{
    /// <summary>The task's name.</summary>
    public required string Name { get; init; }

    /// <summary>The kind.</summary>
    public required TaskKind Kind { get; init; }

    /// <summary>Documents at most; null (default) for all of the data.</summary>
    public int? Limit { get; init; }

    /// <summary>
    /// Tokens that the model sees at once; null (default) for as many as it has positions. Longer documents run in windows that overlap by half, so that every token but a document's first
    /// ones has at least half a window before it.
    /// </summary>
    public int? Window { get; init; }
}
