using System.Text;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>What tells formats apart, counts documents and converts them.</summary>
public sealed class DataToolsTests : IDisposable
{
    private static readonly byte[] Red = Png(255, 0, 0), Blue = Png(0, 0, 255);
    private readonly string _folder = Directory.CreateTempSubdirectory("mm1-data-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("a.jsonl", """{"images": ["x.png", null], "texts": [null, "t"], "targets": [false, true]}""", "documents")]
    [InlineData("a.jsonl", """{"images": ["http://x/y", null], "texts": [null, "t"], "metadata": "[]", "general_metadata": "{}"}""", "obelics")]
    [InlineData("a.jsonl", """{"text_list": ["a"], "url": "u", "image_info": []}""", "mmc4")]
    [InlineData("a.jsonl", """{"id": "1", "image": "a.jpg", "conversations": []}""", "llava")]
    [InlineData("a.json", """[{"id": "1", "image": "a.jpg", "conversations": [{"from": "human"}]}]""", "llava")]
    [InlineData("a.jsonl", """{"file_name": "a.jpg", "caption": "c"}""", "captions")]
    [InlineData("a.jsonl", """{"image": "a.jpg", "question": "q", "answer": "a"}""", "questions")]
    [InlineData("a.jsonl", """{"sentence": "s", "label": "true", "identifier": "1-0"}""", "nlvr")]
    [InlineData("a.ndjson", """{"text": "t", "url": "u"}""", "jsonl")]
    [InlineData("a.json", """{"info": {}, "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}""", "coco-captions")]
    [InlineData("a.json", """{"data": [{"question": "q", "image_id": "x", "answers": []}]}""", "textvqa")]
    [InlineData("a.json", """{"data": [{"caption_str": "q", "image_id": "x", "reference_strs": []}]}""", "textcaps")]
    [InlineData("a.json", """[{"image": "a.jpg", "question": "q", "answers": []}]""", "vizwiz")]
    [InlineData("a.json", """{"images": [{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "r"}]}], "dataset": "coco"}""", "karpathy")]
    [InlineData("a.txt", "text", "text")]
    [InlineData("a.tar", "", "webdataset")]
    [InlineData("a.tar.gz", "", "webdataset")]
    [InlineData("a.parquet", "", "parquet")]
    [InlineData("a.json", """{"x": 1}""", null)]
    [InlineData("a.json", "no JSON", null)]
    [InlineData("a.json", """{"\ud800": 1}""", null)]
    [InlineData("a.jsonl", "", null)]
    [InlineData("a.csv", "a,b", null)]
    public void AFileIsToldByNameAndBeginning(string name, string content, string? format)
    {
        File.WriteAllText(At(name), content);
        Assert.Equal(format, SourceDetection.FormatOf(At(name)));
    }

    [Fact]
    public void ALongFileIsToldByItsBeginning()
    {
        var text = new StringBuilder("{\"images\": [");
        for (int i = 0; i < 40_000; i++) text.Append(i == 0 ? "" : ",").Append("{\"id\": ").Append(i).Append(", \"file_name\": \"000.jpg\"}");
        File.WriteAllText(At("long.json"), text.Append("], \"annotations\": []}").ToString());
        Assert.Equal("coco-captions", SourceDetection.FormatOf(At("long.json")));
    }

    [Fact]
    public void ShardsOfAFolderAreOneSource()
    {
        Directory.CreateDirectory(At("pairs"));
        foreach (string file in new[] { "pairs/00001.tar", "pairs/00000.tar", "notes.txt", "odd.json" }) File.WriteAllText(At(file), "{}");
        IReadOnlyList<DetectedSource> found = SourceDetection.OfFolder(_folder, out IReadOnlyList<string> unknown);
        Assert.Equal(["notes.txt", "pairs"], found.Select(static source => source.Name));
        Assert.Equal(["pairs/00000.tar", "pairs/00001.tar"], found[1].Files);
        Assert.Equal(4, found[1].Bytes);
        Assert.Equal(["odd.json"], unknown);
    }

    [Fact]
    public void EverythingIsCounted()
    {
        DocumentStatistics one = DocumentStatistics.Of(Mixed(), new StatisticsOptions { Tokenizer = new ByteTokenizer(), Threads = 1 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((6, 6, 3), (one.Documents, one.Read, one.Usable));
        Assert.Equal(new Distribution(5, 16, 2, 3, 4, 4), one.Characters);
        Assert.Equal(one.Characters, one.Tokens); // ASCII
        Assert.Equal(0.875, one.TargetShare);
        Assert.Equal((5, 1.2), (one.Images.Count, one.Images.Mean));
        Assert.Equal(new Distribution(4, 8, 2, 2, 2, 2), one.Width);
        Assert.Equal(1, one.RepeatedTexts);
        Assert.Equal([("other", 2L), ("png", 3L)], one.FileKinds.Select(static pair => (pair.Key, pair.Value)));
        Assert.Equal([("missing", 1L), ("not an image", 2L), ("schema", 1L)], one.Bad.Select(static pair => (pair.Key, pair.Value)));
        Assert.StartsWith("bad-2: ", one.FirstBad["not an image"], StringComparison.Ordinal);
        Assert.Equal("line 5: the key is missing", one.FirstBad["schema"]);
        DocumentStatistics four = DocumentStatistics.Of(Mixed(), new StatisticsOptions { Tokenizer = new ByteTokenizer(), Threads = 4 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equivalent(one, four, strict: true);
    }

    [Fact]
    public void ADocumentOfNothingIsBad()
    {
        var source = new ListDocumentSource("empty", [new Document("empty", "e-0", [new TextSegment("")]), new Document("empty", "e-1", [])]);
        DocumentStatistics found = DocumentStatistics.Of(source, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((0, 2L), (found.Usable, found.Bad["empty"]));
    }

    /// <summary>What documents depend on stands in the settings that a cursor remembers.</summary>
    [Fact]
    public void AKeyThatIsSetIsInTheSettings()
    {
        File.WriteAllText(At("a.jsonl"), """{"text": "t", "other": "o"}""");
        var options = new SourceOptions { Name = "a", Format = "jsonl", Root = _folder, Paths = ["a.jsonl"] };
        IDocumentSource usual = DocumentFormats.BuiltIn.Open(options, TestContext.Current.CancellationToken), other = DocumentFormats.BuiltIn.Open(options with { TextKey = "other" }, TestContext.Current.CancellationToken);
        Assert.Equal("27 bytes", usual.Settings);
        Assert.Equal("27 bytes, textKey other", other.Settings);
    }

    [Fact]
    public void AThinImageIsRefusedNotTheRunEnded()
    {
        var thin = new ImageData(60_000, 1, new byte[180_000]);
        Assert.Equal(BadImageException.TooLarge, Assert.Throws<BadImageException>(() => new BicubicResize(ImageResizeMode.PadSquare).Prepare(thin, 32)).Cause);
    }

    [Fact]
    public void ALimitIsSpreadOverTheSource()
    {
        var source = new ListDocumentSource("many", [.. Enumerable.Range(0, 100).Select(static i => new Document("many", $"{i}", [new TextSegment(new string('a', i + 1))]))]);
        DocumentStatistics found = DocumentStatistics.Of(source, new StatisticsOptions { Limit = 4 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((100, 4), (found.Documents, found.Read));
        Assert.Equal(1 + 26 + 51 + 76, found.Characters.Sum);
    }

    /// <summary>To JSON lines and from there to shards: the same documents, image files with the same bytes; what is bad is in the log.</summary>
    [Fact]
    public void DocumentsAreConvertedAndBack()
    {
        ConversionResult lines = DocumentConversion.Run(Mixed(), At("lines"), new ConversionOptions { Target = ConversionTarget.JsonLines, BadLimit = 0.9 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((3, 4), (lines.Written, lines.Bad.Count));
        Assert.Equal(["problem", "image", "image", "document"], lines.Bad.Select(static bad => bad.What));
        Assert.Equal(4, File.ReadAllLines(At("lines/bad-samples.jsonl")).Length);
        IDocumentSource read = Open("documents", "lines/documents.jsonl");
        Assert.Equal(3, read.DocumentsPerEpoch);
        Document third = read.Read(0, 2, TestContext.Current.CancellationToken);
        Assert.Equal([LossRole.Context, LossRole.Target], third.Segments.OfType<TextSegment>().Select(static text => text.Role));

        var pairs = new ListDocumentSource("pairs", [Pair("0", Red, "red"), Pair("1", Blue, "blue"), Pair("2", Red, "red")]);
        ConversionResult shards = DocumentConversion.Run(pairs, At("shards"), new ConversionOptions { Target = ConversionTarget.WebDataset, SamplesPerShard = 2 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(3, shards.Written);
        Assert.Equal(["00000.tar", "00001.tar"], Directory.GetFiles(At("shards")).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        IDocumentSource back = Open("webdataset", "shards/*.tar");
        for (int i = 0; i < 3; i++)
        {
            Document expected = pairs.Read(0, i, TestContext.Current.CancellationToken), found = back.Read(0, i, TestContext.Current.CancellationToken);
            Assert.Equal(((TextSegment)expected.Segments[1]).Text, ((TextSegment)found.Segments[1]).Text);
            Assert.Equal(((EncodedImage)((ImageSegment)expected.Segments[0]).Image).File, ((IImageFile)((ImageSegment)found.Segments[0]).Image).ReadFile(), Bytes.Comparer);
        }
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        var text = new ListDocumentSource("text", [new Document("text", "t-0", [new TextSegment("words")])]);
        var misfit = Assert.Throws<InvalidDataException>(() => DocumentConversion.Run(text, At("out"), new ConversionOptions { Target = ConversionTarget.WebDataset }, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal("document 't-0' is no image with a caption (0 images, 1 texts, 0 of them no targets); convert to JSON lines, which hold documents of any kind", misfit.Message);
        var question = new ListDocumentSource("questions", [new Document("questions", "q-0", [new ImageSegment(new EncodedImage(Red)), new TextSegment("which colour?", LossRole.Context), new TextSegment("red")])]);
        Assert.Contains("1 of them no targets", Assert.Throws<InvalidDataException>(() =>
            DocumentConversion.Run(question, At("out1"), new ConversionOptions { Target = ConversionTarget.WebDataset }, cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(At("out1"), "*.tar"));
        var bad = Assert.Throws<InvalidDataException>(() => DocumentConversion.Run(Mixed(), At("out2"), new ConversionOptions { Target = ConversionTarget.JsonLines }, cancellationToken: TestContext.Current.CancellationToken));
        Assert.StartsWith("source 'mixed': 3 of 6 documents cannot be used; the limit is a share of 0.1", bad.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(At("out2/documents.jsonl")));
    }

    private static Document Pair(string id, byte[] file, string caption) => new("pairs", id, [new ImageSegment(new EncodedImage(file)), new TextSegment(caption)]);

    /// <summary>Three good documents, one of them with something missing; two with images that are none; one that cannot be read.</summary>
    private static BadSource Mixed() => new([
        Pair("0", Red, "red"),
        Pair("1", Blue, "red") with { Problems = [new DocumentProblem("missing", "1: image 'x.png' is not there")] },
        Pair("bad-2", [1, 2, 3], "blue"),
        new Document("mixed", "3", [new ImageSegment(new ImageData(2, 1, new byte[6])), new TextSegment("is", LossRole.Context), new ImageSegment(new EncodedImage(Red)), new TextSegment("it")]),
        Pair("bad-4", [4], "it"),
        null]);

    private static byte[] Png(byte red, byte green, byte blue) => ImageCodec.EncodePng(new ImageData(2, 1, [red, green, blue, red, green, blue]));

    private IDocumentSource Open(string format, string path) => DocumentFormats.BuiltIn.Open(new SourceOptions { Name = "read", Format = format, Root = _folder, Paths = [path] }, TestContext.Current.CancellationToken);

    private string At(string name) => Path.Combine(_folder, name);

    private sealed class BadSource(Document?[] documents) : IDocumentSource
    {
        public string Name => "mixed";

        public long DocumentsPerEpoch => documents.Length;

        public Document Read(long epoch, long index, CancellationToken cancellationToken = default) =>
            documents[index] ?? throw new BadDocumentException("schema", $"line {index}: the key is missing", $"line {index}");
    }

    private sealed class Bytes : IEqualityComparer<ReadOnlyMemory<byte>>
    {
        public static readonly Bytes Comparer = new();

        public bool Equals(ReadOnlyMemory<byte> x, ReadOnlyMemory<byte> y) => x.Span.SequenceEqual(y.Span);

        public int GetHashCode(ReadOnlyMemory<byte> obj) => obj.Length;
    }
}
