using System.Diagnostics;
using System.Text;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Damaged annotation files of every format: each gives documents, bad documents, or one clean error when it is opened.</summary>
public sealed class AnnotationFuzzTests : IDisposable
{
    private static readonly (string Format, string File)[] Seeds =
    [
        ("obelics", """
            {"images": [null, "a.png", null, "https://a.b/c.png"], "texts": ["One.", null, "Tw\u00f6\n.", null], "metadata": "[null, {\"src\": \"x\"}]"}
            {"images": ["a.png", null], "texts": [null, "Zwei."]}
            """),
        ("mmc4", """
            {"url": "http://a", "text_list": ["One.", "Two."], "image_info": [{"image_name": "a.png", "raw_url": "http://a/b", "matched_text_index": 1, "matched_sim": 0.3}], "similarity_matrix": [[0.1, 3e-1]]}
            {"text_list": ["One."], "image_info": [{"image_base64": "iVBORw0KGgo=", "matched_text_index": 0}]}
            """),
        ("llava", """
            {"id": "7", "image": "a.png", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat."}]}
            {"id": 8, "image": ["a.png", "a.png"], "conversations": [{"from": "human", "value": "<image><image>"}, {"from": "gpt", "value": "Two."}]}
            """),
        ("llava", """[{"id": "7", "image": "a.png", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat."}]}, {"conversations": []}]"""),
        ("coco-captions", """{"info": {"year": 2014}, "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}], "annotations": [{"id": 5, "image_id": 1, "caption": "One."}, {"id": 6, "image_id": 2, "caption": "Two."}]}"""),
        ("karpathy", """{"images": [{"filepath": "", "filename": "a.png", "cocoid": 1, "split": "train", "sentences": [{"raw": "One."}, {"raw": "Two."}]}], "dataset": "coco"}"""),
        ("textcaps", """{"data": [{"image_id": "a", "caption_str": "One.", "reference_strs": ["One.", "Two."]}, {"image_id": "b", "caption_str": "Two."}]}"""),
        ("vqa", """{"data_subtype": "train", "questions": [{"question_id": 1, "image_id": "a.png", "question": "What?"}], "annotations": [{"question_id": 1, "answers": [{"answer": "a", "answer_confidence": "yes"}, {"answer": "b"}]}]}"""),
        ("textvqa", """{"data": [{"question_id": 1, "image_id": "a", "question": "What?", "answers": ["a", "b", "a"]}]}"""),
        ("vizwiz", """[{"image": "a.png", "question": "What?", "answers": [{"answer": "a", "answer_confidence": "yes"}], "answerable": 1}]"""),
        ("gqa", """{"12": {"question": "What?", "imageId": "a", "answer": "yes", "semantic": [{"dependencies": []}]}, "13": {"question": "Who?", "imageId": "a", "answer": "no"}}"""),
        ("nlvr", """
            {"image": "a.png", "sentence": "One box.", "label": "true", "identifier": "1-0", "permutation": 0}
            {"sentence": "Two boxes.", "label": "false", "identifier": "1-1", "directory": "2"}
            """),
    ];

    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DamagedFilesGiveCleanErrors() => Run(2_000);

    [Fact, Trait("Tier", "nightly")]
    public void ManyDamagedFilesGiveCleanErrors() => Run(100_000);

    private void Run(int inputs)
    {
        foreach (string image in (string[])["a.png", "b.png", "a.jpg", "b.jpg", "images/2/dev-1-1-0.png"]) _folder.Write(image, ReaderFolder.Picture);
        int refused = 0, bad = 0, good = 0;
        for (int seed = 0; seed < Seeds.Length; seed++)
        {
            (string format, string file) = Seeds[seed];
            SourceOptions options = _folder.Options(format, "fuzz.json") with { Split = format is "nlvr" ? "dev" : format is "karpathy" ? "train" : null };
            int number = 0;
            foreach (byte[] damaged in Mutations.Of(Encoding.UTF8.GetBytes(file), inputs / Seeds.Length + 1, (ulong)seed))
            {
                _folder.Write("fuzz.json", damaged);
                long started = Stopwatch.GetTimestamp();
                try
                {
                    IDocumentSource source = DocumentFormats.BuiltIn.Open(options);
                    for (long i = 0; i < source.DocumentsPerEpoch; i++)
                    {
                        try
                        {
                            Document document = source.Read(0, i);
                            Assert.NotEmpty(document.Segments);
                            good++;
                        }
                        catch (BadDocumentException error)
                        {
                            Assert.False(error.Cause == "unknown" || error.Id is null || !error.Message.StartsWith("fuzz.json:", StringComparison.Ordinal), error.Message);
                            bad++;
                        }
                    }
                }
                catch (Exception error) when (error is InvalidDataException or ArgumentException and not ArgumentOutOfRangeException)
                {
                    Assert.Contains("fuzz.json", error.Message, StringComparison.Ordinal);
                    refused++;
                }
                catch (Exception error) when (error is not Xunit.Sdk.XunitException)
                {
                    Assert.Fail($"{format}, input {number}: {error}\n{Encoding.UTF8.GetString(damaged)}");
                }
                Assert.True(Stopwatch.GetElapsedTime(started).TotalSeconds < 5, $"{format}, input {number} took {Stopwatch.GetElapsedTime(started)}");
                number++;
            }
        }
        Assert.True(refused > inputs / 20 && bad > inputs / 20 && good > inputs / 20, $"{refused} refused, {bad} bad documents, {good} good ones");
    }
}
