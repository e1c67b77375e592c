using System.Formats.Tar;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// Images with captions as WebDataset shards, laid out as img2dataset does: <c>00000.tar</c>, <c>00001.tar</c>, ... with members <c>{key}.png</c> (or jpg, webp, gif),
/// <c>{key}.txt</c>, <c>{key}.json</c>; the key is the shard's five digits and four more. A shard appears under its name when it is complete.
/// </summary>
public sealed class WebDatasetWriter : IDisposable
{
    private static readonly DateTimeOffset Epoch = DateTimeOffset.UnixEpoch;
    private readonly string _folder;
    private readonly int _samplesPerShard;
    private TarWriter? _tar;
    private string _path = "";
    private int _shard = -1;
    private int _inShard;

    /// <summary>Writes into a folder, which is made when it is not there.</summary>
    /// <param name="folder">Where the shards go.</param>
    /// <param name="samplesPerShard">Samples of a shard, 10,000 at most.</param>
    public WebDatasetWriter(string folder, int samplesPerShard = 10_000)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (samplesPerShard is < 1 or > 10_000) throw new ArgumentOutOfRangeException(nameof(samplesPerShard), samplesPerShard, "a shard has 1 to 10,000 samples");
        (_folder, _samplesPerShard) = (Directory.CreateDirectory(folder).FullName, samplesPerShard);
    }

    /// <summary>Samples written.</summary>
    public long Count { get; private set; }

    /// <summary>Writes one sample; returns its key.</summary>
    /// <param name="image">The image: its file as it is where it is one (JPEG, PNG, WebP, GIF), else a PNG.</param>
    /// <param name="caption">The caption.</param>
    /// <param name="json">A JSON object with whatever else is known.</param>
    /// <exception cref="BadImageException">The image cannot be had; nothing was written.</exception>
    public string Write(IImageSource image, string caption, ReadOnlySpan<byte> json)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(caption);
        (ReadOnlyMemory<byte> bytes, string extension) = ImageBytes.Of(image);
        if (_tar is null || _inShard == _samplesPerShard) OpenShard();
        string key = string.Create(CultureInfo.InvariantCulture, $"{_shard:D5}{_inShard:D4}");
        Add(key + "." + extension, bytes);
        Add(key + ".txt", Encoding.UTF8.GetBytes(caption));
        Add(key + ".json", json.ToArray());
        _inShard++;
        Count++;
        return key;
    }

    /// <summary>Completes the last shard: it gets its name.</summary>
    public void Complete() => CloseShard();

    /// <summary>Closes the file. What <see cref="Complete"/> has not completed keeps the ending .part: a writer that failed leaves no shard that looks whole.</summary>
    public void Dispose()
    {
        _tar?.Dispose();
        _tar = null;
    }

    private void Add(string name, ReadOnlyMemory<byte> content)
    {
        MemoryMarshal.TryGetArray(content, out ArraySegment<byte> array);
        using var stream = new MemoryStream(array.Array!, array.Offset, array.Count, writable: false);
        // A fixed date: the same world gives the same bytes.
        _tar!.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = stream, ModificationTime = Epoch });
    }

    private void OpenShard()
    {
        CloseShard();
        _shard++;
        _inShard = 0;
        _path = Path.Combine(_folder, _shard.ToString("D5", CultureInfo.InvariantCulture) + ".tar");
        _tar = new TarWriter(File.Create(_path + ".part"), TarEntryFormat.Pax);
    }

    private void CloseShard()
    {
        if (_tar is null) return;
        _tar.Dispose();
        _tar = null;
        File.Move(_path + ".part", _path, overwrite: true);
    }
}
