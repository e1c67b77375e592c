using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>
/// Documents that are lines of JSON files. A format derives from it and says what a line means; finding files, indexing lines, decoding and naming what is wrong is done here.
/// A document is called <c>file:line</c>, the first line being 1.
/// </summary>
public abstract class JsonLinesSource : IDocumentSource
{
    private readonly List<LineIndex> _files = [];
    private readonly List<long> _ends = []; // documents up to and with each file
    private readonly string _settings;

    /// <summary>Finds the files and indexes their lines.</summary>
    /// <param name="options">Name, root, paths and lines are used here.</param>
    /// <param name="cancellationToken">Stops the indexing.</param>
    /// <exception cref="ArgumentException">An option is not right.</exception>
    /// <exception cref="IOException">A file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file is no text, or there is no line.</exception>
    protected JsonLinesSource(SourceOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        Folder = new DataFolder(options.Root);
        LineRange range = LineRange.Parse(options.Lines);
        IReadOnlyList<string> names = Folder.Files(options.Paths);
        if (options.Lines is not null && names.Count > 1) throw options.Refuse($"'lines' needs one file, and the paths name {names.Count}");
        var pool = new FilePool();
        long count = 0, bytes = 0;
        foreach (string name in names)
        {
            PooledFile file = pool.Add(Folder.Resolve(name), name);
            bytes += file.Length;
            LineIndex index = LineIndex.Open(file, range, cancellationToken);
            _files.Add(index);
            _ends.Add(count += index.Count);
        }
        _settings = $"{bytes} bytes{SourceOptions.Words(("lines", options.Lines), ("textKey", options.TextKey), ("imageKey", options.ImageKey))}";
        if (count == 0) throw new InvalidDataException($"source '{Name}': {string.Join(", ", names)}: no line to read{(options.Lines is null ? "" : $" in lines {options.Lines}")}");
    }

    /// <inheritdoc/>
    public string Name => Options.Name;

    /// <inheritdoc/>
    public long DocumentsPerEpoch => _ends[^1];

    /// <inheritdoc/>
    public string Settings => _settings;

    /// <summary>How the source was opened.</summary>
    protected SourceOptions Options { get; }

    /// <summary>The data folder.</summary>
    protected DataFolder Folder { get; }

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        int file = SourceFiles.Find(_ends, index);
        long line = index - (file == 0 ? 0 : _ends[file - 1]);
        LineIndex lines = _files[file];
        byte[] bytes = lines.Read(line);
        string id = $"{lines.Name}:{lines.LineNumber(line)}";
        StrictText.Check(bytes, id);
        try
        {
            using JsonDocument json = JsonDocument.Parse(bytes);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new BadDocumentException("json", $"{id}: the line is {JsonFields.Describe(json.RootElement.ValueKind)}, not an object", id);
            return Parse(id, json.RootElement);
        }
        catch (Exception exception) when (JsonFields.IsNoJson(exception))
        {
            throw new BadDocumentException("json", $"{id}: no JSON: {exception.Message}", id);
        }
    }

    /// <summary>Makes the document of a line. Called by any thread.</summary>
    /// <param name="id">Its name, which also begins messages.</param>
    /// <param name="line">The object; not to be kept.</param>
    /// <exception cref="BadDocumentException">The line is no such document; see <see cref="JsonFields"/>.</exception>
    protected abstract Document Parse(string id, JsonElement line);
}

/// <summary>Where a document lies among files.</summary>
internal static class SourceFiles
{
    /// <summary>The file that holds a document, given the number of documents up to and with each file.</summary>
    internal static int Find(List<long> ends, long index)
    {
        if ((ulong)index >= (ulong)ends[^1]) throw new ArgumentOutOfRangeException(nameof(index), index, $"an epoch has {ends[^1]} documents");
        int file = ends.BinarySearch(index + 1);
        if (file < 0) return ~file;
        while (file > 0 && ends[file - 1] == ends[file]) file--; // files without documents
        return file;
    }
}
