using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>Documents that are made of annotation records by a function.</summary>
/// <param name="options">How the source was opened.</param>
/// <param name="count">Documents of an epoch.</param>
/// <param name="read">Makes the document of (epoch, index); thread-safe.</param>
internal sealed class AnnotationSource(SourceOptions options, long count, Func<long, int, Document> read) : IDocumentSource
{
    public string Name => options.Name;

    public long DocumentsPerEpoch => count;

    public string Settings { get; } = SettingsOf(options);

    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if ((ulong)index >= (ulong)count) throw new ArgumentOutOfRangeException(nameof(index), index, $"an epoch of source '{Name}' has {count} documents");
        return read(epoch, (int)index);
    }

    /// <summary>What documents depend on: the bytes of the annotation files, and the options that are not as usual.</summary>
    internal static string SettingsOf(SourceOptions options)
    {
        var folder = new DataFolder(options.Root);
        long bytes = folder.Files(options.Paths).Sum(path => new FileInfo(folder.Resolve(path)).Length);
        var settings = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"));
        foreach ((string member, string? value) in (ReadOnlySpan<(string, string?)>)[("split", options.Split), ("lines", options.Lines), ("textKey", options.TextKey), ("imageKey", options.ImageKey),
            ("prompt", options.Prompt), ("imagePath", options.ImagePath), ("captions", options.Captions == CaptionChoice.Each ? null : options.Captions.ToString()),
            ("sentences", options.Sentences ? "true" : null)])
            if (value is not null) settings.Append(CultureInfo.InvariantCulture, $", {member} {value}");
        if (options.ChatMembers.Any(static member => member.IsSet)) settings.Append(CultureInfo.InvariantCulture, $", turns {options.UserPrefix}|{options.AssistantPrefix}|{options.TurnEnd}");
        return settings.ToString();
    }
}

/// <summary>
/// Puts a document together piece by piece. An image that is not there is left out and reported: the texts of a web page stand without it.
/// </summary>
/// <param name="images">Where images are found.</param>
/// <param name="where">File and place, for messages.</param>
/// <param name="separator">Stands between texts that follow each other.</param>
internal sealed class InterleavedBuilder(ImageFiles images, string where, string separator)
{
    private readonly List<Segment> _segments = [];
    private List<DocumentProblem>? _problems;

    /// <summary>Adds a text; blank ones are left out.</summary>
    internal void Text(string text)
    {
        if (string.IsNullOrWhiteSpace(text)) return;
        if (_segments.Count > 0 && _segments[^1] is TextSegment last) _segments[^1] = new TextSegment(last.Text + separator + text);
        else _segments.Add(new TextSegment(text));
    }

    /// <summary>Adds the image of a reference.</summary>
    internal void Image(string reference) => Add(images.Find(reference, out DocumentProblem? problem), problem);

    /// <summary>Adds an image, or the reason why there is none.</summary>
    internal void Add(IImageSource? image, DocumentProblem? problem)
    {
        if (image is not null) _segments.Add(new ImageSegment(image));
        else (_problems ??= []).Add(problem! with { Message = $"{where}: {problem.Message}" });
    }

    /// <summary>The document.</summary>
    /// <exception cref="BadDocumentException">Neither a text nor an image is left.</exception>
    internal Document Build(string source)
    {
        if (_segments.Count > 0) return new Document(source, where, _segments, _problems);
        throw _problems is null ? new BadDocumentException("empty", $"{where}: the document has neither text nor image", where)
            : new BadDocumentException(_problems[0].Cause, $"{where}: the document has no text, and none of its {_problems.Count} images can be used; the first: {_problems[0].Message[(where.Length + 2)..]}", where);
    }
}

/// <summary>Images without which a record means nothing.</summary>
internal static class NeededImage
{
    /// <summary>The image of a reference.</summary>
    /// <exception cref="BadDocumentException">There is none; with the cause of the problem.</exception>
    internal static IImageSource Need(this ImageFiles images, string reference, string where) =>
        images.Find(reference, out DocumentProblem? problem) ?? throw new BadDocumentException(problem!.Cause, $"{where}: {problem.Message}", where);
}
