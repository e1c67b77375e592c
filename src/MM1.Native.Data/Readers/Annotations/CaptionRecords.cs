namespace MM1.Native.Data;

/// <summary>An image with its captions.</summary>
/// <param name="Id">The image's name in its data set.</param>
/// <param name="Image">The image.</param>
/// <param name="Captions">What people wrote about it, in the order of the file.</param>
public sealed record CaptionedImage(string Id, IImageSource Image, IReadOnlyList<string> Captions);

/// <summary>
/// Captioned images of an annotation file (COCO captions, NoCaps, Karpathy's splits, TextCaps), by number: for evaluation, which needs all captions of an image, and for documents.
/// Thread-safe; offsets of records are kept, about 50 bytes a caption, and records are read from disk when asked for.
/// </summary>
public abstract class CaptionRecords
{
    private readonly SourceOptions _options;

    private protected CaptionRecords(SourceOptions options, CancellationToken cancellationToken)
    {
        _options = options;
        options.RefuseUnused([("lines", options.Lines is not null), ("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null),
            ("prompt", options.Prompt is not null), ("sentences", options.Sentences), .. options.ChatMembers]);
        Folder = new DataFolder(options.Root);
        Images = ImageFiles.Open(options, Folder, cancellationToken);
    }

    /// <summary>Images; of those records that a split leaves.</summary>
    public abstract int Count { get; }

    /// <summary>Captions of all images.</summary>
    public abstract int CaptionCount { get; }

    /// <summary>The data folder.</summary>
    private protected DataFolder Folder { get; }

    /// <summary>Where images are found.</summary>
    private protected ImageFiles Images { get; }

    /// <summary>Opens the annotation files of a source, whose format is <c>coco-captions</c>, <c>nocaps</c>, <c>karpathy</c> or <c>textcaps</c>.</summary>
    /// <exception cref="ArgumentException">The format is another, or an option is not right for it.</exception>
    /// <exception cref="IOException">A file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file as a whole is not what the format asks for.</exception>
    public static CaptionRecords Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        CaptionRecords records = options.Format switch
        {
            "coco-captions" => new CocoCaptions(options, null, cancellationToken),
            "nocaps" => new CocoCaptions(options, "domain", cancellationToken),
            "karpathy" => new KarpathyCaptions(options, cancellationToken),
            "textcaps" => new TextCaps(options, cancellationToken),
            _ => throw options.Refuse($"format '{options.Format}' has no captioned images; coco-captions, nocaps, karpathy and textcaps have"),
        };
        if (records.Count > 0) return records;
        throw new InvalidDataException($"source '{options.Name}': {string.Join(", ", options.Paths)}: there are no images{(options.Split is null ? "" : $" of split '{options.Split}'")}");
    }

    /// <summary>An image and all its captions.</summary>
    /// <exception cref="BadDocumentException">The record is not as it should be, or the image is not there.</exception>
    public abstract CaptionedImage Read(int index);

    /// <summary>The documents: an image and a caption.</summary>
    internal IDocumentSource Documents()
    {
        if (_options.Captions == CaptionChoice.Each)
        {
            if (CaptionCount == 0) throw new InvalidDataException($"source '{_options.Name}': {string.Join(", ", _options.Paths)}: there are no captions");
            return new AnnotationSource(_options, CaptionCount, (_, index) => ReadCaption(_options.Name, index));
        }
        return new AnnotationSource(_options, Count, (epoch, index) =>
        {
            CaptionedImage image = Read(index);
            if (image.Captions.Count == 0) throw new BadDocumentException("empty", $"{Where(index)}: image '{image.Id}' has no caption", Where(index));
            int chosen = _options.Captions == CaptionChoice.First ? 0 : (int)(epoch % image.Captions.Count);
            return Pair(_options.Name, $"{image.Id}/{chosen}", image.Image, image.Captions[chosen]);
        });
    }

    /// <summary>File and place of an image's record.</summary>
    private protected abstract string Where(int index);

    /// <summary>A single caption with its image.</summary>
    private protected abstract Document ReadCaption(string source, int caption);

    private protected static Document Pair(string source, string id, IImageSource image, string caption) => new(source, id, [new ImageSegment(image), new TextSegment(caption)]);

    private protected static string NeedText(JsonValue caption)
    {
        string text = caption.Text();
        return string.IsNullOrWhiteSpace(text) ? throw caption.Bad("is blank; a caption is expected") : text.Trim();
    }
}

/// <summary>Pairs of an image and a caption of one of the annotation files that <see cref="CaptionRecords"/> reads.</summary>
/// <param name="name">The format's name.</param>
/// <param name="summary">What it is.</param>
public sealed class CaptionFormat(string name, string summary) : IDocumentFormat
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<CaptionFormat> All { get; } =
    [
        new("coco-captions", "COCO captions: 'images' and 'annotations' joined by image_id"),
        new("nocaps", "NoCaps: as COCO; a split is a domain (in-domain, near-domain, out-domain)"),
        new("karpathy", "Karpathy's dataset_coco.json: images with 'sentences' and 'split' (train, restval, val, test)"),
        new("textcaps", "TextCaps: 'data' with image_id, caption_str and reference_strs"),
    ];

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public string Summary => summary;

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default) => CaptionRecords.Open(options, cancellationToken).Documents();
}
