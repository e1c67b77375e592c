using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>Questions about images in JSON lines: <c>{"image": "a.jpg", "question": "...", "answer": "..."}</c>. The question is read, the answer is a target.</summary>
public sealed class QuestionLinesFormat : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "questions";

    /// <inheritdoc/>
    public string Summary => "Questions about images in JSON lines: image, question, answer (what 'mm1 data make' writes)";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("split", options.Split is not null), ("textKey", options.TextKey is not null), .. options.AnnotationMembers]);
        return new Source(options, cancellationToken);
    }

    private sealed class Source : JsonLinesSource
    {
        private readonly ImageFiles _images;
        private readonly string _imageKey;

        internal Source(SourceOptions options, CancellationToken cancellationToken) : base(options, cancellationToken)
        {
            _images = ImageFiles.Open(options, Folder, cancellationToken);
            _imageKey = options.ImageKey ?? "image";
        }

        protected override Document Parse(string id, JsonElement line)
        {
            string question = JsonFields.Text(line, id, ["question"]).Trim(), answer = JsonFields.Text(line, id, ["answer"]).Trim();
            if (answer.Length == 0) throw new BadDocumentException("empty answer", $"{id}: the answer is empty", id);
            IImageSource image = _images.Find(JsonFields.Text(line, id, [_imageKey]), out DocumentProblem? problem) ?? throw new BadDocumentException(problem!.Cause, $"{id}: {problem.Message}", id);
            return new Document(Name, id, [new ImageSegment(image), new TextSegment(question, LossRole.Context), new TextSegment(answer)]);
        }
    }
}
