using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>How one output was judged.</summary>
/// <param name="IsCorrect">Whether it counts as right: what samples show and accuracy counts.</param>
/// <param name="Values">Figures that the task's metrics are made of, by name, e.g. shapes that were named and are there.</param>
public sealed record ItemScore(bool IsCorrect, IReadOnlyDictionary<string, double> Values);

/// <summary>One thing to be answered.</summary>
public sealed record EvaluationItem
{
    /// <summary>A stable name, unique in the task.</summary>
    public required string Id { get; init; }

    /// <summary>Items of one group are alike, e.g. questions of one kind; metrics may be given for each, and blind items swap images inside it.</summary>
    public string Group { get; init; } = "";

    /// <summary>Examples and the item itself, open for the answer.</summary>
    public required Document Prompt { get; init; }

    /// <summary>A right answer.</summary>
    public required string Truth { get; init; }

    /// <summary>Names of the prompt's images, in order.</summary>
    public IReadOnlyList<string> ImageNames { get; init; } = [];

    /// <summary>Judges an output that went through the task's post-processing.</summary>
    public required Func<string, ItemScore> Score { get; init; }
}

/// <summary>An item that was answered.</summary>
/// <param name="Item">The item.</param>
/// <param name="Output">The answer after post-processing.</param>
/// <param name="Score">How it was judged.</param>
public sealed record ScoredItem(EvaluationItem Item, string Output, ItemScore Score)
{
    /// <summary>How the greedy answer was judged, where one was written beside the chosen one; else null.</summary>
    public ItemScore? Written { get; init; }
}
