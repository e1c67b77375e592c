namespace MM1.Native.Data;

/// <summary>A question about an image.</summary>
/// <param name="Id">A stable name.</param>
/// <param name="Split">The part of the world.</param>
/// <param name="Number">Its number there.</param>
/// <param name="Scene">What the image shows.</param>
/// <param name="Image">The image.</param>
/// <param name="Question">The question, its kind and its answer.</param>
public sealed record QuestionItem(string Id, WorldSplit Split, long Number, Scene Scene, IImageSource Image, Question Question)
{
    /// <summary>The prompt without examples: image, question; the answer comes next.</summary>
    public Document Prompt() => WorldPrompts.Question(Id, Image, Question.Text, [], AnswerFormat.Plain);
}

/// <summary>An image to be described.</summary>
/// <param name="Id">A stable name.</param>
/// <param name="Split">The part of the world.</param>
/// <param name="Scene">What the image shows; <see cref="CaptionParser.Score"/> takes its objects.</param>
/// <param name="Image">The image.</param>
/// <param name="Caption">One right caption.</param>
public sealed record CaptionItem(string Id, WorldSplit Split, Scene Scene, IImageSource Image, string Caption)
{
    /// <summary>The prompt: the image alone; the caption comes next and ends with the document.</summary>
    public Document Prompt() => new("evaluation", Id, [new ImageSegment(Image)]);
}

/// <summary>A question whose answer format is only told by examples.</summary>
/// <param name="Item">The question.</param>
/// <param name="Format">The wanted format.</param>
/// <param name="WrongFormat">Another one, for examples that mislead.</param>
/// <param name="Demonstrations">The examples.</param>
public sealed record FewShotItem(QuestionItem Item, AnswerFormat Format, AnswerFormat WrongFormat, IReadOnlyList<QuestionItem> Demonstrations)
{
    /// <summary>The prompt: the first examples with their answers in a format, then image and question.</summary>
    /// <param name="shots">How many examples; all by default.</param>
    /// <param name="wrongFormat">Whether the examples show the wrong format.</param>
    public Document Prompt(int? shots = null, bool wrongFormat = false)
    {
        int count = shots ?? Demonstrations.Count;
        if ((uint)count > (uint)Demonstrations.Count)
            throw new ArgumentOutOfRangeException(nameof(shots), count, $"item '{Item.Id}' has {Demonstrations.Count} demonstrations");
        return WorldPrompts.Question(Item.Id, Item.Image, Item.Question.Text, [.. Demonstrations.Take(count)], wrongFormat ? WrongFormat : Format);
    }
}

/// <summary>The layout of questions and answers, one for training and evaluation: image, question, answer, line feed.</summary>
public static class WorldPrompts
{
    /// <summary>A prompt for a question about any image, with examples; every text is context.</summary>
    public static Document Question(string id, IImageSource image, string question, IReadOnlyList<QuestionItem> demonstrations, AnswerFormat format)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        var segments = new List<Segment>();
        foreach (QuestionItem shot in demonstrations)
        {
            segments.Add(new ImageSegment(shot.Image));
            Append(segments, shot.Question.Text, format.Apply(shot.Question.Answer), LossRole.Context);
        }
        segments.Add(new ImageSegment(image));
        segments.Add(new TextSegment(question, LossRole.Context));
        return new Document("evaluation", id, segments);
    }

    /// <summary>A question, which is never a target, and its answer, which ends with a line feed.</summary>
    internal static void Append(List<Segment> segments, string question, string answer, LossRole role)
    {
        segments.Add(new TextSegment(question, LossRole.Context));
        segments.Add(new TextSegment(answer + "\n", role));
    }
}
