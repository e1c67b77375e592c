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

/// <summary>A document: texts and images in reading order. Tokens of one document never see another document.</summary>
/// <param name="Source">The name of the source it comes from.</param>
/// <param name="Id">A stable name, unique in the source.</param>
/// <param name="Segments">Its pieces.</param>
public sealed record Document(string Source, string Id, IReadOnlyList<Segment> Segments);
