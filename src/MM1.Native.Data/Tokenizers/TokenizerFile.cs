using System.Text.Json;
using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>Tokenizers as files, e.g. beside a checkpoint; what a file is, is told by its content, never by its name.</summary>
public static class TokenizerFile
{
    private const string KnownKinds = "a file that MM1.Native wrote, a Hugging Face tokenizer.json of model BPE, GPT-2's vocab.json with merges.txt beside it, a SentencePiece .model, a .tiktoken file";
    private const long MostBytes = 256 << 20;

    /// <summary>
    /// Reads a tokenizer: what <see cref="ITokenizer.Save"/> wrote, a Hugging Face <c>tokenizer.json</c> (BPE), GPT-2's
    /// <c>vocab.json</c> with <c>merges.txt</c> beside it, a SentencePiece <c>.model</c> (BPE with byte fallback), or a
    /// <c>.tiktoken</c> file.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Names of the special tokens, and what else a file may not say; null: the usual names.</param>
    /// <exception cref="InvalidDataException">The file is none of these, is damaged, or says what cannot be done exactly; the message names the file and what is wrong.</exception>
    /// <exception cref="ArgumentException">The options are no options: an empty name, an unknown pattern.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ITokenizer Load(string path, TokenizerOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new TokenizerOptions();
        options.Check();
        long length = new FileInfo(path) is { Exists: true } file ? file.Length : 0;
        if (length > MostBytes) throw new InvalidDataException($"'{path}' has {length} bytes; no tokenizer has more than {MostBytes}");
        return Read(path, File.ReadAllBytes(path), options);
    }

    /// <summary>A tokenizer of a file's content; <paramref name="path"/> is named in messages, and GPT-2's merges lie beside it.</summary>
    internal static ITokenizer Read(string path, byte[] content, TokenizerOptions options)
    {
        ReadOnlySpan<byte> start = content;
        if (start.StartsWith("\uFEFF"u8)) start = start[3..];
        ReadOnlyMemory<byte> text = content.AsMemory(content.Length - start.Length);
        start = start.TrimStart(" \t\r\n"u8);
        if (start.IsEmpty) throw new InvalidDataException($"'{path}' is empty; a tokenizer is {KnownKinds}");
        if (start[0] == '{') return ReadJson(path, text, options);
        if (TiktokenFile.Begins(content)) return TiktokenFile.Load(path, content, options);
        if (Gpt2Files.AreMerges(content)) throw new InvalidDataException($"'{path}' is the merges of a tokenizer; name the vocab.json beside it");
        if (content[0] == 0x0A) return SentencePieceFile.Load(path, content, options); // field 1 of its message: the first piece
        throw new InvalidDataException($"'{path}' is no tokenizer; known are {KnownKinds}");
    }

    internal static void Save(string path, TokenizerDocument document) =>
        File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(document, DataJson.Default.TokenizerDocument));

    private static ITokenizer ReadJson(string path, ReadOnlyMemory<byte> content, TokenizerOptions options)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(content, new JsonDocumentOptions { AllowDuplicateProperties = false });
            JsonElement root = document.RootElement;
            if (root.TryGetProperty("format", out JsonElement format) && format.ValueKind == JsonValueKind.String)
                return ReadOwn(path, JsonSerializer.Deserialize(content.Span, DataJson.Default.TokenizerDocument)!, options);
            if (root.TryGetProperty("model", out JsonElement model) && model.ValueKind == JsonValueKind.Object) return TokenizerJson.Load(path, content, options);
            if (Gpt2Files.IsVocabulary(root)) return TokenizerJson.Load(path, Gpt2Files.ToTokenizerJson(path, root), options);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no UTF-16 or UTF-8 is found only when it is looked at.
            throw new InvalidDataException($"'{path}' is no tokenizer file, or is cut off or damaged: {exception.Message}", exception);
        }
        throw new InvalidDataException($"'{path}' is JSON, but no tokenizer: it has neither 'format' nor 'model', and is no vocabulary; known are {KnownKinds}");
    }

    private static ITokenizer ReadOwn(string path, TokenizerDocument document, TokenizerOptions options)
    {
        if (!TokenizerDocument.KeysOf.TryGetValue(document.Format, out string[]? keys))
            throw new InvalidDataException($"'{path}' holds a tokenizer of format '{document.Format}'; known are {string.Join(", ", TokenizerDocument.KeysOf.Keys)}");
        if (document.Version != 1) throw new InvalidDataException($"'{path}' holds a tokenizer of version {document.Version}; known is version 1");
        if (document.Given().FirstOrDefault(key => !keys.Contains(key)) is { } stray) throw new InvalidDataException($"'{path}': a tokenizer of format '{document.Format}' has no key '{stray}'");
        try
        {
            switch (document.Format)
            {
                case TokenizerDocument.WordFormat: return new WordTokenizer(Required(document.Words, "words"));
                case TokenizerDocument.ByteFormat: return new ByteTokenizer();
                case TokenizerDocument.TiktokenFormat: return TiktokenFile.Load(path, Required(document.Ranks, "ranks"), Named() with { Pattern = Required(document.Pattern, "pattern") });
                default: return SentencePieceFile.Load(path, Required(document.Model, "model"), Named());
            }
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"'{path}': {exception.Message}", exception);
        }

        TokenizerOptions Named()
        {
            IReadOnlyList<string> names = Required(document.Special, "special");
            if (names.Count != 3) throw new InvalidDataException($"'{path}': 'special' has {names.Count} names, not 3 (document end, padding, image placeholder)");
            TokenizerOptions named = options with { DocumentEnd = [names[0]], Padding = [names[1]], Image = [names[2]] };
            named.Check();
            return named;
        }

        T Required<T>(T? value, string key) where T : class => value ?? throw new InvalidDataException($"'{path}': a tokenizer of format '{document.Format}' needs the key '{key}'");
    }
}

/// <summary>What a tokenizer file of our own holds; which of the keys are there depends on the format.</summary>
internal sealed record TokenizerDocument
{
    internal const string WordFormat = "mm1-word-tokenizer";
    internal const string ByteFormat = "mm1-byte-tokenizer";
    internal const string TiktokenFormat = "mm1-tiktoken-tokenizer";
    internal const string SentencePieceFormat = "mm1-sentencepiece-tokenizer";

    /// <summary>The formats and the keys that each has beside format and version.</summary>
    internal static Dictionary<string, string[]> KeysOf { get; } = new(StringComparer.Ordinal)
    {
        [WordFormat] = ["words"],
        [ByteFormat] = [],
        [TiktokenFormat] = ["pattern", "special", "ranks"],
        [SentencePieceFormat] = ["special", "model"],
    };

    public required string Format { get; init; }
    public int Version { get; init; } = 1;

    /// <summary>The words of a word tokenizer.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Words { get; init; }

    /// <summary>How text is cut, a name of <see cref="PreTokenizer"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Pattern { get; init; }

    /// <summary>Names of document end, padding and image placeholder.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Special { get; init; }

    /// <summary>The <c>.tiktoken</c> file (base64).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public byte[]? Ranks { get; init; }

    /// <summary>The SentencePiece <c>.model</c> file (base64).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public byte[]? Model { get; init; }

    /// <summary>The keys that are there.</summary>
    internal IEnumerable<string> Given() =>
        new (string Key, object? Value)[] { ("words", Words), ("pattern", Pattern), ("special", Special), ("ranks", Ranks), ("model", Model) }.Where(static one => one.Value is not null).Select(static one => one.Key);
}

/// <summary>The JSON of this library, generated at build time; an unknown key is an error.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(TokenizerDocument))]
[JsonSerializable(typeof(MixtureCursor))]
internal sealed partial class DataJson : JsonSerializerContext;
