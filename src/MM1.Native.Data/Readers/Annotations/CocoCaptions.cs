namespace MM1.Native.Data;

/// <summary>
/// COCO captions: <c>{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id", "caption"}]}</c>. Several files are read as one; images and captions may be in different ones.
/// </summary>
internal sealed class CocoCaptions : CaptionRecords
{
    private readonly List<(ElementRecords Records, int Index)> _images = [];
    private readonly List<ElementRecords> _annotationFiles = [];
    private readonly int[] _file;    // by caption
    private readonly int[] _record;  // by caption: its place in the file
    private readonly int[] _imageOf; // by caption; -1 where it has no image
    private readonly int[] _first;   // by image: where its captions begin in _order
    private readonly int[] _order;   // captions by image
    private readonly Template? _path;

    internal CocoCaptions(SourceOptions options, string? splitKey, CancellationToken cancellationToken) : base(options, cancellationToken)
    {
        if (splitKey is null && options.Split is not null)
            throw options.Refuse("format 'coco-captions' has a file for each split; leave 'split' out and name the file (karpathy has splits in one file)");
        _path = options.ImagePath is null ? null : new Template(options, "imagePath", options.ImagePath, "file", "id");
        var imageByName = new Dictionary<string, int>(StringComparer.Ordinal);
        var leftOut = new HashSet<string>(StringComparer.Ordinal);
        List<string?> imageNames = [];
        List<int> files = [], places = [];
        byte[] split = System.Text.Encoding.UTF8.GetBytes(splitKey ?? "");
        var pool = new FilePool();
        foreach (string path in Folder.Files(options.Paths))
        {
            PooledFile file = pool.Add(Folder.Resolve(path), path);
            ElementRecords images = new(file, "images"), annotations = new(file, "annotations");
            JsonElements elements = JsonElements.Visit(file, JsonLayout.Members, ["images", "annotations"], (member, start, element) =>
            {
                if (member == 1)
                {
                    annotations.Add(start, element.Length);
                    imageNames.Add(JsonScan.Name(element, "image_id"u8));
                    files.Add(_annotationFiles.Count);
                    places.Add(annotations.Count - 1);
                    return;
                }
                string? name = JsonScan.Name(element, "id"u8);
                if (splitKey is not null && options.Split is not null && name is not null && JsonScan.Name(element, split) is { } part && part != options.Split)
                {
                    leftOut.Add(name);
                    return;
                }
                images.Add(start, element.Length);
                if (name is not null && !imageByName.TryAdd(name, _images.Count))
                    throw new InvalidDataException($"{path}: images[{images.Count - 1}]: the id {name} stands there twice");
                _images.Add((images, images.Count - 1));
            }, cancellationToken);
            if (!elements.Has(0) && !elements.Has(1))
                throw new InvalidDataException($"{path}: neither 'images' nor 'annotations' are there; the keys are {string.Join(", ", elements.Keys.Take(10))}");
            _annotationFiles.Add(annotations);
        }
        int[] kept = [.. Enumerable.Range(0, imageNames.Count).Where(i => imageNames[i] is not { } name || !leftOut.Contains(name))];
        _file = [.. kept.Select(i => files[i])];
        _record = [.. kept.Select(i => places[i])];
        _imageOf = [.. kept.Select(i => imageNames[i] is { } name && imageByName.TryGetValue(name, out int image) ? image : -1)];
        (_first, _order) = ByImage(_imageOf, _images.Count);
    }

    public override int Count => _images.Count;

    public override int CaptionCount => _record.Length;

    public override CaptionedImage Read(int index)
    {
        (string id, IImageSource image) = ReadImage(index);
        var captions = new string[_first[index + 1] - _first[index]];
        for (int i = 0; i < captions.Length; i++) captions[i] = ReadText(_order[_first[index] + i]).Text;
        return new CaptionedImage(id, image, captions);
    }

    private protected override string Where(int index) => _images[index].Records.Where(_images[index].Index);

    private protected override Document ReadCaption(string source, int caption)
    {
        (string name, string text) = ReadText(caption);
        if (_imageOf[caption] < 0) // the record is sound, so its image is missing among the images
        {
            string where = _annotationFiles[_file[caption]].Where(_record[caption]);
            throw new BadDocumentException(JsonRecord.Schema, $"{where}: no image has the id that 'image_id' names", where);
        }
        (string id, IImageSource image) = ReadImage(_imageOf[caption]);
        return Pair(source, $"{id}/{name}", image, text);
    }

    private (string Name, string Text) ReadText(int caption)
    {
        using JsonRecord record = _annotationFiles[_file[caption]].Read(_record[caption]);
        record.Root.Name("image_id");
        return (record.Root.Find("id")?.Name() ?? $"{_record[caption]}", NeedText(record.Root.Get("caption", "a string")));
    }

    private (string Id, IImageSource Image) ReadImage(int index)
    {
        using JsonRecord record = _images[index].Records.Read(_images[index].Index);
        string id = record.Root.Name("id");
        string file = _path is null || _path.Uses(0) ? record.Root.Text("file_name") : "";
        return (id, Images.Need(_path?.Format(file, id) ?? file, record.Where));
    }

    /// <summary>The captions of each image: those of image i are order[first[i]..first[i + 1]], in the order of the file.</summary>
    private static (int[] First, int[] Order) ByImage(int[] imageOf, int images)
    {
        var first = new int[images + 1];
        foreach (int image in imageOf)
            if (image >= 0) first[image + 1]++;
        for (int i = 0; i < images; i++) first[i + 1] += first[i];
        var order = new int[first[images]];
        int[] next = first[..images];
        for (int caption = 0; caption < imageOf.Length; caption++)
            if (imageOf[caption] is >= 0 and int image) order[next[image]++] = caption;
        return (first, order);
    }
}
