using System.Globalization;
using ParquetSharp;
using ParquetSharp.Schema;

namespace MM1.Native.Data;

/// <summary>What a column holds.</summary>
internal enum ColumnKind
{
    /// <summary>A text (or an integer, read as its digits).</summary>
    Text,
    /// <summary>A list of texts.</summary>
    TextList,
    /// <summary>Bytes.</summary>
    Bytes,
    /// <summary>A list of byte strings.</summary>
    BytesList,
}

/// <summary>A column that a format reads.</summary>
/// <param name="Name">Its path without the levels that only make a list: <c>texts</c>, <c>image.bytes</c>, <c>conversations.from</c>.</param>
/// <param name="Kind">What it must hold.</param>
internal sealed record ColumnRequest(string Name, ColumnKind Kind);

/// <summary>The leaf columns of a parquet file by their plain names, and their values.</summary>
internal static class ParquetColumns
{
    // Names that writers give to the levels of a list: the standard's, Arrow's old ones, Hive's, Avro's.
    private static readonly HashSet<string> ListLevels = new(["list", "element", "item", "bag", "array_element", "array"], StringComparer.Ordinal);

    /// <summary>Names and numbers of the leaf columns.</summary>
    internal static Dictionary<string, int> Names(SchemaDescriptor schema)
    {
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < schema.NumColumns; i++)
        {
            using ColumnPath path = schema.Column(i).Path;
            string[] parts = path.ToDotVector();
            names[string.Join('.', parts.Where((part, level) => level == 0 || !ListLevels.Contains(part)))] = i;
        }
        return names;
    }

    /// <summary>Checks that a column holds what is asked for.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    internal static void Check(ColumnDescriptor column, ColumnRequest request, string file)
    {
        bool isList = request.Kind is ColumnKind.TextList or ColumnKind.BytesList;
        bool isRight = column.MaxRepetitionLevel == (isList ? 1 : 0)
            && (column.PhysicalType == PhysicalType.ByteArray || (request.Kind == ColumnKind.Text && column.PhysicalType is PhysicalType.Int32 or PhysicalType.Int64));
        if (isRight) return;
        string found = $"{column.MaxRepetitionLevel switch { 0 => "", 1 => "lists of ", _ => "lists of lists of " }}{column.PhysicalType}";
        string expected = request.Kind switch { ColumnKind.Text => "texts", ColumnKind.TextList => "lists of texts", ColumnKind.Bytes => "bytes", _ => "lists of bytes" };
        throw new InvalidDataException($"{file}: column '{request.Name}' holds {found}; {expected} are expected");
    }

    /// <summary>All values of a column of a row group.</summary>
    internal static Array Read(RowGroupReader group, int column, ColumnRequest request, int rows)
    {
        using ColumnReader reader = group.Column(column);
        using LogicalColumnReader logical = reader.LogicalReader(useNesting: false);
        return (request.Kind, logical) switch
        {
            (ColumnKind.Text, LogicalColumnReader<string?> texts) => texts.ReadAll(rows),
            (ColumnKind.Text, LogicalColumnReader<byte[]?> bytes) => Array.ConvertAll(bytes.ReadAll(rows), Decode),
            (ColumnKind.Text, LogicalColumnReader<int> numbers) => Array.ConvertAll(numbers.ReadAll(rows), static number => number.ToString(CultureInfo.InvariantCulture)),
            (ColumnKind.Text, LogicalColumnReader<int?> numbers) => Array.ConvertAll(numbers.ReadAll(rows), static number => number?.ToString(CultureInfo.InvariantCulture)),
            (ColumnKind.Text, LogicalColumnReader<long> numbers) => Array.ConvertAll(numbers.ReadAll(rows), static number => number.ToString(CultureInfo.InvariantCulture)),
            (ColumnKind.Text, LogicalColumnReader<long?> numbers) => Array.ConvertAll(numbers.ReadAll(rows), static number => number?.ToString(CultureInfo.InvariantCulture)),
            (ColumnKind.TextList, LogicalColumnReader<string?[]?> lists) => lists.ReadAll(rows),
            (ColumnKind.TextList, LogicalColumnReader<byte[]?[]?> lists) => Array.ConvertAll(lists.ReadAll(rows), static list => list is null ? null : Array.ConvertAll(list, Decode)),
            (ColumnKind.Bytes, LogicalColumnReader<byte[]?> bytes) => bytes.ReadAll(rows),
            (ColumnKind.BytesList, LogicalColumnReader<byte[]?[]?> lists) => lists.ReadAll(rows),
            _ => throw new InvalidDataException($"column '{request.Name}' cannot be read as {request.Kind}"),
        };
    }

    private static string? Decode(byte[]? bytes) => bytes is null ? null : StrictText.Decode(bytes, "a text");
}
