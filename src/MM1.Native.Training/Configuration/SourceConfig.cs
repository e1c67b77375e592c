using MM1.Native.Autograd;
using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>Files of documents: <see cref="SourceOptions"/> without what the run gives (name, data folder, cache).</summary>
public record FilesConfig
{
    /// <summary>The format, e.g. <c>webdataset</c>, <c>text</c>; <c>mm1 data inspect --help</c> lists them.</summary>
    public string? Format { get; init; }

    /// <summary>Files or patterns (<c>*</c>, <c>?</c>, <c>**</c> for folders), relative to <c>data.root</c>.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary>Folder or tar that holds the images, relative to <c>data.root</c>; null (default): image names are relative to the root.</summary>
    public string? Images { get; init; }

    /// <summary>The part of an annotation file that is wanted, e.g. <c>train</c>; null (default) for all of it.</summary>
    public string? Split { get; init; }

    /// <summary>Lines of a text or JSON lines file: <c>"0-3000"</c> is the first 3,000, <c>"3000-"</c> the rest; null (default) for all.</summary>
    public string? Lines { get; init; }

    /// <summary>JSON key of the text or caption; null (default) for the format's usual ones.</summary>
    public string? TextKey { get; init; }

    /// <summary>JSON key of the image; null (default) for the format's usual ones.</summary>
    public string? ImageKey { get; init; }

    /// <summary>Extension of the WebDataset member that holds the caption (default txt).</summary>
    public string TextMember { get; init; } = "txt";

    /// <summary>Extension of the WebDataset member that is the image; null (default) for whichever is there.</summary>
    public string? ImageMember { get; init; }

    /// <summary>How a text file becomes documents (default: blank lines end them).</summary>
    public TextDocuments TextDocuments { get; init; } = TextDocuments.BlankLines;

    /// <summary>Characters of a document under <c>textDocuments: characters</c> (default 4096).</summary>
    public int DocumentCharacters { get; init; } = 4096;

    /// <summary>Path of an image where annotations give only its number or name, e.g. <c>COCO_train2014_{image:12}.jpg</c>; null (default) for the format's usual one.</summary>
    public string? ImagePath { get; init; }

    /// <summary>Words around a question, <c>{question}</c> standing for it; null (default) for the format's usual ones.</summary>
    public string? Prompt { get; init; }

    /// <summary>Which captions of an image become documents (default each).</summary>
    public CaptionChoice Captions { get; init; } = CaptionChoice.Each;

    /// <summary>NLVR: true sentences as captions of their images, instead of sentence and answer (default false).</summary>
    public bool Sentences { get; init; }

    /// <summary>Most bytes that one compressed shard may expand to (default 16 GiB).</summary>
    public long ExpandedLimit { get; init; } = 16L << 30;

    /// <summary>Conversations: stands before each turn of the user (default <c>USER:</c>).</summary>
    public string UserPrefix { get; init; } = "USER:";

    /// <summary>Conversations: stands before each answer (default <c>ASSISTANT:</c>).</summary>
    public string AssistantPrefix { get; init; } = "ASSISTANT:";

    /// <summary>Conversations: ends each answer but the last (default a line feed).</summary>
    public string TurnEnd { get; init; } = "\n";

    internal void ValidateFiles(string key)
    {
        Check.That(!string.IsNullOrEmpty(Format), $"{key}.format", Format, "must be a format's name, such as webdataset or text");
        Check.That(Paths.Count > 0 && Paths.All(static path => path.Length > 0), $"{key}.paths", $"[{string.Join(", ", Paths)}]", "must name files, relative to data.root");
        Check.That(ExpandedLimit >= 1, $"{key}.expandedLimit", ExpandedLimit, "must be 1 byte or more");
        Check.That(DocumentCharacters >= 1, $"{key}.documentCharacters", DocumentCharacters, "must be 1 or more");
    }

    internal SourceOptions Options(string name, string root, string? cache)
    {
        var options = new SourceOptions
        {
            Name = name,
            Format = Format!,
            Root = root,
            Paths = Paths,
            Images = Images,
            Split = Split,
            Lines = Lines,
            TextKey = TextKey,
            ImageKey = ImageKey,
            TextMember = TextMember,
            ImageMember = ImageMember,
            TextDocuments = TextDocuments,
            DocumentCharacters = DocumentCharacters,
            ImagePath = ImagePath,
            Prompt = Prompt,
            Captions = Captions,
            Sentences = Sentences,
            UserPrefix = UserPrefix,
            AssistantPrefix = AssistantPrefix,
            TurnEnd = TurnEnd,
            ExpandedLimit = ExpandedLimit,
        };
        return cache is null ? options : options with { CacheFolder = cache };
    }
}

/// <summary>A source of documents: files, or interleaved documents that are made of the pairs of other sources.</summary>
public sealed record SourceConfig : FilesConfig
{
    /// <summary>Its name: in metrics, cursors, logs.</summary>
    public required string Name { get; init; }

    /// <summary>The key of <c>data.weights</c> that it belongs to.</summary>
    public required string Group { get; init; }

    /// <summary>Its share of the group, as a ratio to those of the group's other sources (default 1).</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Makes interleaved documents of the pairs of other sources, in place of files; null (default) for files.</summary>
    public PairsConfig? Pairs { get; init; }

    internal void Validate(string key, IReadOnlyList<SourceConfig> all)
    {
        Check.That(Name.Length > 0, $"{key}.name", "(empty)", "must be a name");
        Check.That(Weight > 0 && double.IsFinite(Weight), $"{key}.weight", Weight, "must be positive");
        if (Pairs is not { } pairs)
        {
            ValidateFiles(key);
            return;
        }
        Check.That(new SourceConfig { Name = Name, Group = Group, Weight = Weight, Pairs = Pairs, Format = Format, Paths = Paths } == this, key, "options of files", "is made of pairs, which have no options of files");
        Check.That(Format is null && Paths.Count == 0, key, $"{Format ?? "paths"} and pairs", "is made of files (format, paths) or of pairs, not of both");
        Check.That(pairs.Of.Count > 0, $"{key}.pairs.of", "[]", "must name sources of pairs");
        foreach (string name in pairs.Of)
        {
            SourceConfig? named = all.FirstOrDefault(other => other.Name == name);
            Check.That(named is not null, $"{key}.pairs.of", name, $"must name sources of data.sources; the nearest is '{NearestName.Find(name, all.Where(static other => other.Pairs is null).Select(static other => other.Name))}'");
            Check.That(named!.Pairs is null, $"{key}.pairs.of", name, "must name sources of files: that one is made of pairs itself");
        }
        Check.That(pairs.Minimum >= 1, $"{key}.pairs.minimum", pairs.Minimum, "must be 1 or more");
        Check.That(pairs.Maximum >= pairs.Minimum, $"{key}.pairs.maximum", pairs.Maximum, $"must not be less than minimum ({pairs.Minimum})");
    }
}

/// <summary>Interleaved documents of several image-caption pairs (<see cref="InterleavedPairs"/>).</summary>
public sealed record PairsConfig
{
    /// <summary>Names of the sources whose pairs are taken.</summary>
    public required IReadOnlyList<string> Of { get; init; }

    /// <summary>Fewest pairs of a document (default 2).</summary>
    public int Minimum { get; init; } = 2;

    /// <summary>Most pairs of a document (default 6).</summary>
    public int Maximum { get; init; } = 6;
}

/// <summary>Kinds of tokenizer.</summary>
public enum TokenizerKind
{
    /// <summary>The synthetic world's words and bytes.</summary>
    Words,
    /// <summary>A token for each byte.</summary>
    Bytes,
    /// <summary>A file: this project's, <c>tokenizer.json</c>, SentencePiece or tiktoken.</summary>
    File,
    /// <summary>Byte-level BPE, trained on sources of the run before its first step; the same sources give the same tokenizer.</summary>
    Train,
}

/// <summary>The tokenizer of a run. Checkpoints keep it, whatever it was made of.</summary>
public sealed record TokenizerConfig
{
    /// <summary>Kind.</summary>
    public required TokenizerKind Kind { get; init; }

    /// <summary>The file, of kind <c>file</c>; relative to the working folder.</summary>
    public string? Path { get; init; }

    /// <summary>Tokens of a trained one, special ones and the 256 bytes included (default 1024).</summary>
    public int Vocabulary { get; init; } = 1024;

    /// <summary>Sources that it is trained on; null (default) for all that are files.</summary>
    public IReadOnlyList<string>? Sources { get; init; }

    internal void Validate(DataConfig data)
    {
        const string Key = "data.tokenizer";
        Check.That(Kind == TokenizerKind.Words == (data.Kind == DataKind.Synthetic), $"{Key}.kind", Words(Kind),
            data.Kind == DataKind.Synthetic ? "must be words where data.kind is synthetic" : "must be bytes, file or train where data.kind is sources");
        Check.That(Kind == TokenizerKind.File == Path is { Length: > 0 }, $"{Key}.path", Path, Kind == TokenizerKind.File ? "must name the file" : "is for kind file");
        Check.That(Kind != TokenizerKind.Train || Vocabulary is >= BytePairTrainer.SmallestVocabulary and <= 1 << 20, $"{Key}.vocabulary", Vocabulary, $"must lie in {BytePairTrainer.SmallestVocabulary} (the 256 bytes and the special tokens) to 1048576");
        foreach (string name in Sources ?? [])
        {
            string[] known = [.. data.Sources.Where(static source => source.Pairs is null).Select(static source => source.Name)];
            Check.That(known.Contains(name), $"{Key}.sources", name, $"must name sources of files in data.sources; the nearest is '{NearestName.Find(name, known)}'");
        }
        Check.That(Sources is null or { Count: > 0 }, $"{Key}.sources", "[]", "must name sources, or be null for all");
        Check.That(Sources is null || Kind == TokenizerKind.Train, $"{Key}.sources", "given", "is for kind train");
    }

    private static string Words(TokenizerKind kind) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(kind.ToString());
}
