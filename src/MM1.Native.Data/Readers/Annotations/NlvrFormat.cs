namespace MM1.Native.Data;

/// <summary>
/// NLVR: a sentence about an image and whether it is true. Records with <c>image</c> are one document each; records of the original files (<c>identifier</c>, <c>directory</c>, no
/// <c>image</c>) are three, for the three permutations of their boxes. Images usually lie in a tar.gz (<see cref="SourceOptions.Images"/>). A document is the image, the sentence and
/// <c>true</c> or <c>false</c>; with <see cref="SourceOptions.Sentences"/> the true sentences are captions of their images and the false ones are left out.
/// </summary>
public sealed class NlvrFormat : IDocumentFormat
{
    /// <summary>Image of an original record, as the published archives have it.</summary>
    private const string OriginalImage = "images/{directory}/{split}-{identifier}-{permutation}.png";
    private const int Permutations = 3;

    /// <inheritdoc/>
    public string Name => "nlvr";

    /// <inheritdoc/>
    public string Summary => "NLVR: sentences about images, true or false, as JSON lines";

    /// <inheritdoc/>
    public IDocumentSource Open(SourceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RefuseUnused([("textKey", options.TextKey is not null), ("imageKey", options.ImageKey is not null), ("captions", options.Captions != CaptionChoice.Each),
            ("prompt", options.Prompt is not null && options.Sentences), .. options.ChatMembers]);
        var reader = new Reader(options, AnnotationRecords.Open(options, cancellationToken), ImageFiles.Open(options, new DataFolder(options.Root), cancellationToken));
        int[] places = reader.Index(cancellationToken);
        if (places.Length == 0) throw new InvalidDataException($"source '{options.Name}': no sentence is true, so there are no captions");
        return new AnnotationSource(options, places.Length, (_, index) => reader.Read(places[index] / Permutations, places[index] % Permutations));
    }

    private sealed class Reader(SourceOptions options, AnnotationRecords records, ImageFiles images)
    {
        private readonly Template _path = new(options, "imagePath", options.ImagePath ?? OriginalImage, "split", "directory", "identifier", "permutation");
        private readonly Template _prompt = new(options, "prompt", options.Prompt ?? "{sentence}", "sentence");

        /// <summary>The documents: record * 3 + permutation. A record that is not as it should be is one document, which says so when it is read.</summary>
        internal int[] Index(CancellationToken cancellationToken)
        {
            var places = new List<int>();
            for (int i = 0; i < records.Count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int documents = 1;
                try
                {
                    using JsonRecord record = records.Read(i);
                    if (options.Sentences && !IsTrue(record)) continue;
                    if (record.Root.Find("image") is null && record.Root.Find("identifier") is not null) documents = Permutations;
                    if (documents > 1 && _path.Uses(0) && options.Split is null)
                        throw options.Refuse("the records name no images, and their files are named after the split; set 'split' (train, dev, test) or 'imagePath'");
                }
                catch (BadDocumentException)
                {
                    // counted when it is read
                }
                for (int permutation = 0; permutation < documents; permutation++) places.Add(checked(Permutations * i + permutation));
            }
            return [.. places];
        }

        internal Document Read(int index, int permutation)
        {
            using JsonRecord record = records.Read(index);
            string sentence = record.Root.Text("sentence"), name;
            bool label = IsTrue(record);
            if (record.Root.Find("image") is { } file) name = file.Text();
            else
            {
                string identifier = record.Root.Get("identifier", "a string (or 'image', the name of the file)").Text();
                string directory = _path.Uses(1) ? record.Root.Name("directory") : "";
                name = _path.Format(options.Split ?? "", directory, identifier, permutation.ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
            var image = new ImageSegment(images.Need(name, record.Where));
            string id = $"{record.Where} ({name})";
            return options.Sentences ? new Document(options.Name, id, [image, new TextSegment(sentence)])
                : new Document(options.Name, id, [image, new TextSegment(_prompt.Format(sentence), LossRole.Context), new TextSegment(label ? "true" : "false")]);
        }

        private static bool IsTrue(JsonRecord record)
        {
            JsonValue label = record.Root.Get("label", "\"true\" or \"false\"");
            if (!label.IsText) return label.Flag();
            string text = label.Text();
            return text.Equals("true", StringComparison.OrdinalIgnoreCase) || (text.Equals("false", StringComparison.OrdinalIgnoreCase) ? false : throw label.Bad($"is '{text}'; \"true\" or \"false\" is expected"));
        }
    }
}
