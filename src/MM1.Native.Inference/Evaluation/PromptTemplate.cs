using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>An example: an image, a question (empty for captions) and its answer.</summary>
/// <param name="Image">The image.</param>
/// <param name="Question">The question.</param>
/// <param name="Answer">The answer, without the line feed that follows it.</param>
internal sealed record Demonstration(IImageSource Image, string Question, string Answer);

/// <summary>The layout of prompts: prefix, then for each example image, question and suffix, answer and line feed, then image, question and suffix.</summary>
internal sealed record PromptTemplate
{
    /// <summary>Before everything, e.g. an instruction.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>After each question (of examples too), e.g. <c> answer:</c>; for captions after each image.</summary>
    public string Suffix { get; init; } = "";

    /// <summary>The prompt of an item.</summary>
    public Document Apply(string id, IImageSource image, string question, IReadOnlyList<Demonstration> demonstrations)
    {
        var segments = new List<Segment>();
        if (Prefix.Length > 0) segments.Add(new TextSegment(Prefix, LossRole.Context));
        foreach (Demonstration shot in demonstrations)
        {
            AddQuestion(segments, shot.Image, shot.Question);
            segments.Add(new TextSegment(shot.Answer + "\n", LossRole.Context));
        }
        AddQuestion(segments, image, question);
        return new Document("evaluation", id, segments);
    }

    private void AddQuestion(List<Segment> segments, IImageSource image, string question)
    {
        segments.Add(new ImageSegment(image));
        string text = question + Suffix;
        if (text.Length > 0) segments.Add(new TextSegment(text, LossRole.Context));
    }
}
