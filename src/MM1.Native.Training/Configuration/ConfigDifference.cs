using System.Text.Json.Nodes;

namespace MM1.Native.Training;

/// <summary>
/// What may differ between a run and its continuation. Free to change: name, log, samples, checkpoints, evaluation, trace, recompute and capture (the same bits), how many batches are made ahead and by how many
/// workers, where the data folder, its cache and the tokenizer's file are (its content is compared), and from which outlier on and for how long the guard skips. Everything else alters the run: the schedule too, whose every step depends on its length.
/// </summary>
internal static class ConfigDifference
{
    private static readonly string[] Free =
        ["name", "log", "samples", "checkpoints", "evaluation", "trace", "recompute", "capture", "data.root", "data.cache", "data.tokenizer.path", "data.workers", "data.prefetch", "guard.zScore", "guard.maximumSkips"];

    /// <summary>Keys that differ and are not free, with both values.</summary>
    public static IReadOnlyList<string> Find(JsonObject before, JsonObject now)
    {
        SortedDictionary<string, string> old = Flatten(before), next = Flatten(now);
        var differences = new List<string>();
        foreach (string key in old.Keys.Union(next.Keys).Order(StringComparer.Ordinal))
        {
            if (Free.Any(free => key == free || key.StartsWith(free + ".", StringComparison.Ordinal))) continue;
            string was = old.GetValueOrDefault(key, "(absent)"), value = next.GetValueOrDefault(key, "(absent)");
            if (was != value) differences.Add($"{key} was {was} and is {value}");
        }
        return differences;
    }

    private static SortedDictionary<string, string> Flatten(JsonNode node)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Walk(node, "");
        return values;

        void Walk(JsonNode? at, string path)
        {
            switch (at)
            {
                case JsonObject { Count: > 0 } fields:
                    foreach ((string key, JsonNode? child) in fields) Walk(child, path.Length == 0 ? key : $"{path}.{key}");
                    break;
                case JsonArray { Count: > 0 } items:
                    for (int i = 0; i < items.Count; i++) Walk(items[i], $"{path}[{i}]");
                    break;
                default:
                    values[path] = at?.ToJsonString() ?? "null";
                    break;
            }
        }
    }
}
