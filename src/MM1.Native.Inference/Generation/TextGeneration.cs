using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>Why a text ended.</summary>
public enum StopReason
{
    /// <summary>As many new tokens as were allowed.</summary>
    MaxNewTokens,
    /// <summary>A line feed.</summary>
    Newline,
    /// <summary>The end of the document.</summary>
    DocumentEnd,
    /// <summary>One of the stop strings.</summary>
    StopString,
}

/// <summary>What a prompt was continued with.</summary>
/// <param name="Text">The text before what stopped it.</param>
/// <param name="Tokens">All new tokens, the one that stopped it included.</param>
/// <param name="StoppedBy">Why it ended.</param>
public sealed record GeneratedText(string Text, IReadOnlyList<int> Tokens, StopReason StoppedBy);

/// <summary>Settings of the generation of texts. The document end always stops a text.</summary>
public sealed record TextGenerationOptions
{
    /// <summary>Most new tokens of a text (default 64).</summary>
    public int MaxNewTokens { get; init; } = 64;

    /// <summary>How tokens are chosen (default greedy). A prompt's random numbers follow from the seed and the document's id.</summary>
    public SamplingOptions Sampling { get; init; } = SamplingOptions.Greedy;

    /// <summary>Whether a line feed ends a text (default true).</summary>
    public bool StopAtNewline { get; init; } = true;

    /// <summary>Texts that end a text where they appear (default none).</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Prompts that run together (default 64); results do not depend on it.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Ends the generation with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Called after each batch with the number of prompts that are done.</summary>
    public Action<int>? Progress { get; init; }
}
