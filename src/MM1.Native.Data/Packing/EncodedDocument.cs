namespace MM1.Native.Data;

/// <summary>A document as tokens: text encoded, each image a run of placeholders, the document end last.</summary>
/// <param name="Id">The document's name.</param>
/// <param name="Tokens">Token ids.</param>
/// <param name="IsTarget">Which tokens count as targets.</param>
/// <param name="Images">The images, in order.</param>
/// <param name="ImageStarts">The first placeholder of each image.</param>
public sealed record EncodedDocument(string Id, int[] Tokens, bool[] IsTarget, IImageSource[] Images, int[] ImageStarts)
{
    /// <summary>Whether its text says left or right: its images are not to be mirrored.</summary>
    public bool SaysSides { get; init; }

    /// <summary>
    /// Encodes a document.
    /// </summary>
    /// <param name="document">The document.</param>
    /// <param name="tokenizer">Makes the text's tokens.</param>
    /// <param name="imageTokens">Placeholders of an image.</param>
    /// <param name="endDocument">Whether the document end follows: yes in training, no for a prompt. It is a target where the last text is.</param>
    public static EncodedDocument Encode(Document document, ITokenizer tokenizer, int imageTokens, bool endDocument = true)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(imageTokens);
        var tokens = new List<int>();
        var roles = new List<bool>();
        var images = new List<IImageSource>();
        var starts = new List<int>();
        bool lastIsTarget = false, saysSides = false;
        foreach (Segment segment in document.Segments)
        {
            if (segment is TextSegment text)
            {
                lastIsTarget = text.Role == LossRole.Target;
                saysSides = saysSides || SideWords.In(text.Text);
                tokenizer.Encode(text.Text, tokens);
                while (roles.Count < tokens.Count) roles.Add(lastIsTarget);
            }
            else if (segment is ImageSegment image)
            {
                images.Add(image.Image);
                starts.Add(tokens.Count);
                for (int i = 0; i < imageTokens; i++)
                {
                    tokens.Add(tokenizer.ImageId);
                    roles.Add(false);
                }
            }
            else throw new ArgumentException($"document '{document.Id}' has a segment of unknown type {segment.GetType().Name}", nameof(document));
        }
        if (endDocument && tokens.Count > 0)
        {
            tokens.Add(tokenizer.DocumentEndId);
            roles.Add(lastIsTarget);
        }
        return new EncodedDocument(document.Id, [.. tokens], [.. roles], [.. images], [.. starts]) { SaysSides = saysSides };
    }

    /// <summary>Images whose placeholders begin in [begin, end).</summary>
    internal (int First, int Count) ImagesIn(int begin, int end)
    {
        int first = 0;
        while (first < ImageStarts.Length && ImageStarts[first] < begin) first++;
        int count = 0;
        while (first + count < ImageStarts.Length && ImageStarts[first + count] < end) count++;
        return (first, count);
    }

    /// <summary>Where a piece that begins at <paramref name="begin"/> ends, given room for tokens and images: at the document's end, or never inside an image.</summary>
    internal int EndOfPiece(int begin, int room, int images, int imageTokens)
    {
        int end = (int)Math.Min(Tokens.Length, (long)begin + room);
        foreach (int start in ImageStarts)
        {
            if (start < begin) continue;
            if (start >= end) break;
            if (images-- == 0 || start + imageTokens > end) return start;
        }
        return end;
    }
}
