using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>OBELICS and MMC4 as JSON lines.</summary>
public sealed class InterleavedFormatTests : IDisposable
{
    private const string MmcSample = "interleaved/mmc4_docs_no_face_shard_151_v3.sample.jsonl";
    private const string ObelicsSample = "interleaved/obelics_schema_derived_from_mmc4.jsonl";
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private IDocumentSource Lines(string format, params string[] lines)
    {
        _folder.Write("img/a.png", ReaderFolder.Picture);
        _folder.Write("img/b.png", ReaderFolder.Picture);
        _folder.Write("d.jsonl", string.Join('\n', lines));
        return DocumentFormats.BuiltIn.Open(_folder.Options(format, "d.jsonl") with { Images = "img" });
    }

    private (string Cause, string Message) Bad(string format, string line)
    {
        BadDocumentException bad = Assert.Throws<BadDocumentException>(() => Lines(format, line).Read(0, 0));
        Assert.Equal("d.jsonl:1", bad.Id);
        return (bad.Cause, bad.Message);
    }

    [Fact]
    public void ObelicsIsReadInItsOrder()
    {
        Document document = Lines("obelics", "", """{"images": [null, "a.png", null, "b.png"], "texts": ["One.", null, "Two.", null], "metadata": "[null]", "general_metadata": "{}"}""").Read(0, 0);
        Assert.Equal("One.<image>Two.<image>", ReaderFolder.Text(document));
        Assert.Equal("d.jsonl:2", document.Id);
        Assert.Null(document.Problems);
        Assert.All(document.Segments.OfType<TextSegment>(), static text => Assert.Equal(LossRole.Target, text.Role));
        Assert.Equal(2, ((ImageSegment)document.Segments[1]).Image.Load().Width);
    }

    [Fact]
    public void ImagesThatAreNotThereAreReportedAndTextsJoin()
    {
        Document document = Lines("obelics", """{"images": [null, "https://a.b/c.png", null, "none.png", "../x.png", null], "texts": ["One.", null, "Two.", null, null, "  "]}""").Read(0, 0);
        Assert.Equal("One.\n\nTwo.", Assert.IsType<TextSegment>(Assert.Single(document.Segments)).Text);
        Assert.Equal(
        [
            new("missing", "d.jsonl:1: image 'https://a.b/c.png' is a URL, and images are never fetched; download it and give its path"),
            new("missing", "d.jsonl:1: image 'none.png' is not there in 'img'"),
            new("missing", "d.jsonl:1: image '../x.png' is not there in 'img'"),
        ], document.Problems!);
    }

    [Fact]
    public void NoPathLeavesTheDataFolder()
    {
        Document document = Lines("obelics", """{"images": [null, "../../x.png", "/etc/passwd"], "texts": ["One.", null, null]}""").Read(0, 0);
        Assert.Equal(["outside the data folder", "outside the data folder"], document.Problems!.Select(static problem => problem.Cause));
    }

    [Fact]
    public void ObelicsThatIsNotAsExpectedIsABadDocument()
    {
        Assert.Equal(("schema", "d.jsonl:1: 'images' has 1 places and 'texts' 2; they must be equal"), Bad("obelics", """{"images": [null], "texts": ["a", "b"]}"""));
        Assert.Equal(("schema", "d.jsonl:1: at place 1 neither image nor text stands; exactly one is expected"), Bad("obelics", """{"images": [null, null], "texts": ["a", null]}"""));
        Assert.Equal(("schema", "d.jsonl:1: at place 0 both image and text stand; exactly one is expected"), Bad("obelics", """{"images": ["a.png"], "texts": ["a"]}"""));
        Assert.Equal(("schema", "d.jsonl:1: key 'texts' is missing; a list is expected"), Bad("obelics", """{"images": ["a.png"]}"""));
        Assert.Equal(("schema", "d.jsonl:1: key 'texts[1]' is a number; a string is expected"), Bad("obelics", """{"images": [null, null], "texts": ["a", 5]}"""));
        Assert.Equal(("schema", "d.jsonl:1: key 'texts[0]' is not valid Unicode"), Bad("obelics", """{"images": [null], "texts": ["\ud800"]}"""));
        Assert.Equal(("schema", "d.jsonl:1: the record is a number; an object is expected"), Bad("obelics", "1"));
        Assert.Equal(("empty", "d.jsonl:1: the document has neither text nor image"), Bad("obelics", """{"images": [], "texts": []}"""));
        Assert.Equal(("missing", "d.jsonl:1: the document has no text, and none of its 1 images can be used; the first: image 'x://y' is a URL, and images are never fetched; download it and give its path"),
            Bad("obelics", """{"images": ["x://y", null], "texts": [null, " "]}"""));
        (string cause, string message) = Bad("obelics", """{"images": [null], "texts": ["a"}""");
        Assert.Equal("json", cause);
        Assert.StartsWith("d.jsonl:1: not valid JSON: byte 32: ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mmc4PutsImagesBeforeTheirSentences()
    {
        string base64 = Convert.ToBase64String(ReaderFolder.Picture);
        Document document = Lines("mmc4", "{\"text_list\": [\"One.\", \"Two.\", \"Three.\"], \"image_info\": [{\"image_name\": \"b.png\", \"matched_text_index\": 2}, "
            + "{\"image_name\": \"a.png\", \"raw_url\": \"http://a.b/c\", \"matched_text_index\": 1}, {\"image_name\": \"gone.png\", \"image_base64\": \"" + base64 + "\", \"matched_text_index\": 2}], \"similarity_matrix\": [[0.1]]}").Read(0, 0);
        Assert.Equal("One.<image>Two.<image><image>Three.", ReaderFolder.Text(document));
        Assert.Null(document.Problems);
        Assert.IsType<EncodedImage>(((ImageSegment)document.Segments[4]).Image);
    }

    [Fact]
    public void Mmc4ThatIsNotAsExpectedIsABadDocument()
    {
        Assert.Equal(("schema", "d.jsonl:1: key 'image_info[0].matched_text_index' is 1; the document has 1 sentences, counted from 0"),
            Bad("mmc4", """{"text_list": ["a"], "image_info": [{"image_name": "a.png", "matched_text_index": 1}]}"""));
        Assert.Equal(("schema", "d.jsonl:1: key 'image_info[0].matched_text_index' is missing; the number of a sentence is expected"),
            Bad("mmc4", """{"text_list": ["a"], "image_info": [{"image_name": "a.png"}]}"""));
        Assert.Equal(("schema", "d.jsonl:1: key 'image_info[0]' has none of 'image_base64', 'image_name' and 'raw_url'"),
            Bad("mmc4", """{"text_list": ["a"], "image_info": [{"matched_text_index": 0}]}"""));
        Assert.Equal(("schema", "d.jsonl:1: key 'text_list' is missing; a list is expected"), Bad("mmc4", "{}"));
        Document document = Lines("mmc4", """{"text_list": ["a"], "image_info": [{"image_base64": "?", "matched_text_index": 0}, {"image_name": "n.png", "raw_url": "http://u", "matched_text_index": 0}]}""").Read(0, 0);
        Assert.Equal([new("corrupt", "d.jsonl:1: an image is no base64 text ('?')"), new("missing", "d.jsonl:1: image 'n.png' is not there in 'img'; it was at http://u")], document.Problems!);
    }

    [Fact]
    public void RealDocumentsOfMmc4()
    {
        string? file = TestData.TryPath(MmcSample);
        Assert.SkipWhen(file is null, TestData.Missing(MmcSample));
        SourceOptions options = new() { Name = "mmc4", Format = "mmc4", Root = Path.GetDirectoryName(file)!, Paths = [Path.GetFileName(file)!] };
        Document[] documents = [.. ReaderFolder.All(DocumentFormats.BuiltIn.Open(options))];
        Assert.Equal(50, documents.Length);
        Assert.Equal(172, documents.Sum(static document => document.Problems!.Count));
        Assert.All(documents, static document => Assert.Single(document.Segments));
        // With images of the same names every one of them stands before its sentence.
        _folder.Write("docs.jsonl", File.ReadAllBytes(file!));
        foreach (string line in File.ReadLines(file!))
        {
            using var json = System.Text.Json.JsonDocument.Parse(line);
            foreach (System.Text.Json.JsonElement image in json.RootElement.GetProperty("image_info").EnumerateArray()) _folder.Write("img/" + image.GetProperty("image_name").GetString(), ReaderFolder.Picture);
        }
        Document[] whole = [.. ReaderFolder.All(DocumentFormats.BuiltIn.Open(_folder.Options("mmc4", "docs.jsonl") with { Images = "img" }))];
        Assert.All(whole, static document => Assert.Null(document.Problems));
        Assert.Equal(172, whole.Sum(static document => document.Segments.Count(static segment => segment is ImageSegment)));
        using var first = System.Text.Json.JsonDocument.Parse(File.ReadLines(file!).First());
        string[] sentences = [.. first.RootElement.GetProperty("text_list").EnumerateArray().Select(static sentence => sentence.GetString()!)];
        Assert.Equal("<image>" + string.Join(' ', sentences[..3]) + "<image>" + sentences[3], ReaderFolder.Text(whole[0])[..(14 + string.Join(' ', sentences[..3]).Length + sentences[3].Length)]);
    }

    [Fact]
    public void RealDocumentsInTheSchemaOfObelics()
    {
        string? file = TestData.TryPath(ObelicsSample);
        Assert.SkipWhen(file is null, TestData.Missing(ObelicsSample));
        SourceOptions options = new() { Name = "obelics", Format = "obelics", Root = Path.GetDirectoryName(file)!, Paths = [Path.GetFileName(file)!] };
        Document[] documents = [.. ReaderFolder.All(DocumentFormats.BuiltIn.Open(options))];
        Assert.Equal((50, 172), (documents.Length, documents.Sum(static document => document.Problems!.Count)));
        Assert.Equal(20, DocumentFormats.BuiltIn.Open(options with { Lines = "10-30" }).DocumentsPerEpoch);
    }
}
