namespace MM1.Native.Data;

/// <summary>
/// OBELICS as JSON lines: <c>images</c> and <c>texts</c> of equal length, exactly one of the two not null at each place. Images are paths; URLs are reported and left out.
/// <c>metadata</c> and all other keys are passed over.
/// </summary>
public sealed class ObelicsFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "obelics";

    /// <inheritdoc/>
    public string Summary => "web documents as JSON lines of 'images' and 'texts', one of the two null at each place";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("split", options.Split is not null), ("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        AnnotationRecords records = AnnotationRecords.Open(options, cancellationToken);
        ImageFiles images = ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken);
        return new AnnotationSource(options, records.Count, (_, index) => Read(options.Name, records, images, index));
    }

    private static Document Read(string source, AnnotationRecords records, ImageFiles images, int index)
    {
        using JsonRecord record = records.Read(index);
        JsonList references = record.Root.List("images"), texts = record.Root.List("texts");
        return ObelicsDocument.Build(source, record.Where, images,
            [.. references.Items().Select(static item => item.IsNull ? null : item.Text())], [.. texts.Items().Select(static item => item.IsNull ? null : item.Text())]);
    }
}

/// <summary>A document of OBELICS from its columns, however they are stored.</summary>
internal static class ObelicsDocument
{
    /// <summary>Between the texts of nodes that follow each other, as the data set itself joins them.</summary>
    private const string NodeSeparator = "\n\n";

    /// <exception cref="BadDocumentException">The lists do not belong together, or nothing is left.</exception>
    internal static Document Build(string source, string where, ImageFiles images, IReadOnlyList<string?> references, IReadOnlyList<string?> texts)
    {
        if (references.Count != texts.Count)
            throw new BadDocumentException(JsonRecord.Schema, $"{where}: 'images' has {references.Count} places and 'texts' {texts.Count}; they must be equal", where);
        var document = new InterleavedBuilder(images, where, NodeSeparator);
        for (int i = 0; i < texts.Count; i++)
        {
            if (references[i] is null == texts[i] is null)
                throw new BadDocumentException(JsonRecord.Schema, $"{where}: at place {i} {(texts[i] is null ? "neither image nor text stands" : "both image and text stand")}; exactly one is expected", where);
            if (texts[i] is { } text) document.Text(text);
            else document.Image(references[i]!);
        }
        return document.Build(source);
    }
}
