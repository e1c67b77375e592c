namespace MM1.Native.Data;

/// <summary>What a text is to the loss.</summary>
public enum LossRole
{
    /// <summary>Read, never a target: a question, a demonstration.</summary>
    Context,
    /// <summary>Every token of it is a target.</summary>
    Target,
}

/// <summary>A piece of a document: text or an image.</summary>
public abstract record Segment;

/// <summary>Text. Two texts that follow each other read as if one space stood between them where words meet.</summary>
/// <param name="Text">The text.</param>
/// <param name="Role">Whether its tokens are targets.</param>
public sealed record TextSegment(string Text, LossRole Role = LossRole.Target) : Segment;

/// <summary>An image.</summary>
/// <param name="Image">Where the pixels come from.</param>
public sealed record ImageSegment(IImageSource Image) : Segment;

/// <summary>Something that a document had to leave out, e.g. an image that is not there. The document is used without it.</summary>
/// <param name="Cause">The short name under which it is counted, e.g. <c>missing</c>.</param>
/// <param name="Message">What was wrong, with the name of the thing.</param>
public sealed record DocumentProblem(string Cause, string Message);

/// <summary>A document: texts and images in reading order. Tokens of one document never see another document.</summary>
/// <param name="Source">The name of the source it comes from.</param>
/// <param name="Id">A stable name, unique in the source.</param>
/// <param name="Segments">Its pieces.</param>
/// <param name="Problems">What was left out of it, or null; counted by cause and logged.</param>
public sealed record Document(string Source, string Id, IReadOnlyList<Segment> Segments, IReadOnlyList<DocumentProblem>? Problems = null);
