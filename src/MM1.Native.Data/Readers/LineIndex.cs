namespace MM1.Native.Data;

/// <summary>
/// Where the lines of a file begin, so that any line is one read. Lines end with LF or CR LF; blank lines are left out. 12 bytes of memory per line. Thread-safe.
/// </summary>
public sealed class LineIndex
{
    /// <summary>Most bytes of a line that is read: 64 MiB.</summary>
    public const int MaximumLineBytes = 64 << 20;

    private readonly PooledFile _file;
    private readonly List<long> _starts = [];
    private readonly List<int> _lengths = [];
    private readonly List<(long Index, long Skipped)> _skips = []; // from this line on, so many lines of the file are left out before it

    private LineIndex(PooledFile file) => _file = file;

    /// <summary>Lines.</summary>
    public long Count => _starts.Count;

    /// <summary>The name that messages use.</summary>
    public string Name => _file.Name;

    /// <summary>Reads a file once and notes its lines.</summary>
    /// <param name="path">The full path.</param>
    /// <param name="name">The name that messages use.</param>
    /// <param name="range">Which lines, blank ones counted; the first is 0.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="IOException">The file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is compressed or UTF-16.</exception>
    public static LineIndex Open(string path, string name, LineRange? range = null, CancellationToken cancellationToken = default) =>
        Open(new FilePool().Add(path, name), range ?? LineRange.All, cancellationToken);

    internal static LineIndex Open(PooledFile file, LineRange range, CancellationToken cancellationToken)
    {
        var index = new LineIndex(file);
        index.Scan(range, cancellationToken);
        return index;
    }

    /// <summary>The number of a line in its file, the first being 1.</summary>
    public long LineNumber(long index)
    {
        int low = 0, high = _skips.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_skips[middle].Index <= index) low = middle + 1;
            else high = middle;
        }
        return index + 1 + (low == 0 ? 0 : _skips[low - 1].Skipped);
    }

    /// <summary>Where a line begins in the file.</summary>
    internal long Start(long index) => _starts[checked((int)index)];

    /// <summary>Where a line ends, its end of line left out.</summary>
    internal long End(long index) => _starts[checked((int)index)] + _lengths[(int)index];

    /// <summary>The bytes of a line without its end.</summary>
    /// <exception cref="BadDocumentException">The line is longer than <see cref="MaximumLineBytes"/>.</exception>
    public byte[] Read(long index)
    {
        int length = _lengths[checked((int)index)];
        if (length > MaximumLineBytes) throw new BadDocumentException("too large", $"{Name}:{LineNumber(index)}: the line is longer than {MaximumLineBytes} bytes", $"{Name}:{LineNumber(index)}");
        var line = new byte[length];
        _file.Read(_starts[(int)index], line);
        return line;
    }

    /// <summary>Refuses files that are no UTF-8 text by their first bytes; gives the bytes of a byte order mark to skip.</summary>
    internal static int CheckStart(ReadOnlySpan<byte> start, string name)
    {
        if (start.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B])) throw new InvalidDataException($"{name}: the file is compressed (gzip); expand it first, e.g. with gunzip");
        if (start.StartsWith((ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD])) throw new InvalidDataException($"{name}: the file is compressed (zstd); expand it first, e.g. with unzstd");
        if (start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || start.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
            throw new InvalidDataException($"{name}: the file is UTF-16; convert it to UTF-8, e.g. with iconv -f utf-16 -t utf-8");
        return start.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0;
    }

    private void Scan(LineRange range, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 20];
        long at = 0, lineStart = 0, line = 0, skipped = 0;
        bool blank = true;
        byte last = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = _file.ReadSome(at, buffer);
            if (count == 0) break;
            ReadOnlySpan<byte> chunk = buffer.AsSpan(0, count);
            int from = 0;
            if (at == 0) lineStart = from = CheckStart(chunk, Name);
            while (from < count)
            {
                int end = chunk[from..].IndexOf((byte)'\n');
                ReadOnlySpan<byte> part = end < 0 ? chunk[from..] : chunk.Slice(from, end);
                if (blank) blank = part.IndexOfAnyExcept((byte)' ', (byte)'\t', (byte)'\r') < 0;
                if (part.Length > 0) last = part[^1];
                if (end < 0) break;
                from += end + 1;
                Add(at + from - 1);
                lineStart = at + from;
            }
            at += count;
        }
        if (at > lineStart) Add(at);

        void Add(long end)
        {
            if (last == (byte)'\r' && end > lineStart) end--;
            if (blank || !range.Contains(line)) skipped++;
            else
            {
                if (skipped > 0 && (_skips.Count == 0 || _skips[^1].Skipped != skipped)) _skips.Add((_starts.Count, skipped));
                _starts.Add(lineStart);
                _lengths.Add((int)Math.Min(end - lineStart, int.MaxValue));
            }
            line++;
            (blank, last) = (true, 0);
        }
    }
}
