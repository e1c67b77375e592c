using System.Text.Json;
using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>Tokenizers as JSON files, e.g. beside a checkpoint.</summary>
public static class TokenizerFile
{
    /// <summary>Reads the tokenizer that <see cref="ITokenizer.Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is no such JSON.</exception>
    public static ITokenizer Load(string path)
    {
        TokenizerDocument? document;
        try
        {
            document = JsonSerializer.Deserialize(File.ReadAllBytes(path), DataJson.Default.TokenizerDocument);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"'{path}' is no tokenizer file: {exception.Message}", exception);
        }
        if (document is null || document.Format != TokenizerDocument.WordFormat || document.Version != 1)
            throw new InvalidDataException($"'{path}' holds a tokenizer of format '{document?.Format}' version {document?.Version}; known is '{TokenizerDocument.WordFormat}' version 1");
        return new WordTokenizer(document.Words);
    }

    internal static void Save(string path, TokenizerDocument document) =>
        File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(document, DataJson.Default.TokenizerDocument));
}

/// <summary>What a tokenizer file holds.</summary>
internal sealed record TokenizerDocument
{
    internal const string WordFormat = "mm1-word-tokenizer";

    public string Format { get; init; } = WordFormat;
    public int Version { get; init; } = 1;
    public required IReadOnlyList<string> Words { get; init; }
}

/// <summary>The JSON of this library, generated at build time; an unknown key is an error.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(TokenizerDocument))]
[JsonSerializable(typeof(MixtureCursor))]
internal sealed partial class DataJson : JsonSerializerContext;
