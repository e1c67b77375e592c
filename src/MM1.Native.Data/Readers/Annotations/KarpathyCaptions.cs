namespace MM1.Native.Data;

/// <summary>
/// Karpathy's splits: <c>{"images": [{"filepath", "filename", "cocoid", "split", "sentences": [{"raw"}]}]}</c>. Images are <c>filepath/filename</c>.
/// </summary>
internal sealed class KarpathyCaptions : CaptionRecords
{
    private readonly ElementRecords _images;
    private readonly List<int> _ends = []; // captions up to and with each image
    private readonly Template? _path;

    internal KarpathyCaptions(SourceOptions options, CancellationToken cancellationToken) : base(options, cancellationToken)
    {
        _path = options.ImagePath is null ? null : new Template(options, "imagePath", options.ImagePath, "filepath", "filename", "id");
        IReadOnlyList<string> paths = Folder.Files(options.Paths);
        if (paths.Count > 1) throw options.Refuse($"format 'karpathy' reads one file, and the paths name {paths.Count}");
        PooledFile file = new FilePool().Add(Folder.Resolve(paths[0]), paths[0]);
        _images = new ElementRecords(file, "images");
        var splits = new SortedSet<string>(StringComparer.Ordinal);
        int captions = 0;
        JsonElements elements = JsonElements.Visit(file, JsonLayout.Members, ["images"], (_, start, element) =>
        {
            // A record without a split is kept: reading it says what is wrong with it.
            if (options.Split is not null && JsonScan.Name(element, "split"u8) is { } split && splits.Add(split) | split != options.Split && split != options.Split) return;
            _images.Add(start, element.Length);
            _ends.Add(captions += Math.Max(1, JsonScan.Count(element, "sentences"u8)));
        }, cancellationToken);
        if (!elements.Has(0)) throw new InvalidDataException($"{paths[0]}: 'images' is not there; the keys are {string.Join(", ", elements.Keys.Take(10))}");
        if (options.Split is not null && splits.Count > 0 && !splits.Contains(options.Split))
            throw options.Refuse($"{paths[0]} has no split '{options.Split}'; it has {string.Join(", ", splits)}");
    }

    public override int Count => _images.Count;

    public override int CaptionCount => _ends.Count == 0 ? 0 : _ends[^1];

    public override CaptionedImage Read(int index)
    {
        using JsonRecord record = _images.Read(index);
        (string id, IImageSource image) = ReadImage(record);
        return new CaptionedImage(id, image, [.. record.Root.List("sentences").Items().Select(static sentence => NeedText(sentence.Get("raw", "a string")))]);
    }

    private protected override string Where(int index) => _images.Where(index);

    private protected override Document ReadCaption(string source, int caption)
    {
        int index = _ends.BinarySearch(caption + 1);
        if (index < 0) index = ~index;
        int place = caption - (index == 0 ? 0 : _ends[index - 1]);
        using JsonRecord record = _images.Read(index);
        JsonList sentences = record.Root.List("sentences");
        if (sentences.Count == 0) throw new BadDocumentException("empty", $"{record.Where}: 'sentences' is empty", record.Where);
        if (place >= sentences.Count)
            throw new BadDocumentException(JsonRecord.Schema, $"{record.Where}: 'sentences' has {sentences.Count} entries where {place + 1} were counted: the key stands there twice, or the file changed", record.Where);
        string text = NeedText(sentences.Items().ElementAt(place).Get("raw", "a string"));
        (string id, IImageSource image) = ReadImage(record);
        return Pair(source, $"{id}/{place}", image, text);
    }

    private (string Id, IImageSource Image) ReadImage(JsonRecord record)
    {
        record.Root.Text("split");
        string file = record.Root.Text("filename");
        string id = (record.Root.Find("cocoid") ?? record.Root.Find("imgid"))?.Name() ?? file;
        string folder = record.Root.Find("filepath")?.Text() ?? ""; // the files for Flickr have none
        return (id, Images.Need(_path?.Format(folder, file, id) ?? (folder.Length > 0 ? $"{folder}/{file}" : file), record.Where));
    }
}
