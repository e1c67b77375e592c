using System.Text.Json;
using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>Tokenizers as files, e.g. beside a checkpoint; what a file is, is told by its content.</summary>
public static class TokenizerFile
{
    /// <summary>Reads a tokenizer that <see cref="ITokenizer.Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is none, or is damaged; the message names the file and what is wrong.</exception>
    public static ITokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] content = File.ReadAllBytes(path);
        TokenizerDocument document;
        try
        {
            document = JsonSerializer.Deserialize(content, DataJson.Default.TokenizerDocument) ?? throw new JsonException("it is null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"'{path}' is no tokenizer file: {exception.Message}", exception);
        }
        if (document.Version != 1) throw new InvalidDataException($"'{path}' holds a tokenizer of version {document.Version}; known is version 1");
        return document.Format switch
        {
            TokenizerDocument.WordFormat => new WordTokenizer(document.Words ?? throw new InvalidDataException($"'{path}': the key 'words' is missing")),
            TokenizerDocument.ByteFormat => new ByteTokenizer(),
            _ => throw new InvalidDataException($"'{path}' holds a tokenizer of format '{document.Format}'; known are '{TokenizerDocument.WordFormat}' and '{TokenizerDocument.ByteFormat}'"),
        };
    }

    internal static void Save(string path, TokenizerDocument document) =>
        File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(document, DataJson.Default.TokenizerDocument));
}

/// <summary>What a tokenizer file of our own holds; which of the keys are there depends on the format.</summary>
internal sealed record TokenizerDocument
{
    internal const string WordFormat = "mm1-word-tokenizer";
    internal const string ByteFormat = "mm1-byte-tokenizer";

    public required string Format { get; init; }
    public int Version { get; init; } = 1;

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Words { get; init; }
}

/// <summary>The JSON of this library, generated at build time; an unknown key is an error.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(TokenizerDocument))]
[JsonSerializable(typeof(MixtureCursor))]
internal sealed partial class DataJson : JsonSerializerContext;
