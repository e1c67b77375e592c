using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>Files that belong to one source, and the format that they are in.</summary>
/// <param name="Name">A name: the file's, or the folder's, relative to the place that was looked at.</param>
/// <param name="Format">The name of an <see cref="IDocumentFormat"/>.</param>
/// <param name="Files">The files, relative to the place.</param>
/// <param name="Bytes">Their size on disk.</param>
public sealed record DetectedSource(string Name, string Format, IReadOnlyList<string> Files, long Bytes);

/// <summary>
/// What a file or folder holds, by the names of files and by how JSON begins. Shards of a folder (.tar, .parquet) are one source; every other file is a source of its own. Files that
/// need others beside them, such as questions and annotations of VQA, are not guessed: their format has to be named.
/// </summary>
public static class SourceDetection
{
    private const int HeadBytes = 1 << 20;

    /// <summary>The sources of a folder and the folders in it, by name.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="unknown">JSON files in it that say nothing of what they are.</param>
    public static IReadOnlyList<DetectedSource> OfFolder(string folder, out IReadOnlyList<string> unknown)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var unknownFiles = new SortedSet<string>(StringComparer.Ordinal);
        var found = new SortedDictionary<(string Name, string Format), List<string>>();
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint };
        foreach (string path in Directory.EnumerateFiles(folder, "*", all))
        {
            if (Path.GetFileName(path) == BadSample.FileName) continue; // what a conversion left out
            string relative = Path.GetRelativePath(folder, path).Replace('\\', '/');
            if (FormatOf(path) is not { } format)
            {
                if (Path.GetExtension(path).ToLowerInvariant() is ".json" or ".jsonl" or ".ndjson") unknownFiles.Add(relative);
                continue;
            }
            bool isShard = format is "webdataset" or "parquet";
            string name = isShard ? Path.GetDirectoryName(relative) is { Length: > 0 } parent ? parent.Replace('\\', '/') : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))) : relative;
            if (!found.TryGetValue((name, format), out List<string>? files)) found[(name, format)] = files = [];
            files.Add(relative);
        }
        unknown = [.. unknownFiles];
        return [.. found.Select(pair => new DetectedSource(pair.Key.Name, pair.Key.Format, [.. pair.Value.Order(StringComparer.Ordinal)], pair.Value.Sum(file => new FileInfo(Path.Combine(folder, file)).Length)))];
    }

    /// <summary>The format of a file; null where it is none, or cannot be told.</summary>
    public static string? FormatOf(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return FormatOfName(path) ?? Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".jsonl" or ".ndjson" => OfJson(path, isLines: true),
            ".json" => OfJson(path, isLines: false),
            _ => null,
        };
    }

    /// <summary>The format of a file, or of files that a pattern names, by name alone; null where it does not tell.</summary>
    public static string? FormatOfName(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (TarShard.IsTar(path)) return "webdataset";
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".txt" or ".text" => "text",
            ".parquet" => "parquet",
            _ => null,
        };
    }

    private static string? OfJson(string path, bool isLines)
    {
        var head = new byte[(int)Math.Min(HeadBytes, new FileInfo(path).Length)];
        using (FileStream file = File.OpenRead(path)) file.ReadExactly(head);
        try
        {
            (HashSet<string> keys, HashSet<string> inner, bool isList) = Keys(head);
            return isLines || isList ? OfRecord(keys) : OfObject(keys, inner) ?? OfRecord(keys);
        }
        catch (Exception exception) when (JsonFields.IsNoJson(exception))
        {
            return null;
        }
    }

    /// <summary>A record of a list or of lines.</summary>
    private static string? OfRecord(HashSet<string> keys)
    {
        bool Has(params ReadOnlySpan<string> names)
        {
            foreach (string name in names)
                if (!keys.Contains(name)) return false;
            return true;
        }
        return Has("text_list", "image_info") ? "mmc4"
            : Has("conversations") ? "llava"
            : Has("images", "texts", "metadata") ? "obelics"
            : Has("images", "texts") ? "documents"
            : Has("sentence", "label") ? "nlvr"
            : Has("question", "answers", "image") ? "vizwiz"
            : Has("question", "answer", "image") ? "questions"
            : (Has("image") || Has("file_name") || Has("path")) && (Has("caption") || Has("text")) ? "captions"
            : Has("text") ? "jsonl"
            : null;
    }

    /// <summary>A file that is one object with a long list in it: what follows the list is not seen.</summary>
    private static string? OfObject(HashSet<string> keys, HashSet<string> inner) =>
        keys.Contains("images") && inner.Contains("sentences") ? "karpathy"
        : keys.Contains("images") && inner.Contains("file_name") && inner.Contains("id") ? "coco-captions"
        : keys.Contains("data") && inner.Contains("caption_str") ? "textcaps"
        : keys.Contains("data") && inner.Contains("question") && inner.Contains("image_id") ? "textvqa"
        : null;

    /// <summary>Names of the members of the first object and of those in its lists, as far as the beginning of the file tells; whether it stands in a list.</summary>
    private static (HashSet<string> Keys, HashSet<string> Inner, bool IsList) Keys(ReadOnlySpan<byte> head)
    {
        HashSet<string> keys = new(StringComparer.Ordinal), inner = new(StringComparer.Ordinal);
        var reader = new Utf8JsonReader(head.StartsWith("\uFEFF"u8) ? head[3..] : head, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { AllowMultipleValues = true }));
        bool isList = false;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartArray && !isList && reader.CurrentDepth == 0)
            {
                isList = true;
                continue;
            }
            if (reader.TokenType != JsonTokenType.StartObject) break;
            int depth = reader.CurrentDepth;
            while (reader.Read() && !(reader.TokenType == JsonTokenType.EndObject && reader.CurrentDepth == depth))
            {
                if (reader.TokenType != JsonTokenType.PropertyName) continue;
                if (reader.CurrentDepth == depth + 1) keys.Add(reader.GetString()!);
                else if (reader.CurrentDepth == depth + 3) inner.Add(reader.GetString()!);
            }
            break;
        }
        return (keys, inner, isList);
    }
}
