namespace MM1.Native.Data;

/// <summary>Questions whose answers stand in the same record.</summary>
internal abstract class ListedVqa : VqaQuestions
{
    private readonly List<(ElementRecords Records, int Index)> _questions = [];
    private readonly Template _path;
    private readonly bool _hasAnswers;

    private protected ListedVqa(SourceOptions options, JsonLayout layout, string member, string answersKey, string defaultPath, CancellationToken cancellationToken)
        : base(options, cancellationToken)
    {
        options.RefuseUnused(("split", options.Split is not null));
        _path = new Template(options, "imagePath", options.ImagePath ?? defaultPath, "image");
        byte[] key = System.Text.Encoding.UTF8.GetBytes(answersKey);
        foreach (PooledFile file in Files())
        {
            var records = new ElementRecords(file, member, layout == JsonLayout.Map);
            bool answered = false;
            JsonElements elements = JsonElements.Visit(file, layout, layout == JsonLayout.Members ? [member] : [], (_, start, element) =>
            {
                answered = answered || layout == JsonLayout.Map || JsonScan.Name(element, key) is not null || JsonScan.Count(element, key) > 0;
                _questions.Add((records, records.Count));
                records.Add(start, element.Length);
            }, cancellationToken);
            if (layout == JsonLayout.Members && !elements.Has(0))
                throw new InvalidDataException($"{file.Name}: '{member}' is not there; the keys are {string.Join(", ", elements.Keys.Take(10))}"
                    + (elements.Keys.Contains("questions") || elements.Keys.Contains("annotations") ? "; this is the layout of format 'vqa'" : ""));
            _hasAnswers |= answered;
        }
    }

    public override int Count => _questions.Count;

    public override bool HasAnswers => _hasAnswers;

    public override VqaQuestion Read(int index)
    {
        (ElementRecords records, int place) = _questions[index];
        using JsonRecord record = records.Read(place);
        (string id, string image, string text, VqaAnswer[] answers) = Read(record);
        return new VqaQuestion(id, image, Images.Need(_path.Format(image), record.Where), text, answers);
    }

    private protected override string Where(int index) => _questions[index].Records.Where(_questions[index].Index);

    /// <summary>Takes a record apart.</summary>
    private protected abstract (string Id, string Image, string Text, VqaAnswer[] Answers) Read(JsonRecord record);
}

/// <summary>TextVQA 0.5.1: <c>{"data": [{"question_id", "image_id", "question", "answers": [texts]}]}</c>. Images are <c>{image}.jpg</c>.</summary>
internal sealed class TextVqa(SourceOptions options, CancellationToken cancellationToken)
    : ListedVqa(options, JsonLayout.Members, "data", "answers", "{image}.jpg", cancellationToken)
{
    private protected override (string Id, string Image, string Text, VqaAnswer[] Answers) Read(JsonRecord record) =>
        (record.Root.Name("question_id"), record.Root.Name("image_id"), record.Root.Text("question"), ReadAnswers(record.Root.Find("answers")));
}

/// <summary>VizWiz: <c>[{"image", "question", "answers": [{"answer", "answer_confidence"}]}]</c>. Images are named in full. A question's name is its image's.</summary>
internal sealed class VizWiz(SourceOptions options, CancellationToken cancellationToken)
    : ListedVqa(options, JsonLayout.Array, "", "answers", "{image}", cancellationToken)
{
    private protected override (string Id, string Image, string Text, VqaAnswer[] Answers) Read(JsonRecord record)
    {
        string image = record.Root.Text("image");
        return (image, image, record.Root.Text("question"), ReadAnswers(record.Root.Find("answers")));
    }
}

/// <summary>GQA: <c>{"id": {"question", "imageId", "answer"}}</c>, one answer a question. Images are <c>{image}.jpg</c>.</summary>
internal sealed class Gqa(SourceOptions options, CancellationToken cancellationToken)
    : ListedVqa(options, JsonLayout.Map, "", "answer", "{image}.jpg", cancellationToken)
{
    private protected override (string Id, string Image, string Text, VqaAnswer[] Answers) Read(JsonRecord record) =>
        (record.Key, record.Root.Name("imageId"), record.Root.Text("question"), record.Root.Find("answer") is { } answer ? [new VqaAnswer(answer.Text(), null)] : []);
}
