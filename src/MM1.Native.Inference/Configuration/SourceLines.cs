using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace MM1.Native.Inference;

/// <summary>Remembers in which line of its file each key of a tree stood, so that errors found later can name it.</summary>
internal static class SourceLines
{
    private static readonly ConditionalWeakTable<JsonNode, Dictionary<string, int>> Lines = [];

    /// <summary>Says where a key of an object stood.</summary>
    public static void Set(JsonObject container, string key, int line) => Lines.GetOrCreateValue(container)[key] = line;

    /// <summary>Says where an element of a list stood.</summary>
    public static void Set(JsonArray container, int index, int line) => Lines.GetOrCreateValue(container)[Name(index)] = line;

    /// <summary>Where a key stood; 0 where that is not known.</summary>
    public static int Of(JsonNode container, string key) => Lines.TryGetValue(container, out Dictionary<string, int>? lines) ? lines.GetValueOrDefault(key) : 0;

    /// <summary>Where an element stood; 0 where that is not known.</summary>
    public static int Of(JsonArray container, int index) => Of(container, Name(index));

    /// <summary>A key does not come from the file any more.</summary>
    public static void Forget(JsonNode container, string key)
    {
        if (Lines.TryGetValue(container, out Dictionary<string, int>? lines)) lines.Remove(key);
    }

    /// <summary>A copy of a tree that knows its lines too.</summary>
    public static JsonNode? Clone(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject section:
                var copy = new JsonObject();
                foreach ((string key, JsonNode? value) in section)
                {
                    copy[key] = Clone(value);
                    Set(copy, key, Of(section, key));
                }
                return copy;
            case JsonArray list:
                var items = new JsonArray();
                for (int i = 0; i < list.Count; i++)
                {
                    items.Add(Clone(list[i]));
                    Set(items, i, Of(list, i));
                }
                return items;
            default:
                return node?.DeepClone();
        }
    }

    private static string Name(int index) => index.ToString(CultureInfo.InvariantCulture);
}
