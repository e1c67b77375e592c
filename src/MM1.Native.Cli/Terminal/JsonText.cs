using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MM1.Native.Cli;

/// <summary>JSON of <c>--json</c>: one object, indented.</summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The object as text.</summary>
    public static string Of(JsonNode node)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Options)) node.WriteTo(writer);
        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>A list of texts.</summary>
    public static JsonArray Array(IEnumerable<string> values)
    {
        var array = new JsonArray();
        foreach (string value in values) array.Add((JsonNode?)JsonValue.Create(value));
        return array;
    }
}
