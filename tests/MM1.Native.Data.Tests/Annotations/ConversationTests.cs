using System.Text.Json;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>LLaVA's conversations.</summary>
public sealed class ConversationTests : IDisposable
{
    private const string Sample = "sft/llava_caps_boxes_coco2014_val_80.jsonl";
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private IDocumentSource Open(string text, Func<SourceOptions, SourceOptions>? with = null)
    {
        _folder.Write("coco/a.png", ReaderFolder.Picture);
        _folder.Write("coco/b.png", ReaderFolder.Picture);
        _folder.Write("c.json", text);
        SourceOptions options = _folder.Options("llava", "c.json");
        return DocumentFormats.BuiltIn.Open(with is null ? options : with(options));
    }

    private static (string, LossRole?)[] Pieces(Document document) =>
        [.. document.Segments.Select(static segment => segment is TextSegment text ? (text.Text, (LossRole?)text.Role) : ("<image>", null))];

    [Theory, InlineData(true), InlineData(false)]
    public void OnlyAnswersAreTargets(bool isList)
    {
        const string Record = """{"id": "7", "image": "coco/a.png", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat. "}, {"from": "human", "value": "Big?"}, {"from": "gpt", "value": "No."}]}""";
        const string TextOnly = """{"id": 8, "conversations": [{"from": "system", "value": "Be short."}, {"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello."}]}""";
        IDocumentSource source = Open(isList ? $"\n [{Record},\n{TextOnly}]" : $"{Record}\n\n{TextOnly}\n");
        Assert.Equal(2, source.DocumentsPerEpoch);
        Assert.Equal(isList ? "c.json: [0] (id '7')" : "c.json:1 (id '7')", source.Read(0, 0).Id);
        Assert.Equal([("USER:", LossRole.Context), ("<image>", null), ("What is it?", LossRole.Context), ("ASSISTANT:", LossRole.Context), ("A cat.\n", LossRole.Target),
            ("USER:", LossRole.Context), ("Big?", LossRole.Context), ("ASSISTANT:", LossRole.Context), ("No.", LossRole.Target)], Pieces(source.Read(0, 0)));
        Assert.Equal([("Be short.", LossRole.Context), ("USER:", LossRole.Context), ("Hi", LossRole.Context), ("ASSISTANT:", LossRole.Context), ("Hello.", LossRole.Target)], Pieces(source.Read(0, 1)));
    }

    [Fact]
    public void SeveralImagesAndOtherWords()
    {
        Document document = Open("""[{"id": "7", "image": ["coco/a.png", "coco/b.png"], "conversations": [{"from": "human", "value": "Left <image> and right <image>?"}, {"from": "gpt", "value": "Yes."}]}]""",
            static options => options with { UserPrefix = "", AssistantPrefix = "A:", TurnEnd = "|" }).Read(0, 0);
        Assert.Equal([("Left", LossRole.Context), ("<image>", null), ("and right", LossRole.Context), ("<image>", null), ("?", LossRole.Context), ("A:", LossRole.Context), ("Yes.", LossRole.Target)], Pieces(document));
    }

    [Fact]
    public void ConversationsThatAreNotAsExpectedAreBadDocuments()
    {
        string turns = "\"conversations\": [{\"from\": \"human\", \"value\": \"<image>?\"}, {\"from\": \"gpt\", \"value\": \"A.\"}]";
        Assert.Equal(("schema", "c.json: [0] (id '7'): the conversation marks 1 image(s) by <image> and 0 are given; the numbers must be equal"), Bad($"{{\"id\": \"7\", {turns}}}"));
        Assert.Equal(("schema", "c.json: [0] (id '7'): the conversation marks 1 image(s) by <image> and 2 are given; the numbers must be equal"), Bad($"{{\"id\": \"7\", \"image\": [\"coco/a.png\", \"coco/b.png\"], {turns}}}"));
        Assert.Equal(("missing", "c.json: [0] (id '7'): image 'coco/c.png' is not there"), Bad($"{{\"id\": \"7\", \"image\": \"coco/c.png\", {turns}}}"));
        Assert.Equal(("outside the data folder", "c.json: [0]: image '../c.png': the path leaves the data folder by '..'"), Bad($"{{\"image\": \"../c.png\", {turns}}}"));
        Assert.Equal(("schema", "c.json: [0]: turn 1 is from 'bot'; human, gpt and system are known"), Bad("""{"conversations": [{"from": "human", "value": "?"}, {"from": "bot", "value": "A."}]}"""));
        Assert.Equal(("schema", "c.json: [0]: no turn of gpt has a text, so there is nothing to learn"), Bad("""{"conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": ""}]}"""));
        Assert.Equal(("schema", "c.json: [0]: key 'conversations[1].value' is missing; a string is expected"), Bad("""{"conversations": [{"from": "human", "value": "?"}, {"from": "gpt"}]}"""));
        Assert.Equal(("schema", "c.json: [0]: key 'conversations' is missing; a list is expected"), Bad("{}"));

        (string, string) Bad(string record)
        {
            BadDocumentException bad = Assert.Throws<BadDocumentException>(() => Open($"[{record}]").Read(0, 0));
            return (bad.Cause, bad.Message);
        }
    }

    [Fact]
    public void RowsOfTheRealSample()
    {
        string? file = TestData.TryPath(Sample);
        Assert.SkipWhen(file is null, TestData.Missing(Sample));
        // The rows are captions and boxes: no conversations yet. Each says so, and none is passed over in silence.
        IDocumentSource rows = DocumentFormats.BuiltIn.Open(new() { Name = "s", Format = "llava", Root = Path.GetDirectoryName(file)!, Paths = [Path.GetFileName(file)!] });
        Assert.Equal(80, rows.DocumentsPerEpoch);
        for (int i = 0; i < 80; i++)
            Assert.Equal("missing", Assert.Throws<BadDocumentException>(() => rows.Read(0, i)).Cause);
        // Made into conversations, with an image of each name, they are read.
        var conversations = new List<string>();
        foreach (string line in File.ReadLines(file!))
        {
            using JsonDocument row = JsonDocument.Parse(line);
            string image = row.RootElement.GetProperty("image").GetString()!;
            _folder.Write("img/" + image, ReaderFolder.Picture);
            conversations.Add($"{{\"id\": \"{row.RootElement.GetProperty("id").GetString()}\", \"image\": \"{image}\", \"conversations\": [{{\"from\": \"human\", \"value\": \"<image>\\nDescribe it.\"}}, "
                + $"{{\"from\": \"gpt\", \"value\": {row.RootElement.GetProperty("captions")[0].GetRawText()}}}]}}");
        }
        Document[] documents = [.. ReaderFolder.All(Open("[" + string.Join(",\n", conversations) + "]", static options => options with { Images = "img" }))];
        Assert.Equal(80, documents.Length);
        Assert.Equal("c.json: [0] (id '000000296284')", documents[0].Id);
        Assert.Equal("USER:<image>Describe it.ASSISTANT:A donut shop is full of different flavors of donuts.", ReaderFolder.Text(documents[0]));
    }
}
