using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>JSON lines with a text: <c>{"text": "..."}</c>.</summary>
public sealed class JsonTextFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "jsonl";

    /// <inheritdoc/>
    public string Summary => "JSON lines with a text under a key (text)";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("images", options.Images is not null), ("split", options.Split is not null), ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        return new Source(options, cancellationToken);
    }

    private sealed class Source(SourceOptions options, CancellationToken cancellationToken) : JsonLinesSource(options, cancellationToken)
    {
        private readonly string _key = options.TextKey ?? "text";

        protected override Document Parse(string id, JsonElement line) => new(Name, id, [new TextSegment(JsonFields.Text(line, id, _key))]);
    }
}

/// <summary>Images with captions in JSON lines: <c>{"image": "a.jpg", "caption": "..."}</c>, or the file itself in base64 as <c>image_base64</c>.</summary>
public sealed class CaptionLinesFormat : IDocumentFormat
{
    private static readonly string[] ImageKeys = ["image", "file_name", "path"];
    private static readonly string[] Base64Keys = ["image_base64"];
    private static readonly string[] TextKeys = ["caption", "text"];

    /// <inheritdoc/>
    public string Name => "captions";

    /// <inheritdoc/>
    public string Summary => "Images with captions in JSON lines: image (file_name, path; image_base64 for the file itself) and caption (text)";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("split", options.Split is not null), .. options.AnnotationMembers]);
        return new Source(options, cancellationToken);
    }

    private sealed class Source : JsonLinesSource
    {
        private readonly ImageFiles _images;
        private readonly string[] _imageKeys;
        private readonly string[] _textKeys;

        internal Source(SourceOptions options, CancellationToken cancellationToken) : base(options, cancellationToken)
        {
            _images = ImageFiles.Open(options, Folder, cancellationToken);
            _imageKeys = options.ImageKey is { } image ? [image] : ImageKeys;
            _textKeys = options.TextKey is { } text ? [text] : TextKeys;
        }

        protected override Document Parse(string id, JsonElement line)
        {
            string caption = JsonFields.Text(line, id, _textKeys).Trim();
            if (caption.Length == 0) throw new BadDocumentException("empty caption", $"{id}: the caption is empty", id);
            DocumentProblem? problem;
            IImageSource? found = JsonFields.TryFind(line, Base64Keys, out _, out _)
                ? ImageFiles.FindBase64(JsonFields.Text(line, id, Base64Keys), out problem)
                : _images.Find(JsonFields.Text(line, id, _imageKeys), out problem);
            IImageSource image = found ?? throw new BadDocumentException(problem!.Cause, $"{id}: {problem.Message}", id);
            return new Document(Name, id, [new ImageSegment(image), new TextSegment(caption)]);
        }
    }
}

/// <summary>
/// Documents as <see cref="JsonLinesWriter"/> writes them: <c>images</c> and <c>texts</c> of equal length, exactly one of the two not null at each place, and <c>targets</c> that
/// tells which texts count in the loss (all where it is left out). Names of images are relative to the file, or to <see cref="SourceOptions.Images"/>.
/// </summary>
public sealed class DocumentLinesFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "documents";

    /// <inheritdoc/>
    public string Summary => "Interleaved documents in JSON lines: images, texts, targets (what 'mm1 data make' writes)";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("split", options.Split is not null), ("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        return new Source(options, cancellationToken);
    }

    private sealed class Source : JsonLinesSource
    {
        private readonly ImageFiles _images;
        private readonly bool _besideFile;

        internal Source(SourceOptions options, CancellationToken cancellationToken) : base(options, cancellationToken)
        {
            _images = ImageFiles.Open(options, Folder, cancellationToken);
            _besideFile = options.Images is null;
        }

        protected override Document Parse(string id, JsonElement line)
        {
            JsonElement images = JsonFields.List(line, id, "images"), texts = JsonFields.List(line, id, "texts");
            int count = texts.GetArrayLength();
            if (images.GetArrayLength() != count) throw JsonFields.Schema(id, $"'images' has {images.GetArrayLength()} entries and 'texts' {count}");
            bool hasTargets = line.TryGetProperty("targets", out _);
            JsonElement targets = hasTargets ? JsonFields.List(line, id, "targets") : default;
            if (hasTargets && targets.GetArrayLength() != count) throw JsonFields.Schema(id, $"'targets' has {targets.GetArrayLength()} entries and 'texts' {count}");
            string folder = _besideFile ? Path.GetDirectoryName(id[..id.LastIndexOf(':')])!.Replace('\\', '/') : "";
            var segments = new List<Segment>();
            List<DocumentProblem>? problems = null;
            for (int i = 0; i < count; i++)
            {
                bool isText = texts[i].ValueKind != JsonValueKind.Null;
                if (isText == (images[i].ValueKind != JsonValueKind.Null)) throw JsonFields.Schema(id, $"place {i} has {(isText ? "both a text and an image" : "neither text nor image")}");
                if (isText)
                {
                    bool target = true;
                    if (hasTargets)
                    {
                        if (targets[i].ValueKind is not (JsonValueKind.True or JsonValueKind.False)) throw JsonFields.Schema(id, $"'targets' has {JsonFields.Describe(targets[i].ValueKind)} at place {i}");
                        target = targets[i].GetBoolean();
                    }
                    segments.Add(new TextSegment(JsonFields.AsText(texts[i], id, $"'texts' at place {i}"), target ? LossRole.Target : LossRole.Context));
                    continue;
                }
                string reference = JsonFields.AsText(images[i], id, $"'images' at place {i}");
                if (folder.Length > 0 && reference.Length > 0 && !reference.StartsWith("data:", StringComparison.OrdinalIgnoreCase) && !ImageFiles.IsUrl(reference) && !Path.IsPathRooted(reference))
                    reference = folder + "/" + reference;
                if (_images.Find(reference, out DocumentProblem? problem) is { } image) segments.Add(new ImageSegment(image));
                else (problems ??= []).Add(problem!);
            }
            if (segments.Count == 0 && problems is not null) throw new BadDocumentException(problems[0].Cause, $"{id}: nothing of the document is left: {problems[0].Message}", id);
            return new Document(Name, id, segments, problems);
        }
    }
}
