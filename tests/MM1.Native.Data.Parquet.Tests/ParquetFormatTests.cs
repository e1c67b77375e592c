using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Documents in parquet files.</summary>
public sealed class ParquetFormatTests : IDisposable
{
    private static readonly DocumentFormats Formats = DocumentFormats.BuiltIn.With([.. ParquetFormats.All]);
    private readonly ReaderFolder _folder = new();

    public ParquetFormatTests() => _folder.Write("img/a.png", ReaderFolder.Picture);

    public void Dispose() => _folder.Dispose();

    private SourceOptions Options(string format, params string[] paths) => _folder.Options(format, paths) with { Images = "img" };

    private static string Failure(SourceOptions options) => Record.Exception(() => Formats.Open(options)) is { } error and (InvalidDataException or ArgumentException) ? error.Message : "no failure";

    private static (string, string) Bad(IDocumentSource source, int index)
    {
        BadDocumentException bad = Assert.Throws<BadDocumentException>(() => source.Read(0, index));
        return (bad.Cause, bad.Message);
    }

    [Fact]
    public void ObelicsIsReadRowByRow()
    {
        ParquetFiles.WriteObelics(_folder.Path("o.parquet"),
        [
            ([null, "a.png", null], ["Öne.", null, "Two."]),
            (["https://a.b/c.png", null], [null, "Three."]),
            ([null, null], ["Four.", null]),
            ([], []),
            ([null, null], ["Five.", "Six."]),
        ], rowsPerGroup: 2);
        IDocumentSource source = Formats.Open(Options("obelics", "o.parquet"));
        Assert.Equal(5, source.DocumentsPerEpoch);
        Document document = source.Read(0, 0);
        Assert.Equal(("o.parquet[0]", "Öne.<image>Two."), (document.Id, ReaderFolder.Text(document)));
        Assert.Equal(2, ((ImageSegment)document.Segments[1]).Image.Load().Width);
        Assert.Equal([new("missing", "o.parquet[1]: image 'https://a.b/c.png' is a URL, and images are never fetched; download it and give its path")], source.Read(0, 1).Problems!);
        Assert.Equal(("schema", "o.parquet[2]: at place 1 neither image nor text stands; exactly one is expected"), Bad(source, 2));
        Assert.Equal(("empty", "o.parquet[3]: the document has neither text nor image"), Bad(source, 3));
        Assert.Equal("Five.\n\nSix.", ReaderFolder.Text(source.Read(7, 4)));
        Assert.Throws<ArgumentOutOfRangeException>(() => source.Read(0, 5));
    }

    [Fact]
    public void RowGroupsAreDecodedOnceWhileTheyAreNear()
    {
        (string?[], string?[])[] rows = [.. Enumerable.Range(0, 100).Select(static i => ((string?[])[null], (string?[])[$"{i}"]))];
        ParquetFiles.WriteObelics(_folder.Path("0.parquet"), rows[..60], rowsPerGroup: 10);
        ParquetFiles.WriteObelics(_folder.Path("1.parquet"), rows[60..], rowsPerGroup: 10);
        var source = (ParquetSource)Formats.Open(Options("obelics", "*.parquet"));
        Assert.Equal(rows.Select(static row => row.Item2[0]), ReaderFolder.All(source).Select(ReaderFolder.Text));
        Assert.Equal(10, source.Decoded);
        Assert.Equal("1.parquet[39]", source.Read(0, 99).Id);
        Assert.Equal(10, source.Decoded);
        source.Read(0, 0);
        Assert.Equal(11, source.Decoded);
        // Shuffled in windows of a row group, a pass decodes each group once.
        var again = (ParquetSource)Formats.Open(Options("obelics", "*.parquet"));
        Assert.Equal(Enumerable.Range(0, 100), ReaderFolder.All(new ShuffledDocumentSource(again, 1, window: 10)).Select(static document => int.Parse(ReaderFolder.Text(document))).Order());
        Assert.Equal(10, again.Decoded);
    }

    [Fact]
    public void ManyThreadsReadAtOnce()
    {
        ParquetFiles.WriteObelics(_folder.Path("o.parquet"), [.. Enumerable.Range(0, 80).Select(static i => ((string?[])[null], (string?[])[$"{i}"]))], rowsPerGroup: 10);
        IDocumentSource source = Formats.Open(Options("obelics", "o.parquet"));
        Parallel.For(0, 2_000, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = TestContext.Current.CancellationToken }, i =>
        {
            long row = (i * 37) % 80;
            Assert.Equal($"{row}", ReaderFolder.Text(source.Read(0, row)));
        });
    }

    [Fact]
    public void ConversationsHaveTheirImagesInside()
    {
        ParquetFiles.WriteConversations(_folder.Path("c.parquet"),
        [
            new("7", ReaderFolder.Picture, "x.png", ["human", "gpt"], ["<image>\nWhat?", "A cat."]),
            new("8", null, "a.png", ["human", "gpt"], ["<image>\nWho?", "A dog."]),
            new("9", null, null, ["human", "gpt"], ["Hi", "Hello."]),
            new("10", null, null, ["human", "gpt"], ["<image>", "Hello."]),
            new("11", null, "n.png", ["human", "gpt"], ["<image>", "Hello."]),
        ]);
        IDocumentSource source = Formats.Open(Options("llava", "c.parquet"));
        Assert.Equal("USER:<image>What?ASSISTANT:A cat.", ReaderFolder.Text(source.Read(0, 0)));
        Assert.Equal([LossRole.Context, LossRole.Context, LossRole.Context, LossRole.Target], source.Read(0, 0).Segments.OfType<TextSegment>().Select(static text => text.Role));
        Assert.IsType<EncodedImage>(((ImageSegment)source.Read(0, 0).Segments[1]).Image);
        Assert.Equal("USER:<image>Who?ASSISTANT:A dog.", ReaderFolder.Text(source.Read(0, 1)));
        Assert.Equal(2, ((ImageSegment)source.Read(0, 1).Segments[1]).Image.Load().Width);
        Assert.Equal("USER:HiASSISTANT:Hello.", ReaderFolder.Text(source.Read(0, 2)));
        Assert.Equal(("schema", "c.parquet[3] (id '10'): the conversation marks 1 image(s) by <image> and 0 are given; the numbers must be equal"), Bad(source, 3));
        Assert.Equal(("missing", "c.parquet[4] (id '11'): image 'n.png' is not there in 'img'"), Bad(source, 4));
    }

    [Fact]
    public void TextsAndCaptions()
    {
        ParquetFiles.WriteTexts(_folder.Path("t.parquet"), ["url", "text"], [["u", "One."], ["u", null], ["u", " "]]);
        IDocumentSource texts = Formats.Open(Options("parquet", "t.parquet"));
        Assert.Equal("One.", ReaderFolder.Text(texts.Read(0, 0)));
        Assert.Equal(("schema", "t.parquet[1]: 'text' is null"), Bad(texts, 1));
        Assert.Equal(("empty", "t.parquet[2]: 'text' is blank"), Bad(texts, 2));
        ParquetFiles.WriteTexts(_folder.Path("c.parquet"), ["caption", "image", "file"], [[" a cat\n", "a.png", "b"], ["a dog", "n.png", "b"], ["a cow", null, "b"]]);
        IDocumentSource captions = Formats.Open(Options("parquet", "c.parquet"));
        Assert.Equal("<image>a cat", ReaderFolder.Text(captions.Read(0, 0)));
        Assert.Equal(("missing", "c.parquet[1]: image 'n.png' is not there in 'img'"), Bad(captions, 1));
        Assert.Equal(("missing", "c.parquet[2]: 'image' is null"), Bad(captions, 2));
        Assert.Equal("u", ReaderFolder.Text(Formats.Open(Options("parquet", "t.parquet") with { TextKey = "url" }).Read(0, 1)));
    }

    [Fact]
    public void FilesThatAreNotAsExpectedFailAtOnce()
    {
        ParquetFiles.WriteTexts(_folder.Path("t.parquet"), ["url", "text"], [["u", "One."]]);
        ParquetFiles.WriteTexts(_folder.Path("i.parquet"), ["text", "image"], [["u", "a.png"]]);
        ParquetFiles.WriteTexts(_folder.Path("e.parquet"), ["text"], []);
        _folder.Write("x.parquet", "no parquet at all");
        _folder.Write("o.jsonl", "{\"images\": [null], \"texts\": [\"One.\"]}");
        Assert.Equal("t.parquet: there is no column 'images'; the columns are url, text", Failure(Options("obelics", "t.parquet")));
        Assert.Equal("t.parquet: there is no column 'body'; the columns are url, text", Failure(Options("parquet", "t.parquet") with { TextKey = "body" }));
        Assert.Equal("t.parquet: there is no column 'picture'; the columns are url, text", Failure(Options("parquet", "t.parquet") with { ImageKey = "picture" }));
        Assert.Equal("t.parquet: column 'image' is missing here, and files before have it; make two sources of them", Failure(Options("parquet", "i.parquet", "t.parquet")));
        Assert.Equal("source 's': e.parquet: there are no rows", Failure(Options("parquet", "e.parquet")));
        Assert.StartsWith("x.parquet: not a parquet file, or a damaged one: ", Failure(Options("parquet", "x.parquet")), StringComparison.Ordinal);
        Assert.Equal("source 's': 1 of the 2 paths are parquet files and the others are not; make two sources of them", Failure(Options("obelics", "t.parquet", "o.jsonl")));
        Assert.Equal("source 's': format 'obelics' has no use for 'lines'; leave it out", Failure(Options("obelics", "t.parquet") with { Lines = "0-1" }));
        ParquetFiles.WriteObelics(_folder.Path("l.parquet"), [([null], ["a"])], 1);
        Assert.Equal("l.parquet: column 'texts' holds lists of ByteArray; texts are expected", Failure(Options("parquet", "l.parquet") with { TextKey = "texts" }));
        ParquetFiles.WriteTexts(_folder.Path("f.parquet"), ["images", "texts"], [["u", "One."]]);
        Assert.Equal("f.parquet: column 'images' holds ByteArray; lists of texts are expected", Failure(Options("obelics", "f.parquet")));
    }

    [Fact]
    public void JsonIsLeftToTheOtherReaders()
    {
        _folder.Write("o.jsonl", "{\"images\": [null], \"texts\": [\"One.\"]}");
        Assert.Equal("One.", ReaderFolder.Text(Formats.Open(Options("obelics", "o.jsonl")).Read(0, 0)));
        _folder.Write("c.json", """[{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}]""");
        Assert.Equal("USER:HiASSISTANT:Hello.", ReaderFolder.Text(Formats.Open(Options("llava", "c.json")).Read(0, 0)));
        Assert.Contains("MM1.Native.Data.Parquet", Assert.Throws<ArgumentException>(() => DocumentFormats.BuiltIn.Open(Options("obelics", "o.parquet"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADamagedRowGroupIsNotTheEndOfTheFile()
    {
        string path = _folder.Path("o.parquet");
        ParquetFiles.WriteObelics(path, [.. Enumerable.Range(0, 40).Select(static i => ((string?[])[null], (string?[])[$"text {i} {new string('x', 500)}"]))], rowsPerGroup: 20);
        byte[] bytes = File.ReadAllBytes(path);
        bytes.AsSpan(4, 16).Fill(0xFF); // the header of the first page
        File.WriteAllBytes(path, bytes);
        IDocumentSource source = Formats.Open(Options("obelics", "o.parquet"));
        (string cause, string message) = Bad(source, 3);
        Assert.Equal("corrupt", cause);
        Assert.StartsWith("o.parquet[3]: row group 0 cannot be read: ", message, StringComparison.Ordinal);
        Assert.StartsWith("text 20 x", ReaderFolder.Text(source.Read(0, 20)), StringComparison.Ordinal);
    }
}
