using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MM1.Native.Cli;

/// <summary>A JSON tree as YAML: block style, short lists in one line. Reading it back gives the same tree.</summary>
internal static class YamlText
{
    /// <summary>The text, a line feed at its end.</summary>
    public static string Of(JsonObject root)
    {
        var text = new StringBuilder();
        Write(text, root, 0);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JsonObject section, int depth)
    {
        foreach ((string key, JsonNode? value) in section)
        {
            text.Append(' ', 2 * depth).Append(Scalar(key)).Append(':');
            switch (value)
            {
                case JsonObject { Count: > 0 } inner:
                    text.Append('\n');
                    Write(text, inner, depth + 1);
                    break;
                case JsonArray { Count: > 0 } list when list.Any(static item => item is JsonObject or JsonArray):
                    text.Append('\n');
                    foreach (JsonNode? item in list) text.Append(' ', 2 * depth + 2).Append("- ").Append(Flow(item)).Append('\n');
                    break;
                default:
                    text.Append(' ').Append(Flow(value)).Append('\n');
                    break;
            }
        }
    }

    /// <summary>A value in one line.</summary>
    private static string Flow(JsonNode? node) => node switch
    {
        null => "null",
        JsonObject section => section.Count == 0 ? "{}" : "{ " + string.Join(", ", section.Select(static pair => $"{Scalar(pair.Key)}: {Flow(pair.Value)}")) + " }",
        JsonArray list => "[" + string.Join(", ", list.Select(Flow)) + "]",
        _ when node.GetValueKind() == JsonValueKind.String => Scalar(node.GetValue<string>()),
        _ => node.ToJsonString(),
    };

    /// <summary>A text, quoted unless it is a plain word that can mean nothing else.</summary>
    private static string Scalar(string value)
    {
        bool plain = value.Length > 0 && char.IsAsciiLetter(value[0]) && value.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '/' or '.')
            && value.ToLower(CultureInfo.InvariantCulture) is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off" or "y" or "n");
        return plain ? value : '"' + JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(value) + '"';
    }
}
