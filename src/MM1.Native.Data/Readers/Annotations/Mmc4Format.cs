namespace MM1.Native.Data;

/// <summary>
/// MMC4 as JSON lines: sentences in <c>text_list</c>, images in <c>image_info</c> with the sentence that each belongs to (<c>matched_text_index</c>) and stands before. An image is
/// <c>image_base64</c> (as OpenFlamingo packs it), else the file <c>image_name</c>, else <c>raw_url</c>, which is reported as missing. All other keys are passed over.
/// </summary>
public sealed class Mmc4Format : IDocumentFormat
{
    /// <inheritdoc/>
    public string Name => "mmc4";

    /// <inheritdoc/>
    public string Summary => "web documents as JSON lines of sentences and of images with the sentence that each stands before";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("split", options.Split is not null), ("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null), .. options.AnnotationMembers]);
        AnnotationRecords records = AnnotationRecords.Open(options, cancellationToken);
        ImageFiles images = ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken);
        return new AnnotationSource(options, records.Count, (_, index) => Read(options.Name, records, images, index));
    }

    private static Document Read(string source, AnnotationRecords records, ImageFiles images, int index)
    {
        using JsonRecord record = records.Read(index);
        string[] sentences = [.. record.Root.List("text_list").Items().Select(static sentence => sentence.Text())];
        var before = new List<(int Sentence, JsonValue Image)>();
        foreach (JsonValue image in record.Root.Find("image_info")?.List().Items() ?? [])
        {
            int sentence = image.Get("matched_text_index", "the number of a sentence")
                .Below(sentences.Length, $"the document has {sentences.Length} sentences, counted from 0");
            before.Add((sentence, image));
        }
        var document = new InterleavedBuilder(images, record.Where, " ");
        var inOrder = before.OrderBy(static image => image.Sentence).ToArray(); // stable: images of one sentence stay in their order
        int next = 0;
        for (int i = 0; i < sentences.Length; i++)
        {
            for (; next < inOrder.Length && inOrder[next].Sentence == i; next++) AddImage(document, images, inOrder[next].Image);
            document.Text(sentences[i]);
        }
        return document.Build(source);
    }

    private static void AddImage(InterleavedBuilder document, ImageFiles images, JsonValue image)
    {
        DocumentProblem? problem;
        if (image.Find("image_base64") is { } base64)
        {
            document.Add(ImageFiles.FindBase64(base64.Text(), out problem), problem);
            return;
        }
        string? name = image.Find("image_name")?.Text(), url = image.Find("raw_url")?.Text();
        if (name is null && url is null) throw image.Bad("has none of 'image_base64', 'image_name' and 'raw_url'");
        IImageSource? found = images.Find(name ?? url!, out problem);
        if (found is null && name is not null && url is not null && problem!.Cause == BadImageException.Missing)
            problem = problem with { Message = $"{problem.Message}; it was at {url}" };
        document.Add(found, problem);
    }
}
