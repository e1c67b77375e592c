using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace MM1.Native.Data.Tests;

/// <summary>A folder of small files for one test, gone afterwards.</summary>
internal sealed class ReaderFolder : IDisposable
{
    internal static readonly byte[] Picture = ImageCodec.EncodePng(new ImageData(2, 2, [.. Enumerable.Range(0, 12).Select(static i => (byte)(20 * i))]));

    internal string Root { get; } = Directory.CreateTempSubdirectory("mm1-readers-").FullName;

    internal string Path(string relative) => System.IO.Path.Combine(Root, relative);

    internal string Write(string relative, ReadOnlySpan<byte> bytes)
    {
        string path = Path(relative);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    internal string Write(string relative, string text) => Write(relative, Encoding.UTF8.GetBytes(text));

    internal SourceOptions Options(string format, params string[] paths) => new() { Name = "s", Format = format, Root = Root, Paths = paths, CacheFolder = System.IO.Path.Combine(Root, ".cache") };

    internal IDocumentSource Open(string format, params string[] paths) => DocumentFormats.BuiltIn.Open(Options(format, paths));

    /// <summary>A tar in one of the forms.</summary>
    internal static byte[] Tar(TarEntryFormat form, params (string Name, byte[] Content)[] members)
    {
        using var stream = new MemoryStream();
        using (var writer = new TarWriter(stream, form, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in members)
            {
                bool folder = name.EndsWith('/');
                TarEntryType type = folder ? TarEntryType.Directory : form == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile;
                TarEntry entry = form switch
                {
                    TarEntryFormat.V7 => new V7TarEntry(type, name),
                    TarEntryFormat.Ustar => new UstarTarEntry(type, name),
                    TarEntryFormat.Gnu => new GnuTarEntry(type, name),
                    _ => new PaxTarEntry(type, name),
                };
                entry.ModificationTime = DateTimeOffset.UnixEpoch;
                if (!folder) entry.DataStream = new MemoryStream(content);
                writer.WriteEntry(entry);
            }
        }
        return stream.ToArray();
    }

    internal static byte[] Gzip(ReadOnlySpan<byte> bytes)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(bytes);
        return stream.ToArray();
    }

    internal static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    internal static IEnumerable<Document> All(IDocumentSource source)
    {
        for (long i = 0; i < source.DocumentsPerEpoch; i++) yield return source.Read(0, i);
    }

    internal static string Text(Document document) => string.Concat(document.Segments.Select(static segment => segment is TextSegment text ? text.Text : "<image>"));

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
