using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>Members of JSON objects that strangers wrote. What is missing or of another kind is a <see cref="BadDocumentException"/> of cause "schema" that names document and key.</summary>
public static class JsonFields
{
    /// <summary>The first of some keys that the object has, with a value that is not null.</summary>
    public static bool TryFind(JsonElement item, ReadOnlySpan<string> keys, [NotNullWhen(true)] out string? key, out JsonElement value)
    {
        foreach (string candidate in keys)
        {
            if (!item.TryGetProperty(candidate, out value) || value.ValueKind == JsonValueKind.Null) continue;
            key = candidate;
            return true;
        }
        (key, value) = (null, default);
        return false;
    }

    /// <summary>A text under the first of some keys that is there.</summary>
    /// <exception cref="BadDocumentException">None is there, or it is no text.</exception>
    public static string Text(JsonElement item, string id, params ReadOnlySpan<string> keys)
    {
        if (!TryFind(item, keys, out string? key, out JsonElement value)) throw Schema(id, $"the key {Names(keys)} is missing");
        return AsText(value, id, $"'{key}'");
    }

    /// <summary>A value that must be a text.</summary>
    /// <param name="value">The value.</param>
    /// <param name="id">The document's name.</param>
    /// <param name="what">What the value is, in a message.</param>
    /// <exception cref="BadDocumentException">It is no text.</exception>
    public static string AsText(JsonElement value, string id, string what)
    {
        if (value.ValueKind != JsonValueKind.String) throw Schema(id, $"{what} is {Describe(value.ValueKind)}, not a text");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Schema(id, $"{what} holds half of a surrogate pair"); // "\ud800" alone is JSON and no text
        }
    }

    /// <summary>A list under a key.</summary>
    /// <exception cref="BadDocumentException">It is not there, or no list.</exception>
    public static JsonElement List(JsonElement item, string id, string key)
    {
        if (!item.TryGetProperty(key, out JsonElement value)) throw Schema(id, $"the key '{key}' is missing");
        if (value.ValueKind != JsonValueKind.Array) throw Schema(id, $"'{key}' is {Describe(value.ValueKind)}, not a list");
        return value;
    }

    /// <summary>
    /// Whether an exception of System.Text.Json is about the text: besides <see cref="JsonException"/> it throws <see cref="InvalidOperationException"/> when it looks for a key and
    /// meets one that holds half of a surrogate pair.
    /// </summary>
    internal static bool IsNoJson(Exception exception) => exception is JsonException or InvalidOperationException;

    /// <summary>A kind of JSON in words.</summary>
    public static string Describe(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        _ => "null",
    };

    /// <summary>An error about the members of a document.</summary>
    public static BadDocumentException Schema(string id, string what) => new("schema", $"{id}: {what}", id);

    private static string Names(ReadOnlySpan<string> keys) => string.Join(" or ", keys.ToArray().Select(static key => $"'{key}'"));
}
