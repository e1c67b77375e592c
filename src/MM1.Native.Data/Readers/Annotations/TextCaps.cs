namespace MM1.Native.Data;

/// <summary>TextCaps: <c>{"data": [{"image_id", "caption_str", "reference_strs"}]}</c>, a record for each caption. Images are <c>{image}.jpg</c>.</summary>
internal sealed class TextCaps : CaptionRecords
{
    private const string DefaultPath = "{image}.jpg";
    private readonly List<(ElementRecords Records, int Index)> _captions = [];
    private readonly List<int> _images = []; // the first caption of each image
    private readonly Template _path;

    internal TextCaps(SourceOptions options, CancellationToken cancellationToken) : base(options, cancellationToken)
    {
        options.RefuseUnused(("split", options.Split is not null));
        _path = new Template(options, "imagePath", options.ImagePath ?? DefaultPath, "image");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var pool = new FilePool();
        foreach (string path in Folder.Files(options.Paths))
        {
            PooledFile file = pool.Add(Folder.Resolve(path), path);
            var records = new ElementRecords(file, "data");
            JsonElements elements = JsonElements.Visit(file, JsonLayout.Members, ["data"], (_, start, element) =>
            {
                if (JsonScan.Name(element, "image_id"u8) is not { } image || seen.Add(image)) _images.Add(_captions.Count);
                _captions.Add((records, records.Count));
                records.Add(start, element.Length);
            }, cancellationToken);
            if (!elements.Has(0)) throw new InvalidDataException($"{path}: 'data' is not there; the keys are {string.Join(", ", elements.Keys.Take(10))}");
        }
    }

    public override int Count => _images.Count;

    public override int CaptionCount => _captions.Count;

    /// <inheritdoc/>
    /// <remarks>The captions are <c>reference_strs</c> of the image's first record, which lists all of them.</remarks>
    public override CaptionedImage Read(int index)
    {
        (ElementRecords records, int place) = _captions[_images[index]];
        using JsonRecord record = records.Read(place);
        (string id, IImageSource image) = ReadImage(record);
        return new CaptionedImage(id, image, [.. record.Root.List("reference_strs").Items().Select(static caption => NeedText(caption))]);
    }

    private protected override string Where(int index) => _captions[_images[index]].Records.Where(_captions[_images[index]].Index);

    private protected override Document ReadCaption(string source, int caption)
    {
        (ElementRecords records, int place) = _captions[caption];
        using JsonRecord record = records.Read(place);
        string text = NeedText(record.Root.Get("caption_str", "a string"));
        (string id, IImageSource image) = ReadImage(record);
        return Pair(source, $"{id}/{place}", image, text);
    }

    private (string Id, IImageSource Image) ReadImage(JsonRecord record)
    {
        string id = record.Root.Name("image_id");
        return (id, Images.Need(_path.Format(id), record.Where));
    }
}
