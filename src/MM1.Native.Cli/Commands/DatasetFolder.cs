using System.Formats.Tar;
using System.Globalization;
using System.Text;
using System.Text.Json;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary>Reads a folder that <c>mm1 data make</c> wrote, to look at it: WebDataset shards of captions, JSON lines of documents.</summary>
internal static class DatasetFolder
{
    /// <summary>The documents of each source that the folder has; none where it holds evaluation items alone.</summary>
    /// <exception cref="CommandException">The folder holds neither, or a file of it is damaged.</exception>
    public static IReadOnlyList<MixtureSource> Read(string folder)
    {
        var sources = new List<MixtureSource>();
        if (Directory.Exists(Path.Combine(folder, "captions"))) Add("captions", [.. Directory.GetFiles(Path.Combine(folder, "captions"), "*.tar").Order(StringComparer.Ordinal).SelectMany(ReadShard)], 0.45);
        foreach ((string name, double weight) in new[] { ("interleaved", 0.45), ("text", 0.10) })
        {
            string lines = Path.Combine(folder, name, "documents.jsonl");
            if (File.Exists(lines)) Add(name, [.. ReadLines(lines, ParseDocument)], weight);
        }
        return sources.Count > 0 || EvaluationFiles(folder).Any() ? sources : throw new CommandException(ExitCode.Unreadable, $"'{folder}' holds no data as 'mm1 data make' writes it: no captions/*.tar, interleaved/documents.jsonl, text/documents.jsonl or evaluation-*/*.jsonl");

        void Add(string name, IReadOnlyList<Document> documents, double weight)
        {
            if (documents.Count > 0) sources.Add(new MixtureSource(new ListDocumentSource(name, documents), weight));
        }
    }

    /// <summary>Evaluation items by file, each as a document: its image, its question if it has one, the right answer or caption.</summary>
    /// <exception cref="CommandException">A file is damaged.</exception>
    public static IEnumerable<(string File, IReadOnlyList<Document> Items)> EvaluationItems(string folder)
    {
        foreach (string file in EvaluationFiles(folder)) yield return (Path.GetRelativePath(folder, file), [.. ReadLines(file, ParseItem)]);
    }

    private static IEnumerable<string> EvaluationFiles(string folder) =>
        Directory.GetDirectories(folder, "evaluation-*").SelectMany(static part => Directory.GetFiles(part, "*.jsonl")).Order(StringComparer.Ordinal);

    private static IEnumerable<Document> ReadShard(string path)
    {
        var documents = new List<Document>();
        try
        {
            using FileStream stream = File.OpenRead(path);
            using var tar = new TarReader(stream);
            (string key, byte[]? image, string? text) = ("", null, null);
            while (tar.GetNextEntry(copyData: true) is { } entry)
            {
                string name = Path.GetFileNameWithoutExtension(entry.Name);
                if (name != key) (key, image, text) = (name, null, null);
                using var content = new MemoryStream();
                entry.DataStream?.CopyTo(content);
                if (entry.Name.EndsWith(".png", StringComparison.Ordinal)) image = content.ToArray();
                if (entry.Name.EndsWith(".txt", StringComparison.Ordinal)) text = Encoding.UTF8.GetString(content.ToArray());
                if (image is null || text is null) continue;
                documents.Add(new Document("captions", key, [new ImageSegment(new EncodedImage(image)), new TextSegment(text)]));
                (image, text) = (null, null);
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new CommandException(ExitCode.Unreadable, $"{path}: the shard is damaged: {exception.Message}", exception);
        }
        return documents;
    }

    private static IEnumerable<Document> ReadLines(string path, Func<JsonElement, string, string, Document> parse)
    {
        string folder = Path.GetDirectoryName(path)!, source = Path.GetFileName(folder);
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            Document document;
            try
            {
                using JsonDocument json = JsonDocument.Parse(line);
                document = parse(json.RootElement, folder, source);
            }
            catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new CommandException(ExitCode.Unreadable, $"{path}:{number.ToString(CultureInfo.InvariantCulture)}: no document: {exception.Message}", exception);
            }
            yield return document;
        }
    }

    private static Document ParseItem(JsonElement root, string folder, string source)
    {
        var segments = new List<Segment> { new ImageSegment(new ImageFile(Path.Combine(folder, root.GetProperty("image").GetString()!))) };
        bool asks = root.TryGetProperty("question", out JsonElement question);
        if (asks) segments.Add(new TextSegment(question.GetString()!, LossRole.Context));
        segments.Add(new TextSegment(root.GetProperty(asks ? "answer" : "caption").GetString()!));
        return new Document(source, root.GetProperty("id").GetString()!, segments);
    }

    private static Document ParseDocument(JsonElement root, string folder, string source)
    {
        JsonElement images = root.GetProperty("images"), texts = root.GetProperty("texts"), targets = root.GetProperty("targets");
        var segments = new List<Segment>();
        for (int i = 0; i < texts.GetArrayLength(); i++)
        {
            if (texts[i].GetString() is { } text) segments.Add(new TextSegment(text, targets[i].GetBoolean() ? LossRole.Target : LossRole.Context));
            else segments.Add(new ImageSegment(new ImageFile(Path.Combine(folder, images[i].GetString()!))));
        }
        return new Document(source, root.GetProperty("id").GetString()!, segments);
    }

    private sealed class ImageFile(string path) : IImageSource
    {
        public ImageData Load() => ImageCodec.DecodeFile(path);
    }
}
