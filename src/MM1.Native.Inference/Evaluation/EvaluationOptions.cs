using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>Settings of one evaluation.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Examples before each item; null for the task's own number.</summary>
    public int? Shots { get; init; }

    /// <summary>Items, the first of the task; null for the task's own number.</summary>
    public int? Limit { get; init; }

    /// <summary>Prompts that run together (default 64); results do not depend on it.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Whether the result holds each item's prompt, output and truth (default false).</summary>
    public bool LogSamples { get; init; }

    /// <summary>Only the items of these ids, each just as it is among all; null for all.</summary>
    public IReadOnlyList<string>? SampleIds { get; init; }

    /// <summary>Key of the draw of examples and of the exchange of images; null for the task's own.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The part of the world; null for the task's own.</summary>
    public WorldSplit? Split { get; init; }

    /// <summary>
    /// Whether each item gets the image of another one, which measures what the words alone tell (default false). The images go round a random cycle of all
    /// items of a group (questions of one kind), so that no item keeps its own; examples stay as they are.
    /// </summary>
    public bool Blind { get; init; }

    /// <summary>Whether the examples of a format task show another format than the one that is scored (default false).</summary>
    public bool WrongFormat { get; init; }

    /// <summary>The world that the model was trained on, for tasks of <c>world: default</c>; null for the default one.</summary>
    public SyntheticWorldOptions? World { get; init; }

    /// <summary>The documents that tasks over data take their items from; null for none.</summary>
    public IDocumentSource? Data { get; init; }

    /// <summary>The documents that tasks over data draw examples from; null for none.</summary>
    public IDocumentSource? DemonstrationData { get; init; }
}
