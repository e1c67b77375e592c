namespace MM1.Native.Data;

/// <summary>
/// What a tokenizer's file does not say. Each special token has names, of which the first that the file has as a special token is
/// taken; where it has none, a token of the first name is appended after the vocabulary, in the order document end, padding, image
/// placeholder. Files that <see cref="ITokenizer.Save"/> wrote say it themselves.
/// </summary>
public sealed record TokenizerOptions
{
    /// <summary>Names of the token that ends a document.</summary>
    public IReadOnlyList<string> DocumentEnd { get; init; } = ["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>"];

    /// <summary>Names of the token that fills what no document fills.</summary>
    public IReadOnlyList<string> Padding { get; init; } = ["<pad>", "<|pad|>", "[PAD]", "<|padding|>"];

    /// <summary>Names of the token that holds the place of a row of the connector's output.</summary>
    public IReadOnlyList<string> Image { get; init; } = ["<image>", "<|image|>", "<|image_pad|>"];

    /// <summary>
    /// How a <c>.tiktoken</c> file's text is cut before it is merged, one of <see cref="PreTokenizer.Names"/>; such a file does not
    /// say it. Null: the known files are told by their number of ranks, for any other it is an error.
    /// </summary>
    public string? Pattern { get; init; }

    internal void Check()
    {
        Check(DocumentEnd, "document end");
        Check(Padding, "padding");
        Check(Image, "image placeholder");
        if (Pattern is not null) PreTokenizer.Named(Pattern);
    }

    private static void Check(IReadOnlyList<string> names, string what)
    {
        if (names is not { Count: > 0 } || names.Any(string.IsNullOrEmpty)) throw new ArgumentException($"the token of the {what} needs a name that is not empty");
    }
}
