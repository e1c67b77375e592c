using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>COCO captions, NoCaps, Karpathy's splits and TextCaps.</summary>
public sealed class CaptionFormatTests : IDisposable
{
    private const string Coco = """
        {"info": {}, "images": [{"id": 9, "file_name": "a.png", "domain": "in-domain"}, {"id": 4, "file_name": "b.png", "domain": "near-domain"}, {"id": 5, "file_name": "c.png", "domain": "in-domain"}],
         "annotations": [{"id": 1, "image_id": 4, "caption": "b one"}, {"id": 2, "image_id": 9, "caption": " a one\n"}, {"id": 3, "image_id": 4, "caption": "b two"}]}
        """;
    private const string Karpathy = """
        {"images": [{"filepath": "val", "filename": "a.png", "cocoid": 9, "split": "test", "sentences": [{"raw": "a one"}, {"raw": "a two"}]},
         {"filepath": "val", "filename": "b.png", "cocoid": 4, "split": "restval", "sentences": [{"raw": "b one"}]},
         {"filename": "c.png", "imgid": 0, "split": "test", "sentences": [{"raw": "c one"}]}], "dataset": "coco"}
        """;
    private const string TextCaps = """
        {"data": [{"image_id": "a", "caption_str": "a one", "reference_strs": ["a one", "a two"]}, {"image_id": "b", "caption_str": "b one", "reference_strs": ["b one"]},
         {"image_id": "a", "caption_str": "a two", "reference_strs": ["a one", "a two"]}]}
        """;
    private readonly ReaderFolder _folder = new();

    public CaptionFormatTests()
    {
        foreach (string name in (string[])["a.png", "b.png", "c.png", "val/a.png", "val/b.png", "a.jpg", "b.jpg", "x_000000000004.png"]) _folder.Write("img/" + name, ReaderFolder.Picture);
    }

    public void Dispose() => _folder.Dispose();

    private SourceOptions Options(string format, string json)
    {
        _folder.Write("c.json", json);
        return _folder.Options(format, "c.json") with { Images = "img" };
    }

    private static string[] Read(SourceOptions options, long epoch = 0)
    {
        IDocumentSource source = DocumentFormats.BuiltIn.Open(options);
        return [.. Enumerable.Range(0, (int)source.DocumentsPerEpoch).Select(i => source.Read(epoch, i)).Select(static document => $"{document.Id} {ReaderFolder.Text(document)}")];
    }

    private static (string, string) Bad(SourceOptions options, int index = 0)
    {
        BadDocumentException bad = Assert.Throws<BadDocumentException>(() => DocumentFormats.BuiltIn.Open(options).Read(0, index));
        return (bad.Cause, bad.Message);
    }

    [Fact]
    public void CocoPairsEveryCaptionWithItsImage()
    {
        SourceOptions options = Options("coco-captions", Coco);
        Assert.Equal(["4/1 <image>b one", "9/2 <image>a one", "4/3 <image>b two"], Read(options));
        CaptionRecords records = CaptionRecords.Open(options, TestContext.Current.CancellationToken);
        Assert.Equal((3, 3), (records.Count, records.CaptionCount));
        Assert.Equal(["a one"], records.Read(0).Captions);
        Assert.Equal(["b one", "b two"], records.Read(1).Captions);
        Assert.Equal("4", records.Read(1).Id);
        Assert.Empty(records.Read(2).Captions);
        Assert.Equal(2, records.Read(2).Image.Load().Width);
    }

    [Fact]
    public void OneCaptionAnImageAndEpoch()
    {
        string two = Coco.Replace(", {\"id\": 5, \"file_name\": \"c.png\", \"domain\": \"in-domain\"}", "", StringComparison.Ordinal);
        Assert.Equal(["9/0 <image>a one", "4/0 <image>b one"], Read(Options("coco-captions", two) with { Captions = CaptionChoice.First }, epoch: 1));
        Assert.Equal(["9/0 <image>a one", "4/1 <image>b two"], Read(Options("coco-captions", two) with { Captions = CaptionChoice.Rotate }, epoch: 1));
        Assert.Equal(("empty", "c.json: images[2]: image '5' has no caption"), Bad(Options("coco-captions", Coco) with { Captions = CaptionChoice.First }, 2));
        Assert.Equal(["a/1 <image>a two", "b/0 <image>b one"], Read(Options("textcaps", TextCaps) with { Captions = CaptionChoice.Rotate }, epoch: 1));
        Assert.Equal(["9/1 <image>a two", "0/0 <image>c one"], Read(Options("karpathy", Karpathy) with { Captions = CaptionChoice.Rotate, Split = "test" }, epoch: 3));
    }

    [Fact]
    public void CocoInSeveralFilesAndPathsByNumber()
    {
        _folder.Write("i.json", """{"images": [{"id": 4}]}""");
        _folder.Write("t.json", """{"annotations": [{"id": 1, "image_id": 4, "caption": "b one"}, {"image_id": "4", "caption": "b two"}]}""");
        SourceOptions options = _folder.Options("coco-captions", "i.json", "t.json") with { Images = "img", ImagePath = "x_{id:12}.png" };
        Assert.Equal(["4/1 <image>b one", "4/1 <image>b two"], Read(options));
    }

    [Fact]
    public void NoCapsHasDomains()
    {
        Assert.Equal(["9/2 <image>a one"], Read(Options("nocaps", Coco) with { Split = "in-domain" }));
        Assert.Equal(3, Read(Options("nocaps", Coco)).Length);
        Assert.Equal("source 's': c.json: there are no images of split 'x'", Assert.Throws<InvalidDataException>(() => Read(Options("nocaps", Coco) with { Split = "x" })).Message);
    }

    [Fact]
    public void KarpathyHasSplits()
    {
        Assert.Equal(["9/0 <image>a one", "9/1 <image>a two", "0/0 <image>c one"], Read(Options("karpathy", Karpathy) with { Split = "test" }));
        Assert.Equal(["4/0 <image>b one"], Read(Options("karpathy", Karpathy) with { Split = "restval" }));
        Assert.Equal(4, Read(Options("karpathy", Karpathy)).Length);
        CaptionRecords records = CaptionRecords.Open(Options("karpathy", Karpathy) with { Split = "test" }, TestContext.Current.CancellationToken);
        Assert.Equal((2, 3), (records.Count, records.CaptionCount));
        Assert.Equal(["a one", "a two"], records.Read(0).Captions);
        Assert.Equal("source 's': c.json has no split 'dev'; it has restval, test", Assert.Throws<ArgumentException>(() => Read(Options("karpathy", Karpathy) with { Split = "dev" })).Message);
    }

    [Fact]
    public void TextCapsHasReferences()
    {
        Assert.Equal(["a/0 <image>a one", "b/1 <image>b one", "a/2 <image>a two"], Read(Options("textcaps", TextCaps)));
        CaptionRecords records = CaptionRecords.Open(Options("textcaps", TextCaps), TestContext.Current.CancellationToken);
        Assert.Equal((2, 3), (records.Count, records.CaptionCount));
        Assert.Equal(["a one", "a two"], records.Read(0).Captions);
    }

    [Fact]
    public void RecordsThatAreNotAsExpectedAreBadDocuments()
    {
        Assert.Equal(("schema", "c.json: annotations[0]: no image has the id that 'image_id' names"), Bad(Options("coco-captions", """{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 3, "image_id": 2, "caption": "x"}]}""")));
        Assert.Equal(("schema", "c.json: annotations[0]: key 'image_id' is missing; a string or an integer is expected"), Bad(Options("coco-captions", """{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 3, "caption": "x"}]}""")));
        Assert.Equal(("schema", "c.json: annotations[0]: key 'caption' is blank; a caption is expected"), Bad(Options("coco-captions", """{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 3, "image_id": 1, "caption": " "}]}""")));
        Assert.Equal(("schema", "c.json: annotations[0]: the record is null; an object is expected"), Bad(Options("coco-captions", """{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [null]}""")));
        Assert.Equal(("schema", "c.json: images[0]: key 'file_name' is missing; a string is expected"), Bad(Options("coco-captions", """{"images": [{"id": 1}], "annotations": [{"id": 3, "image_id": 1, "caption": "x"}]}""")));
        Assert.Equal(("missing", "c.json: images[0]: image 'n.png' is not there in 'img'"), Bad(Options("coco-captions", """{"images": [{"id": 1, "file_name": "n.png"}], "annotations": [{"id": 3, "image_id": 1, "caption": "x"}]}""")));
        Assert.Equal(("schema", "c.json: images[0]: key 'split' is missing; a string is expected"), Bad(Options("karpathy", """{"images": [{"filename": "a.png", "sentences": [{"raw": "x"}]}]}""") with { Split = "val" }));
        Assert.Equal(("empty", "c.json: images[0]: 'sentences' is empty"), Bad(Options("karpathy", """{"images": [{"filename": "a.png", "split": "val", "sentences": []}]}""")));
        Assert.Equal(("schema", "c.json: images[0]: the record has a key that is not valid Unicode"), Bad(Options("karpathy", """{"images": [{"\udc00 and more": 1, "split": "val"}]}""")));
        Assert.Equal(("schema", "c.json: data[0]: key 'caption_str' is missing; a string is expected"), Bad(Options("textcaps", """{"data": [{"image_id": "a"}]}""")));
    }

    [Fact]
    public void FilesAndOptionsThatAreNotAsExpectedFailAtOnce()
    {
        Assert.Equal("c.json: neither 'images' nor 'annotations' are there; the keys are data", Failure(Options("coco-captions", TextCaps)));
        Assert.Equal("c.json: images[1]: the id 1 stands there twice", Failure(Options("coco-captions", """{"images": [{"id": 1}, {"id": 1}]}""")));
        Assert.Equal("source 's': c.json: there are no captions", Failure(Options("coco-captions", """{"images": [{"id": 1}]}""")));
        Assert.Equal("c.json: 'images' is not there; the keys are data", Failure(Options("karpathy", TextCaps)));
        Assert.Equal("c.json: 'data' is not there; the keys are images, dataset", Failure(Options("textcaps", Karpathy)));
        Assert.Equal("source 's': 'imagePath' is '{number}.png': there is no {number}; known: {file}, {id}", Failure(Options("coco-captions", Coco) with { ImagePath = "{number}.png" }));
        Assert.Equal("source 's': 'imagePath' is 'a}b': the brace at place 1 has no partner; write it twice if it is meant as itself", Failure(Options("coco-captions", Coco) with { ImagePath = "a}b" }));
        Assert.Equal("source 's': 'imagePath' is '{id:x}': after ':' in {id:x} stands a number of digits, 1 to 100", Failure(Options("coco-captions", Coco) with { ImagePath = "{id:x}" }));
        Assert.Equal("source 's': format 'textcaps' has no use for 'prompt'; leave it out", Failure(Options("textcaps", TextCaps) with { Prompt = "x" }));
        Assert.StartsWith("source 's': format 'coco-captions' has a file for each split", Failure(Options("coco-captions", Coco) with { Split = "train" }), StringComparison.Ordinal);

        static string Failure(SourceOptions options) => Record.Exception(() => DocumentFormats.BuiltIn.Open(options)) is { } error and (InvalidDataException or ArgumentException) ? error.Message : "no failure";
    }

    [Fact]
    public void WhatDocumentsDependOnIsTold()
    {
        SourceOptions options = Options("coco-captions", Coco);
        string usual = DocumentFormats.BuiltIn.Open(options).Settings;
        Assert.Equal($"{new FileInfo(_folder.Path("c.json")).Length} bytes", usual);
        Assert.Equal(usual + ", captions Rotate", DocumentFormats.BuiltIn.Open(options with { Captions = CaptionChoice.Rotate }).Settings);
    }
}
