using System.Buffers;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>One record of an annotation file: parsed, and able to say where it stands when something in it is wrong.</summary>
internal sealed class JsonRecord : IDisposable
{
    /// <summary>The cause under which records are counted that are not what their format says.</summary>
    internal const string Schema = "schema";

    private readonly JsonDocument _document;
    private readonly byte[]? _rented;

    private JsonRecord(JsonDocument document, byte[]? rented, string where)
    {
        (_document, _rented, Where) = (document, rented, where);
        Root = new JsonValue(document.RootElement, this, "");
    }

    /// <summary>File and place.</summary>
    internal string Where { get; }

    /// <summary>The record's value, an object.</summary>
    internal JsonValue Root { get; private init; }

    /// <summary>Its key where records are the members of an object, else an empty text.</summary>
    internal string Key { get; private init; } = "";

    /// <summary>Parses a record.</summary>
    /// <param name="bytes">Its bytes; they must stay as they are until it is disposed.</param>
    /// <param name="where">File and place, for messages.</param>
    /// <param name="rented">Goes back to the shared pool with the record.</param>
    /// <param name="isMember">The bytes are <c>{"key": record}</c>.</param>
    /// <exception cref="BadDocumentException">It is not JSON in UTF-8 ("json", "encoding"), or no object ("schema").</exception>
    internal static JsonRecord Parse(ReadOnlyMemory<byte> bytes, string where, byte[]? rented = null, bool isMember = false)
    {
        JsonDocument? document = null;
        try
        {
            StrictText.Check(bytes.Span, where);
            document = JsonDocument.Parse(bytes);
            JsonElement root = document.RootElement;
            string key = "";
            if (isMember)
            {
                JsonProperty member = root.EnumerateObject().First();
                (root, key) = (member.Value, Name(member, where));
            }
            if (root.ValueKind != JsonValueKind.Object) throw new BadDocumentException(Schema, $"{where}: the record is {Kind(root.ValueKind)}; an object is expected", where);
            var record = new JsonRecord(document, rented, where) { Key = key };
            return isMember ? new JsonRecord(document, rented, where) { Key = key, Root = new JsonValue(root, record, "") } : record;
        }
        catch (Exception error) when (error is JsonException or BadDocumentException)
        {
            document?.Dispose();
            if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
            if (error is BadDocumentException) throw;
            throw new BadDocumentException("json", $"{where}: not valid JSON: byte {((JsonException)error).BytePositionInLine ?? 0}: {Reason((JsonException)error)}", where);
        }
    }

    /// <summary>Gives the memory back; values of the record are not to be used afterwards.</summary>
    public void Dispose()
    {
        _document.Dispose();
        if (_rented is not null) ArrayPool<byte>.Shared.Return(_rented);
    }

    /// <summary>What the parser says, without the place that it adds.</summary>
    internal static string Reason(JsonException error)
    {
        string message = error.Message;
        int place = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (place < 0 ? message : message[..place]).TrimEnd(' ', '|', '.');
    }

    /// <summary>A kind of value in words.</summary>
    internal static string Kind(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Null => "null",
        _ => "empty",
    };

    private static string Name(JsonProperty member, string where)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            throw new BadDocumentException(Schema, $"{where}: the record's key is not valid Unicode", where);
        }
    }
}

/// <summary>A value in a record. What is not as expected is a <see cref="BadDocumentException"/> that names file, place and key.</summary>
internal readonly struct JsonValue(JsonElement element, JsonRecord record, string path)
{
    /// <summary>Whether it is null.</summary>
    internal bool IsNull => element.ValueKind == JsonValueKind.Null;

    /// <summary>Whether it is a list.</summary>
    internal bool IsList => element.ValueKind == JsonValueKind.Array;

    /// <summary>Whether it is a string.</summary>
    internal bool IsText => element.ValueKind == JsonValueKind.String;

    /// <summary>Whether it is an object.</summary>
    internal bool IsObject => element.ValueKind == JsonValueKind.Object;

    /// <summary>The value of a key, or null where it is not there or null.</summary>
    internal JsonValue? Find(string key)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Wrong("an object");
        try
        {
            return element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? new JsonValue(value, record, Under(key)) : null;
        }
        catch (InvalidOperationException) // a key beside it holds half of a surrogate pair
        {
            throw Bad("has a key that is not valid Unicode");
        }
    }

    /// <summary>The value of a key that must be there.</summary>
    internal JsonValue Get(string key, string expected) =>
        Find(key) ?? throw new BadDocumentException(JsonRecord.Schema, $"{record.Where}: key '{Under(key)}' is missing; {expected} is expected", record.Where);

    /// <summary>The text of a key that must be there.</summary>
    internal string Text(string key) => Get(key, "a string").Text();

    /// <summary>The elements of a list that must be there.</summary>
    internal JsonList List(string key) => Get(key, "a list").List();

    /// <summary>A name written as a string or as an integer.</summary>
    internal string Name(string key) => Get(key, "a string or an integer").Name();

    /// <summary>It as a text.</summary>
    internal string Text()
    {
        if (element.ValueKind != JsonValueKind.String) throw Wrong("a string");
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Bad("is not valid Unicode");
        }
    }

    /// <summary>It as a name: a string, or the digits of an integer.</summary>
    internal string Name() => element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out _) ? element.GetRawText()
        : element.ValueKind == JsonValueKind.String ? Text()
        : throw Wrong("a string or an integer");

    /// <summary>It as an integer in [0, limit).</summary>
    internal int Below(int limit, string what)
    {
        if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt64(out long value)) throw Wrong("an integer");
        return value >= 0 && value < limit ? (int)value : throw Bad($"is {value}; {what}");
    }

    /// <summary>It as a truth value.</summary>
    internal bool Flag() => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong("true or false"),
    };

    /// <summary>It as a list.</summary>
    internal JsonList List() => element.ValueKind == JsonValueKind.Array ? new JsonList(element, record, path) : throw Wrong("a list");

    /// <summary>An error about this value.</summary>
    internal BadDocumentException Bad(string what) => new(JsonRecord.Schema, $"{record.Where}: {(path.Length > 0 ? $"key '{path}'" : "the record")} {what}", record.Where);

    private BadDocumentException Wrong(string expected) => Bad($"is {JsonRecord.Kind(element.ValueKind)}; {expected} is expected");

    private string Under(string key) => path.Length == 0 ? key : $"{path}.{key}";
}

/// <summary>A list in a record.</summary>
internal readonly struct JsonList(JsonElement element, JsonRecord record, string path)
{
    /// <summary>Elements.</summary>
    internal int Count { get; } = element.GetArrayLength();

    /// <summary>The elements in order.</summary>
    internal IEnumerable<JsonValue> Items()
    {
        (JsonElement list, JsonRecord owner, string at) = (element, record, path);
        int index = 0;
        foreach (JsonElement item in list.EnumerateArray()) yield return new JsonValue(item, owner, $"{at}[{index++}]");
    }
}
