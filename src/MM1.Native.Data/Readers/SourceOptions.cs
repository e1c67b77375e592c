using System.Globalization;

namespace MM1.Native.Data;

/// <summary>How a text file becomes documents.</summary>
public enum TextDocuments
{
    /// <summary>Blank lines end a document.</summary>
    BlankLines,
    /// <summary>Every line that is not blank is a document.</summary>
    Lines,
    /// <summary>Documents of <see cref="SourceOptions.DocumentCharacters"/> characters (code points); the last of a file is shorter.</summary>
    Characters,
    /// <summary>Every file is a document.</summary>
    Files,
}

/// <summary>Which of an image's captions become documents.</summary>
public enum CaptionChoice
{
    /// <summary>Each: an image of five captions is in five documents.</summary>
    Each,
    /// <summary>The first.</summary>
    First,
    /// <summary>One an epoch, in turn.</summary>
    Rotate,
}

/// <summary>Where documents come from and how they are read. A format uses the members that mean something to it, and refuses a member that it cannot honour.</summary>
public sealed record SourceOptions
{
    /// <summary>The name in mixtures, statistics and logs.</summary>
    public required string Name { get; init; }

    /// <summary>The name of an <see cref="IDocumentFormat"/>, e.g. <c>webdataset</c>.</summary>
    public required string Format { get; init; }

    /// <summary>The data folder. No path leads out of it.</summary>
    public required string Root { get; init; }

    /// <summary>Files or patterns (<c>*</c>, <c>?</c>, <c>**</c> for folders), relative to <see cref="Root"/>.</summary>
    public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>Folder or tar that holds the images, relative to <see cref="Root"/>; null: image names are relative to the root (default null).</summary>
    public string? Images { get; init; }

    /// <summary>The part of an annotation file that is wanted, e.g. <c>train</c>; null for all of it (default null).</summary>
    public string? Split { get; init; }

    /// <summary>Lines of a text or JSON lines file: <c>"0-3000"</c> is the first 3,000, <c>"3000-"</c> the rest; null for all (default null).</summary>
    public string? Lines { get; init; }

    /// <summary>JSON key of the text or caption; null for the format's usual ones (default null).</summary>
    public string? TextKey { get; init; }

    /// <summary>JSON key of the image; null for the format's usual ones (default null).</summary>
    public string? ImageKey { get; init; }

    /// <summary>Extension of the WebDataset member that holds the caption; of <c>json</c> it is the value of <see cref="TextKey"/> (default txt).</summary>
    public string TextMember { get; init; } = "txt";

    /// <summary>Extension of the WebDataset member that is the image; null for whichever of jpg, jpeg, png, webp, gif is there (default null).</summary>
    public string? ImageMember { get; init; }

    /// <summary>How a text file becomes documents (default: blank lines end them).</summary>
    public TextDocuments TextDocuments { get; init; } = TextDocuments.BlankLines;

    /// <summary>Characters of a document under <see cref="TextDocuments.Characters"/> (default 4096).</summary>
    public int DocumentCharacters { get; init; } = 4096;

    /// <summary>
    /// Path of an image where annotations give only its number or name: <c>COCO_train2014_{image:12}.jpg</c>. The format says which names in braces it has; <c>:12</c> fills a number up with zeros to
    /// 12 digits; null for the format's usual one (default null).
    /// </summary>
    public string? ImagePath { get; init; }

    /// <summary>Words around a question, <c>{question}</c> standing for it; null for the format's usual ones, <c>{question} Short answer:</c> of VQA (default null).</summary>
    public string? Prompt { get; init; }

    /// <summary>Which captions of an image become documents (default each).</summary>
    public CaptionChoice Captions { get; init; } = CaptionChoice.Each;

    /// <summary>NLVR: true sentences as captions of their images, instead of sentence and answer (default false).</summary>
    public bool Sentences { get; init; }

    /// <summary>Conversations: stands before each turn of the user (default <c>USER:</c>, as LLaVA 1.5 has it).</summary>
    public string UserPrefix { get; init; } = "USER:";

    /// <summary>Conversations: stands before each answer (default <c>ASSISTANT:</c>).</summary>
    public string AssistantPrefix { get; init; } = "ASSISTANT:";

    /// <summary>Conversations: ends each answer but the last, which the end of the document ends; a target, so that a model learns to stop (default a line feed).</summary>
    public string TurnEnd { get; init; } = "\n";

    /// <summary>Where compressed shards are expanded once; null for a private folder under the user's temporary one (default null).</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Most bytes that one compressed shard may expand to (default 16 GiB).</summary>
    public long ExpandedLimit { get; init; } = 16L << 30;

    /// <summary>Members that only conversations use.</summary>
    internal (string Member, bool IsSet)[] ChatMembers =>
        [("userPrefix", UserPrefix != "USER:"), ("assistantPrefix", AssistantPrefix != "ASSISTANT:"), ("turnEnd", TurnEnd != "\n")];

    /// <summary>Members that only questions, captions and conversations use.</summary>
    internal (string Member, bool IsSet)[] AnnotationMembers =>
        [("imagePath", ImagePath is not null), ("prompt", Prompt is not null), ("captions", Captions != CaptionChoice.Each), ("sentences", Sentences), .. ChatMembers];

    /// <summary>Options that are set, as the end of <see cref="IDocumentSource.Settings"/>.</summary>
    internal static string Words(params ReadOnlySpan<(string Name, string? Value)> options)
    {
        string words = "";
        foreach ((string name, string? value) in options)
            if (value is not null) words += $", {name} {value}";
        return words;
    }

    /// <summary>An error about the source as a whole.</summary>
    internal ArgumentException Refuse(string message) => new($"source '{Name}': {message}");

    /// <summary>Refuses members that the format cannot honour.</summary>
    /// <param name="unusable">Names of members, and whether each is set.</param>
    internal void RefuseUnused(params ReadOnlySpan<(string Member, bool IsSet)> unusable)
    {
        foreach ((string member, bool isSet) in unusable)
            if (isSet) throw Refuse($"format '{Format}' has no use for '{member}'; leave it out");
    }
}

/// <summary>A range of lines, the first counted as 0.</summary>
/// <param name="Begin">The first line of it.</param>
/// <param name="End">The line after its last.</param>
public readonly record struct LineRange(long Begin, long End)
{
    /// <summary>Every line.</summary>
    public static LineRange All => new(0, long.MaxValue);

    /// <summary>Whether a line is in it.</summary>
    public bool Contains(long line) => line >= Begin && line < End;

    /// <summary>Reads <c>"0-3000"</c>, <c>"3000-"</c> or null for all lines.</summary>
    /// <exception cref="ArgumentException">It is no range, or an empty one.</exception>
    public static LineRange Parse(string? text)
    {
        if (text is null) return All;
        int dash = text.IndexOf('-', StringComparison.Ordinal);
        long end = long.MaxValue;
        if (dash < 1 || !long.TryParse(text.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out long begin)
            || (dash + 1 < text.Length && !long.TryParse(text.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out end)))
            throw new ArgumentException($"lines '{text}' are no range: '0-3000' means the first 3000, '3000-' those after them");
        if (end <= begin) throw new ArgumentException($"lines '{text}' hold nothing: the second number is the line after the last");
        return new LineRange(begin, end);
    }
}
