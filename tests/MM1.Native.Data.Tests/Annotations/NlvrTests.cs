using System.Formats.Tar;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>NLVR: sentences, true or false.</summary>
public sealed class NlvrTests : IDisposable
{
    private const string Lines = """
        {"image": "dev-1-0-0.png", "sentence": "One box.", "label": "true", "identifier": "1-0", "permutation": 0}
        {"image": "dev-1-0-1.png", "sentence": "Two boxes.", "label": "false", "identifier": "1-0", "permutation": 1}
        """;
    private const string Original = """
        {"sentence": "One box.", "label": "true", "identifier": "1-0", "directory": "2"}
        {"sentence": "Two boxes.", "label": "false", "identifier": "1-1", "directory": "2"}
        """;
    private readonly ReaderFolder _folder = new();

    public NlvrTests() => _folder.Write("images.tar.gz", ReaderFolder.Gzip(ReaderFolder.Tar(TarEntryFormat.Pax,
        [("./dev-1-0-0.png", ReaderFolder.Picture), ("dev-1-0-1.png", ReaderFolder.Picture), .. Enumerable.Range(0, 3).Select(static i => ($"images/2/dev-1-0-{i}.png", ReaderFolder.Picture))])));

    public void Dispose() => _folder.Dispose();

    private SourceOptions Options(string lines)
    {
        _folder.Write("n.jsonl", lines);
        return _folder.Options("nlvr", "n.jsonl") with { Images = "images.tar.gz" };
    }

    [Fact]
    public void SentencesHaveAnswers()
    {
        Document[] documents = [.. ReaderFolder.All(DocumentFormats.BuiltIn.Open(Options(Lines)))];
        Assert.Equal(["<image>One box.true", "<image>Two boxes.false"], documents.Select(ReaderFolder.Text));
        Assert.Equal("n.jsonl:2 (dev-1-0-1.png)", documents[1].Id);
        Assert.Equal([LossRole.Context, LossRole.Target], documents[0].Segments.OfType<TextSegment>().Select(static text => text.Role));
        Assert.Equal(2, ((ImageSegment)documents[0].Segments[0]).Image.Load().Width);
        Assert.Equal("<image>Two boxes. True?false", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(Options(Lines) with { Prompt = "{sentence} True?" }).Read(0, 1)));
    }

    [Fact]
    public void TrueSentencesAreCaptions()
    {
        IDocumentSource source = DocumentFormats.BuiltIn.Open(Options(Lines) with { Sentences = true });
        Document document = Assert.Single(ReaderFolder.All(source));
        Assert.Equal("<image>One box.", ReaderFolder.Text(document));
        Assert.Equal(LossRole.Target, ((TextSegment)document.Segments[1]).Role);
    }

    [Fact]
    public void OriginalRecordsAreThreeDocuments()
    {
        SourceOptions options = Options(Original) with { Split = "dev" };
        IDocumentSource source = DocumentFormats.BuiltIn.Open(options);
        Assert.Equal(6, source.DocumentsPerEpoch);
        Assert.Equal("n.jsonl:1 (images/2/dev-1-0-2.png)", source.Read(0, 2).Id);
        Assert.Equal(3, DocumentFormats.BuiltIn.Open(options with { Sentences = true }).DocumentsPerEpoch);
        Assert.Equal("source 's': the records name no images, and their files are named after the split; set 'split' (train, dev, test) or 'imagePath'",
            Assert.Throws<ArgumentException>(() => DocumentFormats.BuiltIn.Open(options with { Split = null })).Message);
        Assert.Equal("n.jsonl:1: image 'x1-0-1' is not in the archive",
            Assert.Throws<BadDocumentException>(() => DocumentFormats.BuiltIn.Open(options with { ImagePath = "x{identifier}-{permutation}" }).Read(0, 1)).Message);
    }

    [Theory]
    [InlineData("""{"image": "a", "sentence": "x"}""", "n.jsonl:1: key 'label' is missing; \"true\" or \"false\" is expected")]
    [InlineData("""{"image": "a", "sentence": "x", "label": "yes"}""", "n.jsonl:1: key 'label' is 'yes'; \"true\" or \"false\" is expected")]
    [InlineData("""{"image": "a", "label": "true"}""", "n.jsonl:1: key 'sentence' is missing; a string is expected")]
    [InlineData("""{"sentence": "x", "label": true}""", "n.jsonl:1: key 'identifier' is missing; a string (or 'image', the name of the file) is expected")]
    public void RecordsThatAreNotAsExpectedAreBadDocuments(string line, string message)
    {
        IDocumentSource source = DocumentFormats.BuiltIn.Open(Options(line));
        BadDocumentException bad = Assert.Throws<BadDocumentException>(() => source.Read(0, 0));
        Assert.Equal(("schema", message), (bad.Cause, bad.Message));
    }

    [Fact]
    public void NoTrueSentenceIsAnError() => Assert.Equal("source 's': no sentence is true, so there are no captions",
        Assert.Throws<InvalidDataException>(() => DocumentFormats.BuiltIn.Open(Options("""{"image": "a", "sentence": "x", "label": false}""") with { Sentences = true })).Message);

    [Theory, InlineData("dev", 2967, 1641), InlineData("test", 990, 556)]
    public void RealSentences(string split, int count, int isTrue)
    {
        string? folder = TestData.TryPath("images/nlvr1");
        Assert.SkipWhen(folder is null, TestData.Missing("images/nlvr1"));
        SourceOptions options = new()
        {
            Name = "nlvr",
            Format = "nlvr",
            Root = folder!,
            Paths = [$"nlvr1-{split}.jsonl"],
            Images = $"nlvr1-{split}-images.tar.gz",
            CacheFolder = _folder.Path("cache"),
        };
        IDocumentSource source = DocumentFormats.BuiltIn.Open(options), captions = DocumentFormats.BuiltIn.Open(options with { Sentences = true });
        Assert.Equal((count, isTrue), (source.DocumentsPerEpoch, captions.DocumentsPerEpoch));
        Document[] documents = [.. ReaderFolder.All(source)];
        Assert.Equal(isTrue, documents.Count(static document => ReaderFolder.Text(document).EndsWith("true", StringComparison.Ordinal)));
        ImageData image = ((ImageSegment)documents[^1].Segments[0]).Image.Load();
        Assert.Equal((400, 100), (image.Width, image.Height));
        if (split != "dev") return;
        // The original records, three documents each, are the same documents where the archive has all three.
        IDocumentSource original = DocumentFormats.BuiltIn.Open(options with { Paths = ["dev.original.json"], ImagePath = "dev-{identifier}-{permutation}.png" });
        Assert.Equal(3 * 989, original.DocumentsPerEpoch);
        Assert.Equal(documents.Select(static document => (document.Id.Split(' ')[1], ReaderFolder.Text(document))).Order(),
            ReaderFolder.All(original).Select(static document => (document.Id.Split(' ')[1], ReaderFolder.Text(document))).Order());
    }
}
