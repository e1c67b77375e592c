namespace MM1.Native.Data;

/// <summary>
/// LLaVA's instruction data, a JSON list or JSON lines: <c>{"id", "image"?, "conversations": [{"from": "human"|"gpt", "value"}]}</c>. <c>&lt;image&gt;</c> in a value marks where an image
/// stands; <c>image</c> is a path or a list of them. Tokens of gpt's turns are targets, all others are context.
/// </summary>
public sealed class LlavaFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "llava";

    /// <inheritdoc/>
    public string Summary => "conversations about images (LLaVA): JSON list or JSON lines of 'id', 'image' and 'conversations'";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused(("split", options.Split is not null), ("textKey", options.TextKey is not null), ("prompt", options.Prompt is not null),
            ("imagePath", options.ImagePath is not null), ("captions", options.Captions != CaptionChoice.Each), ("sentences", options.Sentences));
        AnnotationRecords records = AnnotationRecords.Open(options, cancellationToken);
        ImageFiles images = ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken);
        return new AnnotationSource(options, records.Count, (_, index) => Read(options, records, images, index));
    }

    private static Document Read(SourceOptions options, AnnotationRecords records, ImageFiles images, int index)
    {
        using JsonRecord record = records.Read(index);
        string where = record.Root.Find("id") is { } id ? $"{record.Where} (id '{id.Name()}')" : record.Where;
        var given = new List<IImageSource>();
        if (record.Root.Find(options.ImageKey ?? "image") is { } image)
        {
            if (!image.IsList) given.Add(images.Need(image.Text(), where));
            else foreach (JsonValue item in image.List().Items()) given.Add(images.Need(item.Text(), where));
        }
        JsonValue[] turns = [.. record.Root.List("conversations").Items()];
        return Conversation.Build(options, where, given, [.. turns.Select(static turn => (turn.Text("from"), turn.Text("value")))]);
    }
}

/// <summary>A conversation of turns to a document, however it is stored.</summary>
internal static class Conversation
{
    private const string Marker = "<image>";

    /// <summary>
    /// USER: [image] question ASSISTANT: answer TurnEnd USER: ...; white space around a marker goes with it. The end of the last turn is the document's end.
    /// </summary>
    /// <exception cref="BadDocumentException">Markers and images differ in number, a speaker is unknown, or nobody answers.</exception>
    internal static Document Build(SourceOptions options, string where, List<IImageSource> images, IReadOnlyList<(string From, string Value)> turns)
    {
        int marked = turns.Sum(static turn => Count(turn.Value));
        if (marked != images.Count)
            throw Bad(where, $"the conversation marks {marked} image(s) by {Marker} and {images.Count} are given; the numbers must be equal");
        var segments = new List<Segment>();
        int image = 0, answers = 0;
        for (int i = 0; i < turns.Count; i++)
        {
            (string from, string value) = turns[i];
            switch (from)
            {
                case "human" or "user":
                    Add(segments, options.UserPrefix, LossRole.Context);
                    image = AddValue(segments, value, LossRole.Context, images, image);
                    break;
                case "gpt" or "assistant":
                    Add(segments, options.AssistantPrefix, LossRole.Context);
                    image = AddValue(segments, i + 1 < turns.Count ? value.TrimEnd() + options.TurnEnd : value, LossRole.Target, images, image);
                    if (!string.IsNullOrWhiteSpace(value)) answers++;
                    break;
                case "system":
                    image = AddValue(segments, value, LossRole.Context, images, image);
                    break;
                default:
                    throw Bad(where, $"turn {i} is from '{from}'; human, gpt and system are known");
            }
        }
        return answers > 0 ? new Document(options.Name, where, segments) : throw Bad(where, "no turn of gpt has a text, so there is nothing to learn");
    }

    private static int AddValue(List<Segment> segments, string value, LossRole role, List<IImageSource> images, int image)
    {
        string[] parts = value.Split(Marker);
        for (int i = 0; i < parts.Length; i++)
        {
            ReadOnlySpan<char> part = parts[i];
            if (i > 0) part = part.TrimStart();
            if (i + 1 < parts.Length) part = part.TrimEnd();
            Add(segments, part.ToString(), role);
            if (i + 1 < parts.Length) segments.Add(new ImageSegment(images[image++]));
        }
        return image;
    }

    private static void Add(List<Segment> segments, string text, LossRole role)
    {
        if (text.Length > 0) segments.Add(new TextSegment(text, role));
    }

    private static int Count(string value) => (value.Length - value.Replace(Marker, "", StringComparison.Ordinal).Length) / Marker.Length;

    private static BadDocumentException Bad(string where, string what) => new(JsonRecord.Schema, $"{where}: {what}", where);
}
