namespace MM1.Native.Data;

/// <summary>A way in which documents lie on disk.</summary>
public interface IDocumentFormat
{
    /// <summary>The name in configurations, in lower case.</summary>
    string Name { get; }

    /// <summary>What it is, in one sentence.</summary>
    string Summary { get; }

    /// <summary>Opens a source: finds its files and indexes them, so that every document is one or two reads away.</summary>
    /// <exception cref="ArgumentException">An option is not right for the format.</exception>
    /// <exception cref="IOException">A file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file as a whole is not what the format asks for.</exception>
    IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default);
}

/// <summary>The formats that are known, by name.</summary>
public sealed class DocumentFormats
{
    private readonly SortedDictionary<string, IDocumentFormat> _formats = new(StringComparer.Ordinal);

    /// <summary>A set of formats; a later one replaces an earlier one of its name.</summary>
    public DocumentFormats(IEnumerable<IDocumentFormat> formats)
    {
        ArgumentNullException.ThrowIfNull(formats);
        foreach (IDocumentFormat format in formats) _formats[format.Name] = format;
    }

    /// <summary>Those of this library.</summary>
    public static DocumentFormats BuiltIn { get; } = new([new WebDatasetFormat(), new CaptionLinesFormat(), new DocumentLinesFormat(), new TextFormat(), new JsonTextFormat()]);

    /// <summary>All of them, by name.</summary>
    public IReadOnlyCollection<IDocumentFormat> All => _formats.Values;

    /// <summary>These and some more.</summary>
    public DocumentFormats With(params ReadOnlySpan<IDocumentFormat> more) => new([.. _formats.Values, .. more]);

    /// <summary>Opens a source in the format that its options name.</summary>
    /// <exception cref="ArgumentException">No such format, or an option is not right for it.</exception>
    /// <exception cref="IOException">A file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file as a whole is not what the format asks for.</exception>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Name.Length == 0) throw new ArgumentException("a source needs a name");
        if (options.Paths.Count == 0) throw options.Refuse("it has no paths; name the files, relative to the data folder");
        if (!_formats.TryGetValue(options.Format, out IDocumentFormat? format)) throw options.Refuse(Unknown(options.Format));
        bool own = format.GetType().Assembly == typeof(DocumentFormats).Assembly; // this assembly has no parquet reader
        if (own && options.Paths.FirstOrDefault(static path => path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase)) is { } parquet)
            throw options.Refuse($"'{parquet}' is a parquet file; the formats of the assembly MM1.Native.Data.Parquet read those");
        return format.Open(options, cancellationToken);
    }

    private string Unknown(string name)
    {
        if (name.Contains("parquet", StringComparison.OrdinalIgnoreCase))
            return $"format '{name}' is in the assembly MM1.Native.Data.Parquet, which is not part of these formats ({string.Join(", ", _formats.Keys)})";
        string? nearest = _formats.Keys.MinBy(known => Distance(known, name));
        return $"there is no format '{name}'" + (nearest is not null && Distance(nearest, name) <= Math.Max(2, name.Length / 3) ? $"; did you mean '{nearest}'?" : ".")
            + $" Known: {string.Join(", ", _formats.Keys)}";
    }

    /// <summary>Letters to insert, leave out or replace (Levenshtein).</summary>
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int here = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1));
                (diagonal, row[j]) = (row[j], here);
            }
        }
        return row[b.Length];
    }
}
