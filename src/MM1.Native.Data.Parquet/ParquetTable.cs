using ParquetSharp;

namespace MM1.Native.Data;

/// <summary>The rows of a row group, column by column.</summary>
internal sealed class ParquetRows(Dictionary<string, Array> columns)
{
    /// <summary>A text, or null.</summary>
    internal string? Text(string column, int row) => columns.TryGetValue(column, out Array? values) ? ((string?[])values)[row] : null;

    /// <summary>A list of texts, or null.</summary>
    internal string?[]? Texts(string column, int row) => columns.TryGetValue(column, out Array? values) ? ((string?[]?[])values)[row] : null;

    /// <summary>Bytes, or null.</summary>
    internal byte[]? Bytes(string column, int row) => columns.TryGetValue(column, out Array? values) ? ((byte[]?[])values)[row] : null;

    /// <summary>A list of bytes, or null.</summary>
    internal byte[]?[]? BytesList(string column, int row) => columns.TryGetValue(column, out Array? values) ? ((byte[]?[]?[])values)[row] : null;
}

/// <summary>
/// Rows of parquet files by number. A row group is decoded as a whole when a row of it is asked for, only the columns that are needed, and the groups used last stay in memory: at most
/// <see cref="MaximumGroups"/>, and beyond the first only while all together have no more than <see cref="MaximumBytes"/> bytes. Thread-safe.
/// </summary>
internal sealed class ParquetTable
{
    /// <summary>Row groups in memory.</summary>
    internal const int MaximumGroups = 4;

    /// <summary>Bytes of the row groups in memory, as the files' metadata say.</summary>
    internal const long MaximumBytes = 1L << 30;

    /// <summary>Largest row group that is read.</summary>
    internal const long MaximumGroupBytes = 4L << 30;

    private readonly List<Group> _groups = [];
    private readonly List<long> _ends = []; // rows up to and with each group
    private readonly LinkedList<(int Group, Lazy<Loaded> Rows)> _recent = new();
    private readonly Lock _gate = new();
    private int _decoded;

    private sealed record Group(string Path, string File, int Number, int Rows, long FirstRow, long Bytes, (ColumnRequest Request, int Column)[] Columns);

    private sealed record Loaded(ParquetRows? Rows, string? Problem);

    private ParquetTable() { }

    /// <summary>Rows of all files.</summary>
    internal long Count => _ends.Count == 0 ? 0 : _ends[^1];

    /// <summary>Row groups decoded so far.</summary>
    internal int Decoded => _decoded;

    /// <summary>Opens files: reads their metadata and finds the columns.</summary>
    /// <param name="options">The source.</param>
    /// <param name="columns">Chooses the columns of a file by its names; gets the file's name for messages.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <exception cref="IOException">A file is not there.</exception>
    /// <exception cref="InvalidDataException">A file is not parquet, a column is missing or holds something else, or there are no rows.</exception>
    internal static ParquetTable Open(SourceOptions options, Func<string, IReadOnlyCollection<string>, IReadOnlyList<ColumnRequest>> columns, CancellationToken cancellationToken)
    {
        var table = new ParquetTable();
        var folder = new DataFolder(options.Root);
        foreach (string file in folder.Files(options.Paths))
        {
            cancellationToken.ThrowIfCancellationRequested();
            table.Add(folder.Resolve(file), file, columns);
        }
        return table.Count > 0 ? table : throw new InvalidDataException($"source '{options.Name}': {string.Join(", ", options.Paths)}: there are no rows");
    }

    /// <summary>The rows that one row belongs to, its place among them, and its name.</summary>
    /// <exception cref="BadDocumentException">The row group is damaged.</exception>
    internal (ParquetRows Rows, int Row, string Where) Read(long row)
    {
        int found = SourceFiles.Find(_ends, row);
        Group group = _groups[found];
        int place = (int)(row - (found == 0 ? 0 : _ends[found - 1]));
        string where = $"{group.File}[{group.FirstRow + place}]";
        Loaded loaded = Load(found).Value;
        return (loaded.Rows ?? throw new BadDocumentException("corrupt", $"{where}: row group {group.Number} cannot be read: {loaded.Problem}", where), place, where);
    }

    private void Add(string path, string file, Func<string, IReadOnlyCollection<string>, IReadOnlyList<ColumnRequest>> columns)
    {
        try
        {
            using var reader = new ParquetFileReader(path);
            SchemaDescriptor schema = reader.FileMetaData.Schema;
            Dictionary<string, int> names = ParquetColumns.Names(schema);
            var chosen = new List<(ColumnRequest, int)>();
            foreach (ColumnRequest request in columns(file, names.Keys))
            {
                if (!names.TryGetValue(request.Name, out int column))
                    throw new InvalidDataException($"{file}: there is no column '{request.Name}'; the columns are {string.Join(", ", names.Keys.Take(20))}");
                ParquetColumns.Check(schema.Column(column), request, file);
                chosen.Add((request, column));
            }
            long first = 0;
            for (int i = 0; i < reader.FileMetaData.NumRowGroups; i++)
            {
                using RowGroupReader rows = reader.RowGroup(i);
                long count = rows.MetaData.NumRows, bytes = 0;
                foreach ((_, int column) in chosen)
                {
                    using ColumnChunkMetaData chunk = rows.MetaData.GetColumnChunkMetaData(column);
                    bytes += Math.Max(0, chunk.TotalUncompressedSize);
                }
                if (count is < 0 or > int.MaxValue) throw new InvalidDataException($"{file}: row group {i} has {count} rows");
                if (bytes > MaximumGroupBytes)
                    throw new InvalidDataException($"{file}: row group {i} has {bytes >> 20} MiB in the columns that are read; at most {MaximumGroupBytes >> 20} are read at once; write the file with smaller row groups");
                if (count > 0)
                {
                    _groups.Add(new Group(path, file, i, (int)count, first, bytes, [.. chosen]));
                    _ends.Add(Count + count);
                }
                first += count;
            }
        }
        catch (Exception error) when (IsParquetError(error))
        {
            throw new InvalidDataException($"{file}: not a parquet file, or a damaged one: {Reason(error)}", error);
        }
    }

    private Lazy<Loaded> Load(int group)
    {
        lock (_gate)
        {
            for (LinkedListNode<(int Group, Lazy<Loaded> Rows)>? node = _recent.First; node is not null; node = node.Next)
            {
                if (node.Value.Group != group) continue;
                _recent.Remove(node);
                _recent.AddFirst(node);
                return node.Value.Rows;
            }
            var rows = new Lazy<Loaded>(() => DecodeOrForget(group)); // one thread decodes, others wait for it alone
            _recent.AddFirst((group, rows));
            while (_recent.Count > 1 && (_recent.Count > MaximumGroups || _recent.Sum(entry => _groups[entry.Group].Bytes) > MaximumBytes)) _recent.RemoveLast();
            return rows;
        }
    }

    /// <summary>What is no fault of the file (a disk that does not answer, no memory) ends the reading, and is not remembered.</summary>
    private Loaded DecodeOrForget(int group)
    {
        try
        {
            return Decode(_groups[group]);
        }
        catch
        {
            lock (_gate)
            {
                for (LinkedListNode<(int Group, Lazy<Loaded> Rows)>? node = _recent.First; node is not null; node = node.Next)
                {
                    if (node.Value.Group != group) continue;
                    _recent.Remove(node);
                    break;
                }
            }
            throw;
        }
    }

    private Loaded Decode(Group group)
    {
        Interlocked.Increment(ref _decoded);
        try
        {
            using var reader = new ParquetFileReader(group.Path); // a reader is not for several threads; opening one costs the metadata, little beside a row group
            using RowGroupReader rows = reader.RowGroup(group.Number);
            var columns = new Dictionary<string, Array>(StringComparer.Ordinal);
            foreach ((ColumnRequest request, int column) in group.Columns) columns[request.Name] = ParquetColumns.Read(rows, column, request, group.Rows);
            return new Loaded(new ParquetRows(columns), null);
        }
        catch (Exception error) when (error is not OutOfMemoryException && (error is InvalidDataException or BadDocumentException || IsParquetError(error)))
        {
            return new Loaded(null, Reason(error));
        }
    }

    /// <summary>What ParquetSharp throws for files that are not as they should be; a list level outside of a list is a bare <see cref="Exception"/>.</summary>
    private static bool IsParquetError(Exception error) =>
        error.GetType() == typeof(Exception) || error is ParquetException or OverflowException or ArgumentException or InvalidOperationException or NotSupportedException or InvalidCastException or IndexOutOfRangeException or OutOfMemoryException;

    private static string Reason(Exception error) => error.Message.ReplaceLineEndings(" ").Trim();
}
