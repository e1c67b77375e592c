using System.Text;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Formats by name, the data folder, text and JSON lines; every bad input with its message.</summary>
public sealed class ReaderTests : IDisposable
{
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Refused(Action open) => Assert.Throws<ArgumentException>(open).Message;

    private static string Damaged(Func<IDocumentSource> open) => Assert.Throws<InvalidDataException>(() => open()).Message;

    private string[] Texts(IDocumentSource source) => [.. ReaderFolder.All(source).Select(ReaderFolder.Text)];

    private static void Bad(IDocumentSource source, long index, string cause, string message)
    {
        BadDocumentException bad = Assert.Throws<BadDocumentException>(() => source.Read(0, index));
        Assert.Equal((cause, message), (bad.Cause, bad.Message));
        Assert.StartsWith(bad.Id!, message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownFormatsAndUselessOptionsAreRefused()
    {
        SourceOptions options = _folder.Options("webdatset", "a");
        Assert.Equal("source 's': there is no format 'webdatset'; did you mean 'webdataset'? Known: captions, documents, jsonl, text, webdataset", Refused(() => Core.Open(options)));
        Assert.Equal("source 's': there is no format 'zip'. Known: captions, documents, jsonl, text, webdataset", Refused(() => Core.Open(options with { Format = "zip" })));
        Assert.Equal("source 's': format 'parquet' is in the assembly MM1.Native.Data.Parquet, which is not part of these formats (captions, documents, jsonl, text, webdataset)", Refused(() => Core.Open(options with { Format = "parquet" })));
        Assert.Equal("source 's': 'x.parquet' is a parquet file; the formats of the assembly MM1.Native.Data.Parquet read those", Refused(() => Core.Open(options with { Format = "documents", Paths = ["x.parquet"] })));
        Assert.Equal("source 's': it has no paths; name the files, relative to the data folder", Refused(() => Core.Open(options with { Paths = [] })));
        Assert.Equal("source 's': format 'text' has no use for 'split'; leave it out", Refused(() => Core.Open(options with { Format = "text", Split = "train" })));
        Assert.Equal("source 's': format 'jsonl' has no use for 'images'; leave it out", Refused(() => Core.Open(options with { Format = "jsonl", Images = "x" })));
        Assert.Equal("the data folder '/nowhere/at/all' is not there", Assert.Throws<DirectoryNotFoundException>(() => Core.Open(options with { Format = "text", Root = "/nowhere/at/all" })).Message);
        Assert.Equal($"no file 'none*.txt' in the data folder '{_folder.Root}'", Assert.Throws<FileNotFoundException>(() => _folder.Open("text", "none*.txt")).Message);
        _folder.Write("a.txt", "a");
        Assert.Equal("a", Texts(DocumentFormats.BuiltIn.With(new Shouting()).Open(_folder.Options("shout", "a.txt")))[0]);
    }

    private static DocumentFormats Core { get; } = new([new WebDatasetFormat(), new CaptionLinesFormat(), new DocumentLinesFormat(), new TextFormat(), new JsonTextFormat()]);

    private sealed class Shouting : IDocumentFormat
    {
        public string Name => "shout";
        public string Summary => "text under another name";
        public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default) => new TextFormat().Open(options, cancellationToken);
    }

    [Fact]
    public void PathsThatLeaveTheFolderAreRefused()
    {
        var folder = new DataFolder(_folder.Root);
        _folder.Write("in/a.txt", "x");
        using var other = new ReaderFolder();
        other.Write("secret.txt", "x");
        File.CreateSymbolicLink(_folder.Path("in/inside"), "a.txt");
        File.CreateSymbolicLink(_folder.Path("file"), other.Path("secret.txt"));
        Directory.CreateSymbolicLink(_folder.Path("door"), other.Root);
        Directory.CreateSymbolicLink(_folder.Path("up"), "..");
        Directory.CreateSymbolicLink(_folder.Path("twice"), "in/../up");
        File.CreateSymbolicLink(_folder.Path("loop"), "loop");
        Directory.CreateSymbolicLink(_folder.Path("same"), "in");
        foreach (string good in (string[])["in/a.txt", "in/../in/a.txt", "./in/a.txt", "in/inside", "same/a.txt", "same/not there yet", "none/at/all", "in", ".", "a..b"])
            Assert.True(folder.TryResolve(good, out string? path, out _) && path.StartsWith(folder.Root, StringComparison.Ordinal), good);
        Refuse("..", "leaves the data folder by '..'");
        Refuse("in/../../x", "leaves the data folder by '..'");
        Refuse("../" + Path.GetFileName(_folder.Root) + "x/a", "leaves the data folder by '..'");
        Refuse("/etc/passwd", "is absolute; paths are relative to the data folder");
        Refuse("\\\\server\\x", "is absolute; paths are relative to the data folder");
        Refuse("", "is empty");
        Refuse("a\0b", "holds a zero character");
        Refuse("file", "leaves the data folder by a symbolic link");
        Refuse("door/secret.txt", "leaves the data folder by a symbolic link");
        Refuse("up/x", "leaves the data folder by a symbolic link");
        Refuse("twice/x", "leaves the data folder by a symbolic link");
        Refuse("same/../door/secret.txt", "leaves the data folder by a symbolic link");
        Refuse("loop", "is a symbolic link that leads nowhere");
        Assert.Equal("the path 'file' leaves the data folder by a symbolic link", Damaged(() => _folder.Open("text", "file")));
        Assert.Equal("the path '../x' leaves the data folder by '..'", Damaged(() => _folder.Open("text", "../x")));
        Assert.Equal("the path 'door/*' leaves the data folder by a symbolic link", Damaged(() => _folder.Open("text", "door/*")));
        Assert.Equal("the path 'door' leaves the data folder by a symbolic link", Damaged(() => Open(_folder.Options("captions", "in/a.txt") with { Images = "door" })));

        void Refuse(string bad, string says)
        {
            Assert.False(folder.TryResolve(bad, out _, out string? refusal), bad);
            Assert.Equal(says, refusal);
        }
    }

    private static IDocumentSource Open(SourceOptions options) => DocumentFormats.BuiltIn.Open(options);

    [Fact]
    public void PatternsGiveFilesInOrdinalOrderEachOnce()
    {
        foreach (string name in (string[])["b.txt", "a.txt", "B.txt", "a10.txt", "a9.txt", "x/a.txt", "x/y/z.txt", "x/y/z.md"]) _folder.Write(name, "t");
        var folder = new DataFolder(_folder.Root);
        Assert.Equal(["B.txt", "a.txt", "a10.txt", "a9.txt", "b.txt"], folder.Files(["*.txt"]));
        Assert.Equal(["b.txt", "B.txt", "a.txt", "a10.txt", "a9.txt"], folder.Files(["b.txt", "*.txt"]));
        Assert.Equal(["B.txt", "a.txt", "a10.txt", "a9.txt", "b.txt", "x/a.txt", "x/y/z.txt"], folder.Files(["**/*.txt"]));
        Assert.Equal(["x/a.txt", "x/y/z.txt"], folder.Files(["x/a.txt", "x/**/?.txt"]));
        Assert.Equal(["a9.txt"], folder.Files(["./a?.txt"]));
    }

    [Fact]
    public void TextIsCutAsTheOptionsSay()
    {
        _folder.Write("a.txt", "\uFEFFone\r\ntwo\r\n\r\n \t\r\nthree\n\n\nfour");
        _folder.Write("b.txt", "fünf\n");
        SourceOptions options = _folder.Options("text", "*.txt");
        Assert.Equal(["one\ntwo", "three", "four", "fünf"], Texts(Open(options)));
        Assert.Equal(["a.txt:1", "a.txt:5", "a.txt:8", "b.txt:1"], ReaderFolder.All(Open(options)).Select(static document => document.Id));
        Assert.Equal(["one", "two", "three", "four", "fünf"], Texts(Open(options with { TextDocuments = TextDocuments.Lines })));
        Assert.Equal(["one\ntwo\n\n \t\nthree\n\n\nfour", "fünf"], Texts(Open(options with { TextDocuments = TextDocuments.Files })));
        Assert.Equal(["fün", "f"], Texts(Open(options with { Paths = ["b.txt"], TextDocuments = TextDocuments.Characters, DocumentCharacters = 3 })));
        Assert.Equal(["one\ntwo"], Texts(Open(options with { Paths = ["a.txt"], Lines = "0-3" })));
        Assert.Equal(["two", "three"], Texts(Open(options with { Paths = ["a.txt"], Lines = "1-5" })));
        Assert.Equal(["four"], Texts(Open(options with { Paths = ["a.txt"], Lines = "5-" })));
        Assert.Equal("source 's': 'lines' needs one file, and the paths name 2", Refused(() => Open(options with { Lines = "0-3" })));
        Assert.Equal("source 's': a.txt: no text in lines 90-", Damaged(() => Open(options with { Paths = ["a.txt"], Lines = "90-" })));
        Assert.Equal("source 's': 'documentCharacters' must be 1 or more, not 0", Refused(() => Open(options with { DocumentCharacters = 0 })));
        foreach (string lines in (string[])["3", "-3", "a-b", "1-2-3", "1-x", "-"])
            Assert.Equal($"lines '{lines}' are no range: '0-3000' means the first 3000, '3000-' those after them", Refused(() => LineRange.Parse(lines)));
        Assert.Equal("lines '5-5' hold nothing: the second number is the line after the last", Refused(() => LineRange.Parse("5-5")));
    }

    [Fact]
    public void BytesThatAreNoTextAreAnErrorWithTheirPlace()
    {
        byte[] long1 = [.. Enumerable.Repeat((byte)'a', (1 << 20) - 1), 0xC3, 0xA9, 0xE9, (byte)'b']; // a character over the edge of the buffer, then half of one
        _folder.Write("a.txt", long1);
        Assert.Equal("a.txt: byte 1048577 (0xE9) is no UTF-8; convert the file, e.g. with iconv -f latin1 -t utf-8", Damaged(() => _folder.Open("text", "a.txt")));
        _folder.Write("a.txt", long1.AsSpan(0, long1.Length - 2));
        Assert.Equal(1 << 20, Texts(_folder.Open("text", "a.txt"))[0].Length);
        _folder.Write("a.txt", long1.AsSpan(0, long1.Length - 3));
        Assert.Equal("a.txt: byte 1048575 (0xC3) is no UTF-8; convert the file, e.g. with iconv -f latin1 -t utf-8", Damaged(() => _folder.Open("text", "a.txt")));
        foreach (string format in (string[])["text", "jsonl"])
        {
            _folder.Write("a.txt", [0xFF, 0xFE, 0x61, 0]);
            Assert.Equal("a.txt: the file is UTF-16; convert it to UTF-8, e.g. with iconv -f utf-16 -t utf-8", Damaged(() => _folder.Open(format, "a.txt")));
            _folder.Write("a.txt", ReaderFolder.Gzip("{}"u8));
            Assert.Equal("a.txt: the file is compressed (gzip); expand it first, e.g. with gunzip", Damaged(() => _folder.Open(format, "a.txt")));
            _folder.Write("a.txt", [0x28, 0xB5, 0x2F, 0xFD]);
            Assert.Equal("a.txt: the file is compressed (zstd); expand it first, e.g. with unzstd", Damaged(() => _folder.Open(format, "a.txt")));
            _folder.Write("a.txt", " \n\n");
            Assert.Equal($"source 's': a.txt: no {(format == "text" ? "text" : "line to read")}", Damaged(() => _folder.Open(format, "a.txt")));
        }
    }

    [Fact]
    public void LinesAreFoundOverTheEdgesOfTheBuffer()
    {
        var random = new Random(3);
        var text = new StringBuilder();
        var expected = new List<(int Number, string Line)>();
        for (int line = 1; text.Length < 3 << 20; line++)
        {
            string content = random.Next(8) == 0 ? new string(' ', random.Next(3)) : new string((char)('a' + random.Next(26)), random.Next(4) == 0 ? random.Next(200_000) : random.Next(1, 80));
            if (content.Trim().Length > 0) expected.Add((line, content));
            text.Append(content).Append(random.Next(3) == 0 ? "\r\n" : "\n");
        }
        LineIndex index = LineIndex.Open(_folder.Write("l", text.ToString()), "l");
        Assert.Equal(expected, Enumerable.Range(0, (int)index.Count).Select(i => ((int)index.LineNumber(i), Encoding.UTF8.GetString(index.Read(i)))));
        LineIndex part = LineIndex.Open(_folder.Path("l"), "l", new LineRange(10, 30));
        Assert.Equal(expected.Where(static entry => entry.Number is > 10 and <= 30), Enumerable.Range(0, (int)part.Count).Select(i => ((int)part.LineNumber(i), Encoding.UTF8.GetString(part.Read(i)))));
    }

    [Fact]
    public void JsonTextsAreReadAndBadLinesNamed()
    {
        _folder.Write("a.jsonl", "{\"text\": \"one\"}\n\n{\"text\": 5}\n{\"no\": 1}\n[1]\n{\"text\": \"cut\n{\"text\": \"\\ud800\"}\n{\"text\": null, \"body\": \"two\"}\n");
        File.AppendAllBytes(_folder.Path("a.jsonl"), [(byte)'"', 0xE9, (byte)'"', (byte)'\n']);
        IDocumentSource source = _folder.Open("jsonl", "a.jsonl");
        Assert.Equal(8, source.DocumentsPerEpoch);
        Assert.Equal("one", ReaderFolder.Text(source.Read(0, 0)));
        Bad(source, 1, "schema", "a.jsonl:3: 'text' is a number, not a text");
        Bad(source, 2, "schema", "a.jsonl:4: the key 'text' is missing");
        Bad(source, 3, "json", "a.jsonl:5: the line is a list, not an object");
        Assert.StartsWith("a.jsonl:6: no JSON: ", Assert.Throws<BadDocumentException>(() => source.Read(0, 4)).Message, StringComparison.Ordinal);
        Bad(source, 5, "schema", "a.jsonl:7: 'text' holds half of a surrogate pair");
        Bad(source, 6, "schema", "a.jsonl:8: the key 'text' is missing");
        Bad(source, 7, "encoding", "a.jsonl:9: byte 1 (0xE9) is no UTF-8");
        Assert.Equal("two", ReaderFolder.Text(Open(_folder.Options("jsonl", "a.jsonl") with { TextKey = "body" }).Read(0, 6)));
        Assert.Throws<ArgumentOutOfRangeException>(() => source.Read(0, 8));
    }

    [Fact]
    public void CaptionsFindTheirImagesOrSayWhyNot()
    {
        _folder.Write("photos/a b.png", ReaderFolder.Picture);
        _folder.Write("photos/broken.png", [1, 2]);
        using var other = new ReaderFolder();
        other.Write("x.png", ReaderFolder.Picture);
        File.CreateSymbolicLink(_folder.Path("photos/link.png"), other.Path("x.png"));
        string base64 = Convert.ToBase64String(ReaderFolder.Picture);
        _folder.Write("c.jsonl", string.Join('\n',
            """{"image": "a b.png", "caption": " a cat "}""", """{"file_name": "./a b.png", "text": "a dog"}""", $$"""{"path": "data:image/png;base64,{{base64}}", "caption": "inside"}""",
            """{"image": "none.png", "caption": "x"}""", """{"image": "https://example.org/a.png", "caption": "x"}""", """{"image": "../../etc/passwd", "caption": "x"}""",
            """{"image": "/etc/passwd", "caption": "x"}""", """{"image": "link.png", "caption": "x"}""", """{"image": "data:image/png;base64,??", "caption": "x"}""",
            """{"image": "data:image/png,abc", "caption": "x"}""", """{"image": "", "caption": "x"}""", """{"image": "a b.png", "caption": " "}""", """{"image": ["a b.png"], "caption": "x"}""",
            """{"caption": "x"}""", """{"image": "../photos/a b.png", "caption": "back in"}""", """{"image": "//example.org/a.png", "caption": "x"}""",
            $$"""{"image_base64": "{{base64}}", "caption": "in the line"}""", """{"image_base64": "%", "caption": "x"}"""));
        IDocumentSource source = Open(_folder.Options("captions", "c.jsonl") with { Images = "photos" });
        Assert.Equal(["<image>a cat", "<image>a dog", "<image>inside", "<image>back in", "<image>in the line"], ((int[])[0, 1, 2, 14, 16]).Select(i => ReaderFolder.Text(source.Read(0, i))));
        foreach (int i in (int[])[0, 1, 2, 14, 16]) Assert.Equal(2, ((ImageSegment)source.Read(0, i).Segments[0]).Image.Load().Width);
        Bad(source, 3, "missing", "c.jsonl:4: image 'none.png' is not there in 'photos'");
        Bad(source, 4, "missing", "c.jsonl:5: image 'https://example.org/a.png' is a URL, and images are never fetched; download it and give its path");
        Bad(source, 5, "outside the data folder", "c.jsonl:6: image '../../etc/passwd': the path leaves the data folder by '..'");
        Bad(source, 6, "outside the data folder", "c.jsonl:7: image '/etc/passwd': the path is absolute; paths are relative to the data folder");
        Bad(source, 7, "outside the data folder", "c.jsonl:8: image 'link.png': the path leaves the data folder by a symbolic link");
        Bad(source, 8, "corrupt", "c.jsonl:9: an image is no base64 text ('??')");
        Bad(source, 9, "unsupported", "c.jsonl:10: image 'data:image/png,abc' is a data URI without base64");
        Bad(source, 10, "missing", "c.jsonl:11: image '': the path is empty");
        Bad(source, 11, "empty caption", "c.jsonl:12: the caption is empty");
        Bad(source, 12, "schema", "c.jsonl:13: 'image' is a list, not a text");
        Bad(source, 13, "schema", "c.jsonl:14: the key 'image' or 'file_name' or 'path' is missing");
        Bad(source, 15, "missing", "c.jsonl:16: image '//example.org/a.png' is a URL, and images are never fetched; download it and give its path");
        Bad(source, 17, "corrupt", "c.jsonl:18: an image is no base64 text ('%')");
        _folder.Write("d.jsonl", """{"img": "broken.png", "title": "x"}""");
        Document broken = Open(_folder.Options("captions", "d.jsonl") with { Images = "photos", ImageKey = "img", TextKey = "title" }).Read(0, 0);
        Assert.StartsWith("photos/broken.png: ", Assert.Throws<BadImageException>(() => ((ImageSegment)broken.Segments[0]).Image.Load()).Message, StringComparison.Ordinal);
        Assert.Equal($"source 's': the folder of images 'none' is not in '{_folder.Root}'",
            Assert.Throws<DirectoryNotFoundException>(() => Open(_folder.Options("captions", "c.jsonl") with { Images = "none" })).Message);
    }

    [Theory, InlineData("photos.tar"), InlineData("photos.tar.gz")]
    public void ImagesMayLieInAnArchive(string archive)
    {
        byte[] tar = ReaderFolder.Tar(System.Formats.Tar.TarEntryFormat.Gnu, ("./x/a.png", ReaderFolder.Picture), ("x/b.png", [1]));
        _folder.Write(archive, archive.EndsWith("gz", StringComparison.Ordinal) ? ReaderFolder.Gzip(tar) : tar);
        _folder.Write("c.jsonl", """{"image": "x/a.png", "caption": "a cat"}""" + "\n" + """{"image": "x/c.png", "caption": "a cat"}""" + "\n" + """{"image": "x/b.png", "caption": "a cat"}""");
        IDocumentSource source = Open(_folder.Options("captions", "c.jsonl") with { Images = archive });
        Assert.Equal(2, ((ImageSegment)source.Read(0, 0).Segments[0]).Image.Load().Width);
        Bad(source, 1, "missing", "c.jsonl:2: image 'x/c.png' is not in the archive");
        Assert.StartsWith($"{archive}:x/b.png: ", Assert.Throws<BadImageException>(() => ((ImageSegment)source.Read(0, 2).Segments[0]).Image.Load()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DocumentsLeaveOutTheImagesThatAreNotThereAndSaySo()
    {
        _folder.Write("part/images/0.png", ReaderFolder.Picture);
        _folder.Write("part/d.jsonl", string.Join('\n',
            """{"images": [null, "images/0.png", null], "texts": ["before", null, "after"], "targets": [false, false, true]}""",
            """{"images": ["images/9.png", null], "texts": [null, "text alone"]}""",
            """{"images": ["http://x/y.png"], "texts": [null]}""",
            """{"images": [null], "texts": ["a", "b"]}""",
            """{"images": ["images/0.png"], "texts": ["a"]}""",
            """{"images": [null], "texts": [null]}""",
            """{"images": [null], "texts": ["a"], "targets": [1]}""",
            """{"images": [null], "texts": ["a"], "targets": []}""",
            """{"images": {}, "texts": ["a"]}""",
            """{"texts": ["a"]}""",
            """{"images": [3], "texts": [null]}"""));
        IDocumentSource source = _folder.Open("documents", "part/d.jsonl");
        Document whole = source.Read(0, 0);
        Assert.Equal("before<image>after", ReaderFolder.Text(whole));
        Assert.Equal([LossRole.Context, LossRole.Target], whole.Segments.OfType<TextSegment>().Select(static text => text.Role));
        Assert.Null(whole.Problems);
        Document less = source.Read(0, 1);
        Assert.Equal("text alone", ReaderFolder.Text(less));
        Assert.Equal(new DocumentProblem("missing", "image 'part/images/9.png' is not there"), Assert.Single(less.Problems!));
        Bad(source, 2, "missing", "part/d.jsonl:3: nothing of the document is left: image 'http://x/y.png' is a URL, and images are never fetched; download it and give its path");
        Bad(source, 3, "schema", "part/d.jsonl:4: 'images' has 1 entries and 'texts' 2");
        Bad(source, 4, "schema", "part/d.jsonl:5: place 0 has both a text and an image");
        Bad(source, 5, "schema", "part/d.jsonl:6: place 0 has neither text nor image");
        Bad(source, 6, "schema", "part/d.jsonl:7: 'targets' has a number at place 0");
        Bad(source, 7, "schema", "part/d.jsonl:8: 'targets' has 0 entries and 'texts' 1");
        Bad(source, 8, "schema", "part/d.jsonl:9: 'images' is an object, not a list");
        Bad(source, 9, "schema", "part/d.jsonl:10: the key 'images' is missing");
        Bad(source, 10, "schema", "part/d.jsonl:11: 'images' at place 0 is a number, not a text");
    }

    [Fact]
    public void WhatTheSyntheticWorldWritesIsReadBack()
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions { ImageSize = 48 });
        SyntheticDataset.Write(world, _folder.Root, new SyntheticDatasetOptions { Captions = 12, Interleaved = 12, Text = 12, Evaluation = 2 });
        (IDocumentSource Written, IDocumentSource Read)[] pairs =
        [
            (world.Captions, _folder.Open("webdataset", "captions/*.tar")),
            (world.Interleaved, _folder.Open("documents", "interleaved/documents.jsonl")),
            (world.Text, _folder.Open("documents", "text/*.jsonl")),
        ];
        foreach ((IDocumentSource written, IDocumentSource read) in pairs)
        {
            Assert.Equal(12, read.DocumentsPerEpoch);
            for (int i = 0; i < 12; i++)
            {
                Document from = written.Read(0, i), to = read.Read(0, i);
                Assert.Null(to.Problems);
                Assert.Equal(from.Segments.Count, to.Segments.Count);
                foreach ((Segment a, Segment b) in from.Segments.Zip(to.Segments))
                {
                    if (a is ImageSegment image) Assert.Equal(image.Image.Load().Pixels, ((ImageSegment)b).Image.Load().Pixels);
                    else Assert.Equal(a, b);
                }
            }
        }
        Assert.Equal(2, _folder.Open("captions", "evaluation-unseen-seed/captions.jsonl").DocumentsPerEpoch);
    }

    [Fact]
    public void FuzzedLinesGiveDocumentsOrOneError() => Fuzz(2000);

    [Fact, Trait("Tier", "nightly")]
    public void ManyFuzzedLinesGiveDocumentsOrOneError() => Fuzz(100_000);

    private void Fuzz(int count)
    {
        _folder.Write("images/0.png", ReaderFolder.Picture);
        byte[] seed = ReaderFolder.Bytes("""
            {"images": [null, "images/0.png", null], "texts": ["before ü", null, "after"], "targets": [false, false, true], "id": "1"}
            {"image": "images/0.png", "caption": "a cat", "text": "some text"}
            {"images": ["data:image/png;base64,AAAA", "../x"], "texts": [null, null]}
            """);
        int good = 0, bad = 0, refused = 0;
        string[] formats = ["documents", "captions", "jsonl", "text"];
        int number = 0;
        string path = _folder.Path("f.jsonl");
        foreach (byte[] lines in Mutations.Of(seed, count, 7))
        {
            File.WriteAllBytes(path, lines);
            IDocumentSource source;
            try
            {
                source = _folder.Open(formats[number++ % formats.Length], "f.jsonl");
            }
            catch (InvalidDataException refusal)
            {
                Assert.Contains("f.jsonl: ", refusal.Message, StringComparison.Ordinal);
                refused++;
                continue;
            }
            for (long i = 0; i < source.DocumentsPerEpoch; i++)
            {
                try
                {
                    foreach (Segment segment in source.Read(0, i).Segments) (segment as ImageSegment)?.Image.Load();
                    good++;
                }
                catch (BadDocumentException fault)
                {
                    Assert.StartsWith("f.jsonl:", fault.Message, StringComparison.Ordinal);
                    bad++;
                }
                catch (BadImageException)
                {
                    bad++;
                }
            }
        }
        Assert.True(good > count / 20 && bad > count / 20 && refused > 0, $"{good} good, {bad} bad, {refused} refused");
    }
}
