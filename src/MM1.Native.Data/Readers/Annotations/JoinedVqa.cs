using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// VQAv2 and OK-VQA: <c>{"data_subtype", "questions": [{"question_id", "image_id", "question"}]}</c> and <c>{"annotations": [{"question_id", "answers": [{"answer"}]}]}</c>, told apart by
/// their keys and joined by question_id. The image of a number is <c>COCO_{split}_{image:12}.jpg</c>, the split being the file's <c>data_subtype</c> (train2014) unless set; an image_id
/// that is a text is the file's name, with <c>.jpg</c> where it has no extension.
/// </summary>
internal sealed class JoinedVqa : VqaQuestions
{
    private const string CocoPath = "COCO_{split}_{image:12}.jpg";
    private readonly List<(ElementRecords Records, int Index)> _questions = [];
    private readonly List<(ElementRecords Records, int Index)> _annotations = [];
    private readonly int[] _annotationOf; // by question; -1 where there is none
    private readonly Dictionary<ElementRecords, string> _splits = [];
    private readonly Template _path;

    internal JoinedVqa(SourceOptions options, CancellationToken cancellationToken) : base(options, cancellationToken)
    {
        _path = new Template(options, "imagePath", options.ImagePath ?? CocoPath, "split", "image");
        var names = new List<string?>();
        var answers = new Dictionary<string, int>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (PooledFile file in Files())
        {
            ElementRecords questions = new(file, "questions"), annotations = new(file, "annotations");
            string? first = null; // the image of the first question
            JsonElements elements = JsonElements.Visit(file, JsonLayout.Members, ["questions", "annotations"], (member, start, element) =>
            {
                bool isQuestion = member == 0;
                string? id = JsonScan.Name(element, "question_id"u8);
                ElementRecords records = isQuestion ? questions : annotations;
                if (id is not null && !(isQuestion ? seen.Add(id) : answers.TryAdd(id, _annotations.Count)))
                    throw new InvalidDataException($"{records.Where(records.Count)}: the question_id {id} stands there twice");
                if (isQuestion)
                {
                    names.Add(id);
                    if (questions.Count == 0) first = JsonScan.Name(element, "image_id"u8);
                }
                (isQuestion ? _questions : _annotations).Add((records, records.Count));
                records.Add(start, element.Length);
            }, cancellationToken);
            if (!elements.Has(0) && !elements.Has(1))
                throw new InvalidDataException($"{file.Name}: neither 'questions' nor 'annotations' are there; the keys are {string.Join(", ", elements.Keys.Take(10))}");
            if ((options.Split ?? elements.Texts.GetValueOrDefault("data_subtype")) is { } split) _splits[questions] = split;
            else if (first is not null && _path.Uses(0) && (IsNumber(first) || options.ImagePath is not null))
                throw options.Refuse($"{file.Name} has no 'data_subtype', and the paths of its images need the split; set 'split' (e.g. val2014) or 'imagePath'");
        }
        if (_questions.Count == 0 && _annotations.Count > 0)
            throw new InvalidDataException($"source '{options.Name}': {string.Join(", ", options.Paths)}: annotations without questions; name the questions file beside them");
        _annotationOf = [.. names.Select(name => name is not null && answers.TryGetValue(name, out int annotation) ? annotation : -1)];
        if (_annotations.Count > 0 && _questions.Count > 0 && Array.TrueForAll(_annotationOf, static annotation => annotation < 0))
            throw new InvalidDataException($"source '{options.Name}': {string.Join(", ", options.Paths)}: no question has an annotation; the files belong to different splits");
    }

    public override int Count => _questions.Count;

    public override bool HasAnswers => _annotations.Count > 0;

    public override VqaQuestion Read(int index)
    {
        (ElementRecords records, int place) = _questions[index];
        using JsonRecord record = records.Read(place);
        string id = record.Root.Name("question_id"), text = record.Root.Text("question"), image = record.Root.Name("image_id");
        VqaAnswer[] answers = [];
        if (_annotationOf[index] >= 0)
        {
            (ElementRecords file, int annotation) = _annotations[_annotationOf[index]];
            using JsonRecord answered = file.Read(annotation);
            answers = ReadAnswers(answered.Root.Get("answers", "a list"));
        }
        else if (HasAnswers) throw new BadDocumentException("empty", $"{record.Where}: question {id} has no annotation", record.Where);
        return new VqaQuestion(id, image, Images.Need(ImagePath(records, image, record.Where), record.Where), text, answers);
    }

    private protected override string Where(int index) => _questions[index].Records.Where(_questions[index].Index);

    private string ImagePath(ElementRecords records, string image, string where)
    {
        if (Options.ImagePath is null && !IsNumber(image)) return Path.HasExtension(image) ? image : image + ".jpg";
        if (_splits.TryGetValue(records, out string? split) || !_path.Uses(0)) return _path.Format(split ?? "", image);
        throw new BadDocumentException(JsonRecord.Schema, $"{where}: the path of image {image} needs the split, which the file does not tell; set 'split' (e.g. val2014) or 'imagePath'", where);
    }

    private static bool IsNumber(string image) => long.TryParse(image, NumberStyles.None, CultureInfo.InvariantCulture, out _);
}
