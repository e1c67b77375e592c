using ParquetSharp;
using ParquetSharp.Schema;

namespace MM1.Native.Data.Tests;

/// <summary>Small parquet files as other programs write them.</summary>
internal static class ParquetFiles
{
    /// <summary>A row of LLaVA-NeXT.</summary>
    internal sealed record Conversation(string Id, byte[]? Bytes, string? Path, string[] From, string[] Value);

    /// <summary>OBELICS: two list columns and two texts.</summary>
    internal static void WriteObelics(string path, IReadOnlyList<(string?[] Images, string?[] Texts)> rows, int rowsPerGroup)
    {
        Column[] columns = [new Column<string[]>("images"), new Column<string>("metadata"), new Column<string>("general_metadata"), new Column<string[]>("texts")];
        using var file = new ParquetFileWriter(path, columns);
        foreach ((string?[] Images, string?[] Texts)[] chunk in rows.Chunk(rowsPerGroup))
        {
            using RowGroupWriter group = file.AppendRowGroup();
            Write(group, chunk.Select(static row => row.Images).ToArray());
            Write(group, chunk.Select(static _ => "[null]").ToArray());
            Write(group, chunk.Select(static _ => "{}").ToArray());
            Write(group, chunk.Select(static row => row.Texts).ToArray());
        }
        file.Close();
    }

    /// <summary>Flat columns of texts.</summary>
    internal static void WriteTexts(string path, IReadOnlyList<string> names, IReadOnlyList<string?[]> rows)
    {
        using var file = new ParquetFileWriter(path, [.. names.Select(static name => (Column)new Column<string>(name))]);
        using RowGroupWriter group = file.AppendRowGroup();
        for (int i = 0; i < names.Count; i++) Write(group, rows.Select(row => row[i]).ToArray());
        file.Close();
    }

    /// <summary>LLaVA-NeXT as pyarrow lays it out: id, image {bytes, path}, conversations [{from, value}], all optional.</summary>
    internal static void WriteConversations(string path, IReadOnlyList<Conversation> rows)
    {
        using GroupNode schema = new("schema", Repetition.Required,
        [
            Text("id"),
            new GroupNode("image", Repetition.Optional, [new PrimitiveNode("bytes", Repetition.Optional, LogicalType.None(), PhysicalType.ByteArray), Text("path")]),
            new GroupNode("conversations", Repetition.Optional,
                [new GroupNode("list", Repetition.Repeated, [new GroupNode("element", Repetition.Optional, [Text("from"), Text("value")])])], LogicalType.List()),
        ]);
        using WriterPropertiesBuilder builder = new();
        using WriterProperties properties = builder.Compression(Compression.Snappy).Build();
        using var file = new ParquetFileWriter(path, schema, properties);
        using RowGroupWriter group = file.AppendRowGroup();
        Write(group, rows.Select(static row => row.Id).ToArray());
        Write(group, rows.Select(static row => row.Bytes is null && row.Path is null ? (Nested<byte[]?>?)null : new Nested<byte[]?>(row.Bytes)).ToArray());
        Write(group, rows.Select(static row => row.Bytes is null && row.Path is null ? (Nested<string?>?)null : new Nested<string?>(row.Path)).ToArray());
        Write(group, rows.Select(static row => row.From.Select(static from => (Nested<string>?)new Nested<string>(from)).ToArray()).ToArray());
        Write(group, rows.Select(static row => row.Value.Select(static value => (Nested<string>?)new Nested<string>(value)).ToArray()).ToArray());
        file.Close();

        static PrimitiveNode Text(string name) => new(name, Repetition.Optional, LogicalType.String(), PhysicalType.ByteArray);
    }

    private static void Write<T>(RowGroupWriter group, T[] values)
    {
        using LogicalColumnWriter<T> writer = group.NextColumn().LogicalWriter<T>();
        writer.WriteBatch(values);
    }
}
