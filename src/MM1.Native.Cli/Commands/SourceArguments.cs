using System.CommandLine;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary>A source that was opened for a command.</summary>
/// <param name="Source">The documents.</param>
/// <param name="Format">The format that it is in.</param>
/// <param name="Files">How many files, as far as they are known.</param>
/// <param name="Bytes">Their bytes on disk.</param>
internal sealed record OpenedSource(IDocumentSource Source, string Format, int Files, long Bytes);

/// <summary>SOURCE and the options that say how to read it: the same for every command that looks at data.</summary>
internal sealed class SourceArguments
{
    private readonly Option<string?> _format, _images, _split, _lines, _textKey, _imageKey, _textMember, _imageMember, _imagePath, _prompt, _cache;
    private readonly Option<bool> _sentences;
    private readonly Option<TextDocuments?> _documents;
    private readonly Terminal _terminal;

    public SourceArguments(Terminal terminal, string what = "a file, a folder or a pattern in quotes ('shards/*.tar')")
    {
        _terminal = terminal;
        Source = new Argument<string>("SOURCE") { Description = what };
        _format = Text("--format", $"how it is read: {string.Join(", ", Formats.All.Select(static format => format.Name))} (default: told by names and contents)", "name");
        _images = Text("--images", "folder or tar that holds the images, relative to the source's folder", "path");
        _split = Text("--split", "the part of an annotation file, e.g. train", "name");
        _lines = Text("--lines", "lines of a text or JSON lines file: 0-3000 is the first 3000, 3000- the rest", "a-b");
        _textKey = Text("--text-key", "JSON key of the text or caption", "key");
        _imageKey = Text("--image-key", "JSON key of the image", "key");
        _textMember = Text("--text-member", "extension of the shard's member that is the caption (default txt)", "extension");
        _imageMember = Text("--image-member", "extension of the shard's member that is the image", "extension");
        _imagePath = Text("--image-path", "path of an image where annotations give only its number or name, e.g. 'COCO_train2014_{image:12}.jpg'", "template");
        _prompt = Text("--prompt", "words around a question, e.g. '{question} Short answer:'", "text");
        _sentences = new Option<bool>("--sentences") { Description = "of nlvr: true sentences as captions of their images, instead of sentence and answer" };
        _cache = Text("--cache", "where compressed shards are expanded once (default: a folder of the user's temporary one)", "dir");
        _documents = new Option<TextDocuments?>("--documents") { Description = "how a text file becomes documents: BlankLines, Lines, Characters, Files", HelpName = "rule" };
    }

    /// <summary>SOURCE.</summary>
    public Argument<string> Source { get; }

    /// <summary>The formats that the command knows.</summary>
    public static DocumentFormats Formats => DataFiles.Formats;

    /// <summary>Adds the argument and its options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(Source);
        foreach (Option option in (Option[])[_format, _images, _split, _lines, _textKey, _imageKey, _textMember, _imageMember, _imagePath, _prompt, _sentences, _documents, _cache]) command.Options.Add(option);
    }

    /// <summary>Opens what SOURCE names; a folder may hold several sources.</summary>
    /// <exception cref="CommandException">There is nothing that can be read.</exception>
    public IReadOnlyList<OpenedSource> Open(ParseResult parsed, CancellationToken cancellation)
    {
        string given = parsed.GetRequiredValue(Source);
        string? format = parsed.GetValue(_format);
        if (given.AsSpan().ContainsAny('*', '?')) return [OpenPattern(given)];
        if (File.Exists(given))
        {
            format ??= SourceDetection.FormatOf(given) ?? throw new CommandException(ExitCode.Unreadable, $"'{given}': its name and its beginning do not tell what it is; say it with --format ({Known()})");
            return [OpenFiles(Path.GetDirectoryName(Path.GetFullPath(given))!, Path.GetFileName(given), format, [Path.GetFileName(given)])];
        }
        if (!Directory.Exists(given)) throw new CommandException(ExitCode.Unreadable, $"there is no file or folder '{given}'");
        IReadOnlyList<DetectedSource> found = [.. SourceDetection.OfFolder(given, out IReadOnlyList<string> unknown).Where(source => format is null || source.Format == format)];
        foreach (string file in unknown.Take(8)) _terminal.WriteWarning($"{Path.Combine(given, file)}: its beginning does not tell what it is; it is left out (a file alone can be read with --format)");
        if (unknown.Count > 8) _terminal.WriteWarning($"{unknown.Count - 8} more JSON files in '{given}' are left out");
        if (found.Count == 0)
        {
            throw new CommandException(ExitCode.Unreadable, $"'{given}' holds no data{(format is null ? "" : $" of format '{format}'")} that can be told by names and contents: .tar, .tar.gz, .jsonl, .json, .txt, .parquet; "
                + "name a file and its format with --format");
        }
        return [.. found.Select(source => OpenFiles(given, source.Name, source.Format, source.Files))];

        OpenedSource OpenPattern(string pattern)
        {
            string[] parts = pattern.Split('/');
            int wild = Array.FindIndex(parts, static part => part.AsSpan().ContainsAny('*', '?'));
            string root = wild == 0 ? "." : string.Join('/', parts[..wild]) is { Length: > 0 } folder ? folder : "/";
            string rest = string.Join('/', parts[wild..]);
            IReadOnlyList<string> files = new DataFolder(root).Files([rest]);
            return OpenFiles(root, rest, format ?? SourceDetection.FormatOf(Path.Combine(root, files[0]))
                ?? throw new CommandException(ExitCode.Unreadable, $"'{files[0]}': its name and its beginning do not tell what it is; say it with --format ({Known()})"), files);
        }

        OpenedSource OpenFiles(string root, string name, string named, IReadOnlyList<string> files)
        {
            var options = new SourceOptions
            {
                Name = name,
                Format = named,
                Root = root,
                Paths = files,
                Images = parsed.GetValue(_images),
                Split = parsed.GetValue(_split),
                Lines = parsed.GetValue(_lines),
                TextKey = parsed.GetValue(_textKey),
                ImageKey = parsed.GetValue(_imageKey),
                TextMember = parsed.GetValue(_textMember) ?? "txt",
                ImageMember = parsed.GetValue(_imageMember),
                ImagePath = parsed.GetValue(_imagePath),
                Prompt = parsed.GetValue(_prompt),
                Sentences = parsed.GetValue(_sentences),
                TextDocuments = parsed.GetValue(_documents) ?? TextDocuments.BlankLines,
                CacheFolder = parsed.GetValue(_cache),
            };
            // Annotations name images relative to themselves, not to the folder that somebody looked at.
            bool isAnnotation = named is not ("webdataset" or "documents" or "text" or "jsonl" or "parquet");
            if (options.Images is null && files.Count == 1 && isAnnotation && Path.GetDirectoryName(files[0]) is { Length: > 0 } inner) options = options with { Images = inner };
            return new OpenedSource(Formats.Open(options, cancellation), named, files.Count, files.Sum(file => new FileInfo(Path.Combine(root, file)).Length));
        }
    }

    private static string Known() => string.Join(", ", Formats.All.Select(static format => format.Name));

    private static Option<string?> Text(string name, string description, string helpName) => new(name) { Description = description, HelpName = helpName };
}
