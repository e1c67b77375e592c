using System.Text;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>
/// WebDataset: tar shards whose members <c>{key}.jpg</c>, <c>{key}.txt</c>, ... make one sample per key. The key is the path up to the first dot of its last part, as the
/// webdataset library has it; members of a sample follow one another. Image and caption are taken; every other member is left in the shard.
/// </summary>
public sealed class WebDatasetFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "webdataset";

    /// <inheritdoc/>
    public string Summary => "WebDataset shards (.tar, .tar.gz): an image and a caption of each key";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("images", options.Images is not null), ("split", options.Split is not null), ("lines", options.Lines is not null), ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        return new WebDatasetSource(options, cancellationToken);
    }
}

/// <summary>Samples of tar shards. Memory: some 60 bytes and the key of each sample.</summary>
internal sealed class WebDatasetSource : IDocumentSource
{
    private const int MaximumTextBytes = 16 << 20;
    private static readonly string[] ImageExtensions = ["jpg", "jpeg", "png", "webp", "gif"];
    private static readonly string[] TextKeys = ["caption", "text"];

    private readonly SourceOptions _options;
    private readonly string[] _images;
    private readonly string _text;
    private readonly string[] _textKeys;
    private readonly List<Shard> _shards = [];
    private readonly List<long> _ends = [];
    private readonly long _bytes;

    internal WebDatasetSource(SourceOptions options, CancellationToken cancellationToken)
    {
        _options = options;
        _images = options.ImageMember is { } member ? [Extension(member)] : ImageExtensions;
        _text = Extension(options.TextMember);
        _textKeys = options.TextKey is { } key ? [key] : TextKeys;
        if (options.TextKey is not null && _text != "json") throw options.Refuse($"'textKey' names a value of a JSON member, and 'textMember' is '{_text}'; set textMember to json");
        var folder = new DataFolder(options.Root);
        var pool = new FilePool();
        var seen = new SortedDictionary<string, long>(StringComparer.Ordinal);
        long count = 0, withImage = 0, withText = 0;
        foreach (string name in folder.Files(options.Paths))
        {
            if (!TarShard.IsTar(name)) throw new InvalidDataException($"{name}: not a WebDataset shard by its name (.tar, .tar.gz or .tgz)");
            var shard = new Shard(TarShard.Open(pool, folder.Resolve(name), name, options, cancellationToken));
            Index(shard, seen, cancellationToken);
            _shards.Add(shard);
            _bytes += shard.Tar.Length;
            _ends.Add(count += shard.Samples.Count);
            foreach (Sample sample in shard.Samples)
            {
                if (sample.ImageSize >= 0) withImage++;
                if (sample.TextSize >= 0) withText++;
            }
        }
        if (withImage > 0 && withText > 0) return;
        string lacks = withImage == 0 ? $"an image (.{string.Join(", .", _images)})" : $"a caption (.{_text})";
        string there = seen.Count == 0 ? "there is no member that belongs to a sample" : $"members there: {string.Join(", ", seen.Take(12).Select(static pair => $".{pair.Key} {pair.Value}"))}";
        throw new InvalidDataException($"source '{Name}': no sample of {string.Join(", ", _options.Paths)} has {lacks}; {there}. Say which with imageMember and textMember");
    }

    /// <inheritdoc/>
    public string Name => _options.Name;

    /// <inheritdoc/>
    public long DocumentsPerEpoch => _ends[^1];

    /// <inheritdoc/>
    public string Settings => $"{_bytes} bytes{SourceOptions.Words(("textMember", _text == "txt" ? null : _text), ("textKey", _options.TextKey), ("imageMember", _options.ImageMember))}";

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        int at = SourceFiles.Find(_ends, index);
        Shard shard = _shards[at];
        Sample sample = shard.Samples[(int)(index - (at == 0 ? 0 : _ends[at - 1]))];
        string key = shard.Key(sample), id = $"{shard.Tar.Name}:{key}";
        if (sample.IsAmbiguous) throw new BadDocumentException("ambiguous", $"{id}: the sample has more than one image or caption; say which with imageMember and textMember", id);
        if (sample.ImageSize < 0) throw new BadDocumentException("no image", $"{id}: the sample has no image (.{string.Join(", .", _images)})", id);
        if (sample.TextSize < 0) throw new BadDocumentException("no caption", $"{id}: the sample has no caption (.{_text})", id);
        string caption = Caption(shard, sample, id);
        if (caption.Length == 0) throw new BadDocumentException("empty caption", $"{id}: the caption is empty", id);
        return new Document(Name, id, [new ImageSegment(new TarImage(shard.Tar, sample.ImageOffset, sample.ImageSize, key)), new TextSegment(caption)]);
    }

    private static string Extension(string member) => member.TrimStart('.').ToLowerInvariant();

    private string Caption(Shard shard, in Sample sample, string id)
    {
        if (sample.TextSize > MaximumTextBytes) throw new BadDocumentException("too large", $"{id}: the caption has {sample.TextSize} bytes; at most {MaximumTextBytes} are read", id);
        byte[] bytes = shard.Tar.Read(sample.TextOffset, sample.TextSize);
        if (_text != "json") return StrictText.Decode(bytes, id).Trim();
        StrictText.Check(bytes, id);
        try
        {
            using JsonDocument json = JsonDocument.Parse(bytes);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new BadDocumentException("json", $"{id}: the JSON member is {JsonFields.Describe(json.RootElement.ValueKind)}, not an object", id);
            return JsonFields.Text(json.RootElement, id, _textKeys).Trim();
        }
        catch (Exception exception) when (JsonFields.IsNoJson(exception))
        {
            throw new BadDocumentException("json", $"{id}: no JSON: {exception.Message}", id);
        }
    }

    private void Index(Shard shard, SortedDictionary<string, long> seen, CancellationToken cancellationToken)
    {
        string? current = null;
        Sample sample = Sample.None;
        foreach (TarMember member in shard.Tar.Members())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!Split(member.Name, out string key, out string extension)) continue;
            if (seen.Count < 100 || seen.ContainsKey(extension)) seen[extension] = seen.GetValueOrDefault(extension) + 1;
            if (key != current)
            {
                if (current is not null) shard.Add(current, sample);
                (current, sample) = (key, Sample.None);
            }
            if (_images.AsSpan().Contains(extension))
                sample = sample with { IsAmbiguous = sample.IsAmbiguous || sample.ImageSize >= 0, ImageOffset = member.Offset, ImageSize = member.Size };
            else if (extension == _text)
                sample = sample with { IsAmbiguous = sample.IsAmbiguous || sample.TextSize >= 0, TextOffset = member.Offset, TextSize = member.Size };
        }
        if (current is not null) shard.Add(current, sample);
    }

    /// <summary>Key and extension of a member; false where it belongs to no sample: no dot, nothing before it, or a name in double underscores.</summary>
    internal static bool Split(string name, out string key, out string extension)
    {
        (key, extension) = ("", "");
        int last = name.LastIndexOf('/') + 1, dot = name.IndexOf('.', last);
        if (dot <= last) return false;
        if (name.AsSpan(last).StartsWith("__") && name.EndsWith("__", StringComparison.Ordinal)) return false; // about the shard, not of a sample
        key = name[..dot];
        extension = name[(dot + 1)..].ToLowerInvariant();
        return true;
    }

    private readonly record struct Sample(long ImageOffset, long ImageSize, long TextOffset, long TextSize, int KeyStart, int KeyLength, bool IsAmbiguous)
    {
        internal static Sample None => new(0, -1, 0, -1, 0, 0, false);
    }

    private sealed class Shard(TarShard tar)
    {
        private readonly List<byte> _keys = [];

        internal TarShard Tar => tar;

        internal List<Sample> Samples { get; } = [];

        internal string Key(in Sample sample) => Encoding.UTF8.GetString(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_keys).Slice(sample.KeyStart, sample.KeyLength));

        internal void Add(string key, in Sample sample)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(key);
            Samples.Add(sample with { KeyStart = _keys.Count, KeyLength = bytes.Length });
            _keys.AddRange(bytes);
        }
    }
}
