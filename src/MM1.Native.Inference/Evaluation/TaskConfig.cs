using System.Text.Json.Nodes;
using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>A task file over the synthetic world. Keys that are not there have the defaults below.</summary>
internal sealed record TaskConfig
{
    /// <summary>The task's name.</summary>
    public required string Name { get; init; }

    /// <summary>What the items are and how they are scored: question, caption or format.</summary>
    public required TaskKind Kind { get; init; }

    /// <summary>The world of synthetic items: null for the one that the model was trained on (<c>world: default</c>), or values over the defaults.</summary>
    public SyntheticWorldOptions? World { get; init; }

    /// <summary>The part of the world.</summary>
    public WorldSplit Split { get; init; } = WorldSplit.UnseenSeed;

    /// <summary>Items.</summary>
    public int Limit { get; init; } = 500;

    /// <summary>Text around the items.</summary>
    public PromptTemplate Prompt { get; init; } = new();

    /// <summary>Examples.</summary>
    public DemonstrationConfig Demonstrations { get; init; } = new();

    /// <summary>How answers are made.</summary>
    public DecodingConfig Decoding { get; init; } = new();

    /// <summary>What is done to an output before it is scored, in this order.</summary>
    public IReadOnlyList<PostprocessStep> Postprocess { get; init; } = [PostprocessStep.Trim];

    /// <summary>The metrics that are wanted; null for all of the kind.</summary>
    public IReadOnlyList<string>? Metrics { get; init; }
}

/// <summary>Kinds of tasks.</summary>
internal enum TaskKind
{
    /// <summary>A question with one right answer.</summary>
    Question,
    /// <summary>An image to be described.</summary>
    Caption,
    /// <summary>A question whose answer format is told by examples.</summary>
    Format,
    /// <summary>An image whose caption is one of a few (<see cref="CaptionClassConfig"/>).</summary>
    CaptionClass,
    /// <summary>Text whose probability is measured (<see cref="TextPerplexityConfig"/>).</summary>
    TextPerplexity,
}

/// <summary>Steps between an output and its score.</summary>
internal enum PostprocessStep
{
    /// <summary>White space at both ends goes.</summary>
    Trim,
    /// <summary>Lower case.</summary>
    LowerCase,
    /// <summary>A full stop at the end goes.</summary>
    RemoveFullStop,
    /// <summary>Only what stands before the first full stop stays.</summary>
    FirstSentence,
}

/// <summary>Ways to an answer.</summary>
internal enum DecodingKind
{
    /// <summary>The most likely next token, again and again.</summary>
    Greedy,
    /// <summary>The most likely of given answers.</summary>
    Candidates,
}

/// <summary>How answers are made.</summary>
internal sealed record DecodingConfig
{
    /// <summary>The way.</summary>
    public DecodingKind Kind { get; init; } = DecodingKind.Greedy;

    /// <summary>Most tokens of a greedy answer.</summary>
    public int MaxNewTokens { get; init; } = 16;

    /// <summary>The answers to choose from: a list, or <c>answers</c> for every answer of the synthetic world.</summary>
    public JsonNode? Candidates { get; init; }
}

/// <summary>Examples before an item.</summary>
internal sealed record DemonstrationConfig
{
    /// <summary>How many, where the caller does not say.</summary>
    public int Count { get; init; }

    /// <summary>Key of the draw.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Training items that examples are drawn from.</summary>
    public int Pool { get; init; } = 64;
}
