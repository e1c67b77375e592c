namespace MM1.Native.Data;

/// <summary>One person's answer.</summary>
/// <param name="Text">The answer as it was written down.</param>
/// <param name="Confidence">yes, maybe or no; null where the data set does not say.</param>
public sealed record VqaAnswer(string Text, string? Confidence);

/// <summary>A question about an image.</summary>
/// <param name="Id">Its name in the data set.</param>
/// <param name="ImageName">The image's name in the data set.</param>
/// <param name="Image">The image.</param>
/// <param name="Text">The question.</param>
/// <param name="Answers">All answers, ten in most data sets; none where the split's answers are not public.</param>
public sealed record VqaQuestion(string Id, string ImageName, IImageSource Image, string Text, IReadOnlyList<VqaAnswer> Answers)
{
    /// <summary>The answer that most people gave, of equals the one given first; null without answers. Texts are compared as they are.</summary>
    public string? MostFrequentAnswer
    {
        get
        {
            var counts = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (VqaAnswer answer in Answers) counts[answer.Text] = counts.GetValueOrDefault(answer.Text) + 1;
            string? best = null;
            foreach (VqaAnswer answer in Answers)
                if (best is null || counts[answer.Text] > counts[best]) best = answer.Text;
            return best;
        }
    }
}

/// <summary>
/// Questions of an annotation file (VQAv2, OK-VQA, TextVQA, VizWiz, GQA), by number: for evaluation, which needs every answer, and for documents. Thread-safe; offsets of records are
/// kept, about 50 bytes a question, and records are read from disk when asked for.
/// </summary>
public abstract class VqaQuestions
{
    private protected VqaQuestions(SourceOptions options, CancellationToken cancellationToken)
    {
        Options = options;
        options.RefuseUnused([("lines", options.Lines is not null), ("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null),
            ("captions", options.Captions != CaptionChoice.Each), ("sentences", options.Sentences), .. options.ChatMembers]);
        Folder = new DataFolder(options.Root);
        Images = ImageFiles.Open(options, Folder, cancellationToken);
    }

    /// <summary>Questions.</summary>
    public abstract int Count { get; }

    /// <summary>Whether answers are there.</summary>
    public abstract bool HasAnswers { get; }

    /// <summary>How the source was opened.</summary>
    private protected SourceOptions Options { get; }

    /// <summary>The data folder.</summary>
    private protected DataFolder Folder { get; }

    /// <summary>Where images are found.</summary>
    private protected ImageFiles Images { get; }

    /// <summary>Opens the annotation files of a source, whose format is <c>vqa</c>, <c>textvqa</c>, <c>vizwiz</c> or <c>gqa</c>.</summary>
    /// <exception cref="ArgumentException">The format is another, or an option is not right for it.</exception>
    /// <exception cref="IOException">A file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file as a whole is not what the format asks for.</exception>
    public static VqaQuestions Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        VqaQuestions questions = options.Format switch
        {
            "vqa" => new JoinedVqa(options, cancellationToken),
            "textvqa" => new TextVqa(options, cancellationToken),
            "vizwiz" => new VizWiz(options, cancellationToken),
            "gqa" => new Gqa(options, cancellationToken),
            _ => throw options.Refuse($"format '{options.Format}' has no questions; vqa, textvqa, vizwiz and gqa have"),
        };
        return questions.Count > 0 ? questions : throw new InvalidDataException($"source '{options.Name}': {string.Join(", ", options.Paths)}: there are no questions");
    }

    /// <summary>A question.</summary>
    /// <exception cref="BadDocumentException">The record is not as it should be, or the image is not there.</exception>
    public abstract VqaQuestion Read(int index);

    /// <summary>The documents: image, question, answer.</summary>
    internal IDocumentSource Documents()
    {
        var prompt = new Template(Options, "prompt", Options.Prompt ?? VqaFormat.DefaultPrompt, "question");
        if (!HasAnswers)
            throw Options.Refuse($"{string.Join(", ", Options.Paths)}: there are no answers, so no documents; name the annotations file beside the questions, or take a split whose answers are public");
        return new AnnotationSource(Options, Count, (_, index) =>
        {
            VqaQuestion question = Read(index);
            string answer = question.MostFrequentAnswer ?? throw new BadDocumentException("empty", $"{Where(index)}: question {question.Id} has no answer", Where(index));
            return new Document(Options.Name, question.Id,
                [new ImageSegment(question.Image), new TextSegment(prompt.Format(question.Text), LossRole.Context), new TextSegment(answer)]);
        });
    }

    /// <summary>File and place of a question.</summary>
    private protected abstract string Where(int index);

    /// <summary>Answers as VQA has them: objects with <c>answer</c> and perhaps <c>answer_confidence</c>; or bare strings.</summary>
    private protected static VqaAnswer[] ReadAnswers(JsonValue? answers) => answers is not { } list ? [] :
        [.. list.List().Items().Select(static answer => answer.IsText ? new VqaAnswer(answer.Text(), null)
            : new VqaAnswer(answer.Text("answer"), (answer.Find("answer_confidence") ?? answer.Find("confidence")) is { IsText: true } confidence ? confidence.Text() : null))];

    /// <summary>Opens the files of the source.</summary>
    private protected IEnumerable<PooledFile> Files()
    {
        var pool = new FilePool();
        foreach (string path in Folder.Files(Options.Paths)) yield return pool.Add(Folder.Resolve(path), path);
    }
}

/// <summary>Image, question and most frequent answer of one of the annotation files that <see cref="VqaQuestions"/> reads.</summary>
/// <param name="name">The format's name.</param>
/// <param name="summary">What it is.</param>
public sealed class VqaFormat(string name, string summary) : IDocumentFormat
{
    /// <summary>The words around a question unless <see cref="SourceOptions.Prompt"/> says others; the answer follows.</summary>
    public const string DefaultPrompt = "{question} Short answer:";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<VqaFormat> All { get; } =
    [
        new("vqa", "VQAv2 and OK-VQA: a questions file and an annotations file, joined by question_id"),
        new("textvqa", "TextVQA: 'data' with question, image_id and answers"),
        new("vizwiz", "VizWiz: a list of image, question and answers"),
        new("gqa", "GQA: an object of questions by id, each with imageId, question and answer"),
    ];

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public string Summary => summary;

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default) => VqaQuestions.Open(options, cancellationToken).Documents();
}
