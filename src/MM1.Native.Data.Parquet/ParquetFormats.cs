namespace MM1.Native.Data;

/// <summary>
/// Formats in parquet files, to be added to those of MM1.Native.Data: <c>DocumentFormats.BuiltIn.With([.. ParquetFormats.All])</c>. <c>obelics</c> and <c>llava</c> of this library take the
/// place of those that read JSON, and leave files that are not called <c>.parquet</c> to them.
/// </summary>
public static class ParquetFormats
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<IDocumentFormat> All { get; } = [new ParquetFormat(), new ParquetObelicsFormat(), new ParquetLlavaFormat()];

    /// <summary>Whether the files of a source are parquet.</summary>
    /// <exception cref="ArgumentException">Some are and some are not.</exception>
    internal static bool AreParquet(SourceOptions options)
    {
        int parquet = options.Paths.Count(static path => path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase));
        if (parquet > 0 && parquet < options.Paths.Count) throw options.Refuse($"{parquet} of the {options.Paths.Count} paths are parquet files and the others are not; make two sources of them");
        return parquet > 0;
    }
}

/// <summary>Images in parquet columns.</summary>
internal static class ParquetImages
{
    /// <summary>The columns of an image: the struct <c>{bytes, path}</c> of Hugging Face's data sets, either member of it, or a column of paths or of bytes.</summary>
    internal static IReadOnlyList<ColumnRequest> Columns(string name, IReadOnlyCollection<string> known, bool isList)
    {
        var columns = new List<ColumnRequest>();
        if (known.Contains($"{name}.bytes")) columns.Add(new ColumnRequest($"{name}.bytes", isList ? ColumnKind.BytesList : ColumnKind.Bytes));
        if (known.Contains($"{name}.path")) columns.Add(new ColumnRequest($"{name}.path", isList ? ColumnKind.TextList : ColumnKind.Text));
        if (columns.Count == 0 && known.Contains(name)) columns.Add(new ColumnRequest(name, isList ? ColumnKind.TextList : ColumnKind.Text));
        return columns;
    }

    /// <summary>The image of a row, or null where it has none.</summary>
    /// <exception cref="BadDocumentException">It has one that is not there.</exception>
    internal static IImageSource? Read(ParquetRows rows, string name, int row, ImageFiles images, string where)
    {
        if (rows.Bytes($"{name}.bytes", row) is { } bytes) return Encoded(bytes, where);
        return (rows.Text($"{name}.path", row) ?? rows.Text(name, row)) is { } path ? images.Need(path, where) : null;
    }

    /// <summary>The images of a row that has a list of them.</summary>
    /// <exception cref="BadDocumentException">One is not there.</exception>
    internal static IEnumerable<IImageSource> ReadList(ParquetRows rows, string name, int row, ImageFiles images, string where)
    {
        byte[]?[] bytes = rows.BytesList($"{name}.bytes", row) ?? [];
        string?[] paths = rows.Texts($"{name}.path", row) ?? rows.Texts(name, row) ?? [];
        for (int i = 0; i < Math.Max(bytes.Length, paths.Length); i++)
        {
            if (i < bytes.Length && bytes[i] is { } file) yield return Encoded(file, where);
            else if (i < paths.Length && paths[i] is { } path) yield return images.Need(path, where);
            else throw new BadDocumentException(JsonRecord.Schema, $"{where}: image {i} of column '{name}' has neither bytes nor a path", where);
        }
    }

    private static EncodedImage Encoded(byte[] bytes, string where) =>
        bytes.Length <= ImageFiles.MaximumBytes ? new EncodedImage(bytes)
        : throw new BadDocumentException(BadImageException.TooLarge, $"{where}: an image of {bytes.Length} bytes; at most {ImageFiles.MaximumBytes} are read", where);
}

/// <summary>
/// Texts, or images with captions. The text's column is <see cref="SourceOptions.TextKey"/>, else <c>text</c> or <c>caption</c>; the image's is <see cref="SourceOptions.ImageKey"/>, else
/// <c>image</c> where there is one: a struct of bytes and path, or a path. Without an image column documents are texts.
/// </summary>
public sealed class ParquetFormat : IDocumentFormat
{
    private const string DefaultImage = "image";

    /// <inheritdoc/>
    public string Name => "parquet";

    /// <inheritdoc/>
    public string Summary => "parquet files of texts, or of images with captions";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("split", options.Split is not null), ("lines", options.Lines is not null), .. options.AnnotationMembers]);
        string text = options.TextKey ?? "text", image = options.ImageKey ?? DefaultImage;
        bool? hasImages = null;
        ParquetTable table = ParquetTable.Open(options, (file, known) =>
        {
            if (options.TextKey is null && hasImages is null && !known.Contains("text") && known.Contains("caption")) text = "caption";
            IReadOnlyList<ColumnRequest> columns = ParquetImages.Columns(image, known, isList: false);
            if (columns.Count == 0 && options.ImageKey is not null) columns = [new ColumnRequest(image, ColumnKind.Text)]; // fails with the list of columns
            if (hasImages is { } before && before != columns.Count > 0)
                throw new InvalidDataException($"{file}: column '{image}' is {(before ? "missing here, and files before have it" : "here, and files before do not have it")}; make two sources of them");
            hasImages = columns.Count > 0;
            return [new ColumnRequest(text, ColumnKind.Text), .. columns];
        }, cancellationToken);
        ImageFiles images = ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken);
        return new ParquetSource(options, table, (rows, row, where) =>
        {
            string caption = rows.Text(text, row) ?? throw new BadDocumentException(JsonRecord.Schema, $"{where}: '{text}' is null", where);
            if (string.IsNullOrWhiteSpace(caption)) throw new BadDocumentException("empty", $"{where}: '{text}' is blank", where);
            if (hasImages == false) return new Document(options.Name, where, [new TextSegment(caption)]);
            IImageSource found = ParquetImages.Read(rows, image, row, images, where) ?? throw new BadDocumentException(BadImageException.Missing, $"{where}: '{image}' is null", where);
            return new Document(options.Name, where, [new ImageSegment(found), new TextSegment(caption.Trim())]);
        });
    }
}

/// <summary>OBELICS: the list columns <c>images</c> and <c>texts</c>, one of the two null at each place. Other files than parquet are read as JSON lines.</summary>
public sealed class ParquetObelicsFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "obelics";

    /// <inheritdoc/>
    public string Summary => "web documents as lists 'images' and 'texts', one of the two null at each place: parquet or JSON lines";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!ParquetFormats.AreParquet(options)) return new ObelicsFormat().Open(options, cancellationToken);
        options.RefuseUnused([("split", options.Split is not null), ("lines", options.Lines is not null), ("textKey", options.TextKey is not null),
            ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        ParquetTable table = ParquetTable.Open(options, static (_, _) => [new ColumnRequest("images", ColumnKind.TextList), new ColumnRequest("texts", ColumnKind.TextList)], cancellationToken);
        ImageFiles images = ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken);
        return new ParquetSource(options, table, (rows, row, where) => ObelicsDocument.Build(options.Name, where, images, Need(rows, "images", row, where), Need(rows, "texts", row, where)));

        static string?[] Need(ParquetRows rows, string column, int row, string where) =>
            rows.Texts(column, row) ?? throw new BadDocumentException(JsonRecord.Schema, $"{where}: '{column}' is null; a list is expected", where);
    }
}

/// <summary>
/// LLaVA-NeXT: <c>id</c>, <c>image</c> (a struct of bytes and path, or a path; or a list <c>images</c> of either) and <c>conversations</c> of <c>from</c> and <c>value</c>. Other files
/// than parquet are read as JSON.
/// </summary>
public sealed class ParquetLlavaFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "llava";

    /// <inheritdoc/>
    public string Summary => "conversations about images (LLaVA): 'id', 'image' and 'conversations' in JSON, JSON lines or parquet";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!ParquetFormats.AreParquet(options)) return new LlavaFormat().Open(options, cancellationToken);
        options.RefuseUnused(("split", options.Split is not null), ("lines", options.Lines is not null), ("textKey", options.TextKey is not null), ("prompt", options.Prompt is not null),
            ("imagePath", options.ImagePath is not null), ("captions", options.Captions != CaptionChoice.Each), ("sentences", options.Sentences));
        string image = options.ImageKey ?? "image";
        ParquetTable table = ParquetTable.Open(options, (_, known) =>
        [
            new ColumnRequest("conversations.from", ColumnKind.TextList), new ColumnRequest("conversations.value", ColumnKind.TextList),
            .. known.Contains("id") ? [new ColumnRequest("id", ColumnKind.Text)] : Array.Empty<ColumnRequest>(),
            .. ParquetImages.Columns(image, known, isList: false), .. ParquetImages.Columns("images", known, isList: true),
        ], cancellationToken);
        ImageFiles images = ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken);
        return new ParquetSource(options, table, (rows, row, where) =>
        {
            if (rows.Text("id", row) is { } id) where = $"{where} (id '{id}')";
            var given = new List<IImageSource>();
            if (ParquetImages.Read(rows, image, row, images, where) is { } single) given.Add(single);
            given.AddRange(ParquetImages.ReadList(rows, "images", row, images, where));
            string?[] from = rows.Texts("conversations.from", row) ?? [], value = rows.Texts("conversations.value", row) ?? [];
            if (from.Length != value.Length || from.Contains(null) || value.Contains(null))
                throw new BadDocumentException(JsonRecord.Schema, $"{where}: a turn of 'conversations' has no 'from' or no 'value'", where);
            return Conversation.Build(options, where, given, [.. from.Zip(value, static (speaker, text) => (speaker!, text!))]);
        });
    }
}

/// <summary>Documents that are made of rows by a function.</summary>
internal sealed class ParquetSource(SourceOptions options, ParquetTable table, Func<ParquetRows, int, string, Document> read) : IDocumentSource
{
    public string Name => options.Name;

    public string Settings { get; } = AnnotationSource.SettingsOf(options);

    public long DocumentsPerEpoch => table.Count;

    /// <summary>Row groups decoded so far.</summary>
    internal int Decoded => table.Decoded;

    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        (ParquetRows rows, int row, string where) = table.Read(index);
        return read(rows, row, where);
    }
}
