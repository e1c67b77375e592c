namespace MM1.Native.Data;

/// <summary>
/// Text to token ids and back. Lossless: <c>Decode(Encode(text)) == text</c> for every string, lone surrogates included, but for
/// <see cref="SentencePieceTokenizer"/>, whose format writes a space as <c>▁</c> (a <c>▁</c> of the text comes back as a space) and may
/// put a space before every text (tokens of two texts after one another decode with a space between). Special tokens never come out
/// of <see cref="Encode"/>, whatever the text says. Implementations are safe for several threads.
/// </summary>
public interface ITokenizer
{
    /// <summary>Ids are in [0, VocabularySize).</summary>
    int VocabularySize { get; }

    /// <summary>Fills what no document fills.</summary>
    int PaddingId { get; }

    /// <summary>Ends every document.</summary>
    int DocumentEndId { get; }

    /// <summary>Holds the place of one row of the connector's output.</summary>
    int ImageId { get; }

    /// <summary>
    /// The token of one line feed: ends an answer, and is where generation of one stops. A text's line feed may also stand inside of
    /// another token (GPT-2 has one of two line feeds, GPT-4's files have one of a full stop and a line feed).
    /// </summary>
    int NewlineId { get; }

    /// <summary>Appends the tokens of a text.</summary>
    void Encode(ReadOnlySpan<char> text, List<int> tokens);

    /// <summary>The text of tokens; special tokens have none.</summary>
    string Decode(ReadOnlySpan<int> tokens);

    /// <summary>A token as one shows it to a person, special ones included: <c>red</c>, <c>&lt;image&gt;</c>, <c>&lt;0x2A&gt;</c>.</summary>
    string Describe(int token);

    /// <summary>Writes everything that <see cref="TokenizerFile.Load"/> needs, as one JSON file that gives the same ids.</summary>
    void Save(string path);
}

/// <summary>Conveniences over <see cref="ITokenizer"/>.</summary>
public static class TokenizerExtensions
{
    /// <summary>The tokens of a text.</summary>
    public static int[] Encode(this ITokenizer tokenizer, string text)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var tokens = new List<int>();
        tokenizer.Encode(text, tokens);
        return [.. tokens];
    }
}
