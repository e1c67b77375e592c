using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>Plain UTF-8 text, cut into documents as <see cref="SourceOptions.TextDocuments"/> says.</summary>
public sealed class TextFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "text";

    /// <inheritdoc/>
    public string Summary => "Plain UTF-8 text: a document per paragraph, line, number of characters or file";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("images", options.Images is not null), ("split", options.Split is not null), ("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        return new TextFileSource(options, cancellationToken);
    }
}

/// <summary>Documents of text files. The whole text is checked when it is opened; 32 bytes of memory per document.</summary>
internal sealed class TextFileSource : IDocumentSource
{
    private const int MaximumDocumentBytes = 64 << 20;

    private readonly SourceOptions _options;
    private readonly List<PooledFile> _files = [];
    private readonly List<Piece> _pieces = [];

    internal TextFileSource(SourceOptions options, CancellationToken cancellationToken)
    {
        _options = options;
        if (options.DocumentCharacters < 1) throw options.Refuse($"'documentCharacters' must be 1 or more, not {options.DocumentCharacters}");
        LineRange range = LineRange.Parse(options.Lines);
        var folder = new DataFolder(options.Root);
        IReadOnlyList<string> names = folder.Files(options.Paths);
        if (options.Lines is not null && names.Count > 1) throw options.Refuse($"'lines' needs one file, and the paths name {names.Count}");
        var pool = new FilePool();
        foreach (string name in names)
        {
            PooledFile file = pool.Add(folder.Resolve(name), name);
            StrictText.CheckFile(file, cancellationToken);
            _files.Add(file);
            Cut(file, range, cancellationToken);
        }
        if (_pieces.Count == 0) throw new InvalidDataException($"source '{Name}': {string.Join(", ", names)}: no text{(options.Lines is null ? "" : $" in lines {options.Lines}")}");
    }

    /// <inheritdoc/>
    public string Name => _options.Name;

    /// <inheritdoc/>
    public long DocumentsPerEpoch => _pieces.Count;

    /// <inheritdoc/>
    public string Settings => $"{_files.Sum(static file => file.Length)} bytes, {_options.TextDocuments}{(_options.TextDocuments == TextDocuments.Characters ? $" {_options.DocumentCharacters}" : "")}{SourceOptions.Words(("lines", _options.Lines))}";

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        Piece piece = _pieces[checked((int)index)];
        PooledFile file = _files[piece.File];
        string id = _options.TextDocuments switch
        {
            TextDocuments.Files => file.Name,
            TextDocuments.Characters => string.Create(CultureInfo.InvariantCulture, $"{file.Name}@{piece.Offset}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{file.Name}:{piece.Line}"),
        };
        var bytes = new byte[piece.Length];
        file.Read(piece.Offset, bytes);
        StrictText.Check(bytes, id); // it was UTF-8 when it was opened; a file may change
        string text = Encoding.UTF8.GetString(bytes);
        return new Document(Name, id, [new TextSegment(text.Contains('\r', StringComparison.Ordinal) ? text.ReplaceLineEndings("\n") : text)]);
    }

    private void Cut(PooledFile file, LineRange range, CancellationToken cancellationToken)
    {
        LineIndex lines = LineIndex.Open(file, range, cancellationToken);
        if (lines.Count == 0) return;
        if (_options.TextDocuments is TextDocuments.Characters or TextDocuments.Files)
        {
            (long begin, long end) = (lines.Start(0), lines.End(lines.Count - 1));
            if (_options.TextDocuments == TextDocuments.Files) Add(file, begin, end, 1);
            else CutByCharacters(file, begin, end, cancellationToken);
            return;
        }
        long first = 0;
        for (long line = 1; line <= lines.Count; line++)
        {
            // Blank lines are not in the index: a jump of the line's number tells them.
            bool goesOn = line < lines.Count && _options.TextDocuments == TextDocuments.BlankLines && lines.LineNumber(line) == lines.LineNumber(line - 1) + 1;
            if (goesOn) continue;
            Add(file, lines.Start(first), lines.End(line - 1), lines.LineNumber(first));
            first = line;
        }
    }

    /// <summary>Counts the bytes that begin a character.</summary>
    private void CutByCharacters(PooledFile file, long begin, long end, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 20];
        long start = begin, at = begin;
        int characters = 0;
        while (at < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at));
            file.Read(at, chunk);
            for (int i = 0; i < chunk.Length; i++)
            {
                if ((chunk[i] & 0xC0) == 0x80) continue;
                if (characters == _options.DocumentCharacters)
                {
                    Add(file, start, at + i, 0);
                    (start, characters) = (at + i, 0);
                }
                characters++;
            }
            at += chunk.Length;
        }
        if (end > start) Add(file, start, end, 0);
    }

    private void Add(PooledFile file, long begin, long end, long line)
    {
        if (end - begin > MaximumDocumentBytes)
            throw new InvalidDataException($"{file.Name}: a document of {end - begin} bytes begins at byte {begin}; at most {MaximumDocumentBytes} are read: cut the text by lines or characters (textDocuments)");
        _pieces.Add(new Piece(_files.Count - 1, (int)(end - begin), begin, line));
    }

    private readonly record struct Piece(int File, int Length, long Offset, long Line);
}
