using System.Buffers;

namespace MM1.Native.Data;

/// <summary>Records of annotation files by number, read from disk when asked for. Thread-safe.</summary>
internal abstract class AnnotationRecords
{
    /// <summary>Records.</summary>
    internal abstract int Count { get; }

    /// <summary>File and place of a record, for messages.</summary>
    internal abstract string Where(int index);

    /// <summary>Reads and parses a record.</summary>
    /// <exception cref="BadDocumentException">It is no JSON object.</exception>
    internal abstract JsonRecord Read(int index);

    /// <summary>Opens files that are JSON lines, or each one JSON list; the first character tells which.</summary>
    /// <exception cref="InvalidDataException">A file is neither, or all are empty.</exception>
    internal static AnnotationRecords Open(SourceOptions options, CancellationToken cancellationToken)
    {
        var folder = new DataFolder(options.Root);
        var pool = new FilePool();
        var all = new List<AnnotationRecords>();
        LineRange lines = LineRange.Parse(options.Lines);
        IReadOnlyList<string> paths = folder.Files(options.Paths);
        if (options.Lines is not null && paths.Count > 1) throw options.Refuse($"'lines' needs one file, and the paths name {paths.Count}");
        foreach (string path in paths)
        {
            PooledFile file = pool.Add(folder.Resolve(path), path);
            if (!IsList(file)) all.Add(new LineRecords(LineIndex.Open(file, lines, cancellationToken)));
            else if (options.Lines is not null) throw options.Refuse($"'lines' is set, and {path} is one JSON list; lines are counted in JSON lines files alone");
            else all.Add(ElementRecords.List(file, cancellationToken));
        }
        AnnotationRecords records = all.Count == 1 ? all[0] : new SeveralRecords(all);
        return records.Count > 0 ? records : throw new InvalidDataException($"source '{options.Name}': {string.Join(", ", options.Paths)}: there are no records{(options.Lines is null ? "" : $" in lines {options.Lines}")}");
    }

    private static bool IsList(PooledFile file)
    {
        var buffer = new byte[4096];
        long at = 0;
        while (true)
        {
            int count = file.ReadSome(at, buffer);
            if (count == 0) return false;
            ReadOnlySpan<byte> part = buffer.AsSpan(0, count);
            if (at == 0) part = part[LineIndex.CheckStart(part, file.Name)..];
            int first = part.IndexOfAnyExcept(" \t\r\n"u8);
            if (first >= 0) return part[first] == (byte)'[';
            at += count;
        }
    }

    /// <summary>The lines of a file.</summary>
    private sealed class LineRecords(LineIndex lines) : AnnotationRecords
    {
        internal override int Count { get; } = checked((int)lines.Count);

        internal override string Where(int index) => $"{lines.Name}:{lines.LineNumber(index)}";

        internal override JsonRecord Read(int index) => JsonRecord.Parse(lines.Read(index), Where(index));
    }

    /// <summary>The records of several files, one file after the other.</summary>
    private sealed class SeveralRecords : AnnotationRecords
    {
        private readonly List<AnnotationRecords> _files;
        private readonly int[] _ends;

        internal SeveralRecords(List<AnnotationRecords> files)
        {
            _files = files;
            _ends = new int[files.Count];
            int count = 0;
            for (int i = 0; i < files.Count; i++) _ends[i] = count = checked(count + files[i].Count);
            Count = count;
        }

        internal override int Count { get; }

        internal override string Where(int index)
        {
            (AnnotationRecords file, int place) = Find(index);
            return file.Where(place);
        }

        internal override JsonRecord Read(int index)
        {
            (AnnotationRecords file, int place) = Find(index);
            return file.Read(place);
        }

        private (AnnotationRecords File, int Place) Find(int index)
        {
            int found = Array.BinarySearch(_ends, index + 1);
            if (found < 0) found = ~found;
            else
                while (found > 0 && _ends[found - 1] == index + 1) found--; // empty files end where the one before them does
            return (_files[found], found == 0 ? index : index - _ends[found - 1]);
        }
    }
}

/// <summary>The records of one JSON list or map in a file: their offsets are kept, 12 bytes a record.</summary>
/// <param name="file">The file.</param>
/// <param name="label">What messages call the list, e.g. <c>images</c>.</param>
/// <param name="isMap">Records are members of an object.</param>
internal sealed class ElementRecords(PooledFile file, string label, bool isMap = false) : AnnotationRecords
{
    private readonly List<long> _starts = [];
    private readonly List<int> _lengths = [];

    internal override int Count => _starts.Count;

    /// <summary>The name of the file in messages.</summary>
    internal string File => file.Name;

    /// <summary>The records of a file that is one list.</summary>
    internal static ElementRecords List(PooledFile file, CancellationToken cancellationToken)
    {
        var records = new ElementRecords(file, "");
        JsonElements.Visit(file, JsonLayout.Array, [], (_, start, element) => records.Add(start, element.Length), cancellationToken);
        return records;
    }

    /// <summary>Notes a record.</summary>
    internal void Add(long start, int length)
    {
        _starts.Add(start);
        _lengths.Add(length);
    }

    internal override string Where(int index) => $"{file.Name}: {(isMap ? "member " : label)}[{index}]";

    internal override JsonRecord Read(int index)
    {
        int length = _lengths[index], extra = isMap ? 1 : 0; // {"key": record} needs its braces back
        byte[] bytes = ArrayPool<byte>.Shared.Rent(length + 2 * extra);
        try
        {
            file.Read(_starts[index], bytes.AsSpan(extra, length));
        }
        catch (IOException)
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw;
        }
        if (isMap) (bytes[0], bytes[length + 1]) = ((byte)'{', (byte)'}');
        return JsonRecord.Parse(bytes.AsMemory(0, length + 2 * extra), Where(index), bytes, isMap);
    }
}
