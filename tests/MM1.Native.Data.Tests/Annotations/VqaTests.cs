using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>VQAv2, OK-VQA, TextVQA, VizWiz and GQA.</summary>
public sealed class VqaTests : IDisposable
{
    private const string Questions = """
        {"info": {}, "data_subtype": "train2014", "questions": [{"question_id": 70, "image_id": 9, "question": "What?"}, {"question_id": 71, "image_id": 9, "question": "How many?"}]}
        """;
    private const string Annotations = """
        {"annotations": [{"question_id": 71, "image_id": 9, "answers": [{"answer": "2", "answer_confidence": "maybe", "answer_id": 1}, {"answer": "3", "raw_answer": "three"}, {"answer": "3"}]},
         {"question_id": 70, "answers": [{"answer": "dog"}, {"answer": "cat"}, {"answer": "cat"}, {"answer": "dog"}]}]}
        """;
    private readonly ReaderFolder _folder = new();

    public VqaTests()
    {
        foreach (string name in (string[])["COCO_train2014_000000000009.jpg", "a.jpg", "v.png"]) _folder.Write("img/" + name, ReaderFolder.Picture);
    }

    public void Dispose() => _folder.Dispose();

    private SourceOptions Options(string format, params string[] files)
    {
        for (int i = 0; i < files.Length; i++) _folder.Write($"{i}.json", files[i]);
        return _folder.Options(format, [.. Enumerable.Range(0, files.Length).Select(static i => $"{i}.json")]) with { Images = "img" };
    }

    private static string Failure(SourceOptions options) => Record.Exception(() => DocumentFormats.BuiltIn.Open(options)) is { } error and (InvalidDataException or ArgumentException) ? error.Message : "no failure";

    private static (string, string) Bad(SourceOptions options, int index = 0)
    {
        BadDocumentException bad = Assert.Throws<BadDocumentException>(() => DocumentFormats.BuiltIn.Open(options).Read(0, index));
        return (bad.Cause, bad.Message);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void QuestionsMeetTheirAnswers(bool annotationsFirst)
    {
        SourceOptions options = annotationsFirst ? Options("vqa", Annotations, Questions) : Options("vqa", Questions, Annotations);
        Document[] documents = [.. ReaderFolder.All(DocumentFormats.BuiltIn.Open(options))];
        Assert.Equal(["70", "71"], documents.Select(static document => document.Id));
        Assert.Equal(["<image>What? Short answer:dog", "<image>How many? Short answer:3"], documents.Select(ReaderFolder.Text)); // of equals the first
        Assert.Equal([LossRole.Context, LossRole.Target], documents[0].Segments.OfType<TextSegment>().Select(static text => text.Role));
        VqaQuestion question = VqaQuestions.Open(options, TestContext.Current.CancellationToken).Read(1);
        Assert.Equal([new("2", "maybe"), new("3", null), new("3", null)], question.Answers);
        Assert.Equal(("71", "9", "How many?", "3"), (question.Id, question.ImageName, question.Text, question.MostFrequentAnswer));
    }

    [Fact]
    public void PromptAndPathsAreOptions()
    {
        SourceOptions options = Options("vqa", Questions.Replace("\"data_subtype\": \"train2014\", ", "", StringComparison.Ordinal), Annotations);
        Assert.Equal("source 's': 0.json has no 'data_subtype', and the paths of its images need the split; set 'split' (e.g. val2014) or 'imagePath'", Failure(options));
        Assert.Equal("<image>{What?}\nIn a word:dog", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(options with { Split = "train2014", Prompt = "{{{question}}}\nIn a word:" }).Read(0, 0)));
        Assert.Equal(("missing", "0.json: questions[0]: image '9.png' is not there in 'img'"), Bad(options with { ImagePath = "{image}.png" }));
        Assert.Equal("source 's': 'prompt' is 'Q: {q}': there is no {q}; known: {question}", Failure(options with { Split = "train2014", Prompt = "Q: {q}" }));
    }

    [Fact]
    public void QuestionsWithoutAnswersAreForEvaluationAlone()
    {
        SourceOptions options = Options("vqa", Questions);
        VqaQuestions questions = VqaQuestions.Open(options, TestContext.Current.CancellationToken);
        Assert.Equal((2, false), (questions.Count, questions.HasAnswers));
        Assert.Empty(questions.Read(0).Answers);
        Assert.Null(questions.Read(0).MostFrequentAnswer);
        Assert.StartsWith("source 's': 0.json: there are no answers, so no documents; name the annotations file", Failure(options), StringComparison.Ordinal);
    }

    [Fact]
    public void TextVqaVizWizAndGqa()
    {
        string ten = string.Join(", ", Enumerable.Range(0, 10).Select(static i => i < 4 ? "\"stop\"" : $"\"{i}\""));
        SourceOptions text = Options("textvqa", $"{{\"data\": [{{\"question_id\": 5, \"image_id\": \"a\", \"question\": \"What?\", \"answers\": [{ten}], \"set_name\": \"val\"}}]}}");
        Assert.Equal("<image>What? Short answer:stop", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(text).Read(0, 0)));
        Assert.Equal(10, VqaQuestions.Open(text, TestContext.Current.CancellationToken).Read(0).Answers.Count);
        SourceOptions viz = Options("vizwiz", """[{"image": "v.png", "question": "What?", "answers": [{"answer": "a", "answer_confidence": "yes"}, {"answer": "b"}, {"answer": "b"}], "answerable": 1}]""");
        Assert.Equal("<image>What? Short answer:b", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(viz).Read(0, 0)));
        SourceOptions gqa = Options("gqa", """{"02930152": {"semantic": [{"operation": "select"}], "question": "Is it?", "imageId": "a", "answer": "yes", "fullAnswer": "Yes, it is."}, "2": {"imageId": "a"}}""");
        Document document = DocumentFormats.BuiltIn.Open(gqa).Read(0, 0);
        Assert.Equal(("02930152", "<image>Is it? Short answer:yes"), (document.Id, ReaderFolder.Text(document)));
        Assert.Equal(("schema", "0.json: member [1]: key 'question' is missing; a string is expected"), Bad(gqa, 1));
    }

    [Fact]
    public void WhatIsNotAsExpectedIsSaid()
    {
        Assert.Equal("source 's': 0.json: annotations without questions; name the questions file beside them", Failure(Options("vqa", Annotations)));
        Assert.Equal("source 's': 0.json, 1.json: no question has an annotation; the files belong to different splits", Failure(Options("vqa", Questions, """{"annotations": [{"question_id": 1, "answers": []}]}""")));
        Assert.Equal("1.json: questions[0]: the question_id 70 stands there twice", Failure(Options("vqa", Questions, Questions)));
        Assert.Equal("0.json: neither 'questions' nor 'annotations' are there; the keys are data", Failure(Options("vqa", """{"data": []}""")));
        Assert.Equal("0.json: 'data' is not there; the keys are info, data_subtype, questions; this is the layout of format 'vqa'", Failure(Options("textvqa", Questions)));
        Assert.Equal("0.json: the file holds an object; a list of records is expected", Failure(Options("vizwiz", Questions)));
        Assert.Equal("source 's': 0.json: there are no questions", Failure(Options("gqa", "{}")));
        Assert.Equal(("empty", "0.json: questions[1]: question 71 has no annotation"), Bad(Options("vqa", Questions, """{"annotations": [{"question_id": 70, "answers": []}]}"""), 1));
        Assert.Equal(("empty", "0.json: questions[0]: question 70 has no answer"), Bad(Options("vqa", Questions, """{"annotations": [{"question_id": 70, "answers": []}]}""")));
        Assert.Equal(("schema", "1.json: annotations[0]: key 'answers[0].answer' is missing; a string is expected"), Bad(Options("vqa", Questions, """{"annotations": [{"question_id": 70, "answers": [{}]}]}""")));
    }

    [Theory, InlineData("textvqa", ".jpg"), InlineData("vizwiz", "")]
    public void RealQuestions(string set, string extension)
    {
        string? folder = TestData.TryPath("vqa");
        Assert.SkipWhen(folder is null, TestData.Missing("vqa"));
        string[] parts = ["questions", "annotations"];
        foreach (string part in parts) File.Copy(Path.Combine(folder!, $"{set}_val_part1_{part}.json"), _folder.Path(part + ".json"));
        SourceOptions options = _folder.Options("vqa", "*s.json") with { Images = "img" };
        VqaQuestions questions = VqaQuestions.Open(options, TestContext.Current.CancellationToken);
        Assert.Equal(1200, questions.Count);
        Assert.Equal("missing", Assert.Throws<BadDocumentException>(() => questions.Read(0)).Cause);

        using var whole = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(_folder.Path("questions.json")));
        using var answers = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(_folder.Path("annotations.json")));
        var given = answers.RootElement.GetProperty("annotations").EnumerateArray().ToDictionary(static item => item.GetProperty("question_id").GetInt64(),
            static item => item.GetProperty("answers").EnumerateArray().Select(static answer => answer.GetProperty("answer").GetString()!).ToArray());
        int index = 0;
        foreach (System.Text.Json.JsonElement item in whole.RootElement.GetProperty("questions").EnumerateArray()) _folder.Write("img/" + item.GetProperty("image_id").GetString() + extension, ReaderFolder.Picture);
        IDocumentSource source = DocumentFormats.BuiltIn.Open(options);
        foreach (System.Text.Json.JsonElement item in whole.RootElement.GetProperty("questions").EnumerateArray())
        {
            VqaQuestion question = questions.Read(index);
            string[] expected = given[item.GetProperty("question_id").GetInt64()];
            Assert.Equal(10, question.Answers.Count);
            Assert.Equal(expected, question.Answers.Select(static answer => answer.Text));
            string best = expected.GroupBy(static answer => answer).OrderByDescending(static group => group.Count()).First().Key; // stable: the first of equals
            Assert.Equal($"<image>{item.GetProperty("question").GetString()} Short answer:{best}", ReaderFolder.Text(source.Read(0, index++)));
        }
        Assert.Equal(1200, index);
    }
}
