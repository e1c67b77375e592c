using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>Models in configuration files: <c>{ preset: tiny, vision: { layers: 4 } }</c> is the preset with values laid over it.</summary>
public static class Mm1ConfigReader
{
    private const string Preset = "preset";

    /// <summary>Reads a model's section.</summary>
    /// <param name="node">The section: a preset's name, values over it, or all values without a preset.</param>
    /// <param name="fileName">What errors call the file.</param>
    /// <param name="key">The section's dotted key in the file.</param>
    /// <param name="vocabulary">Rows of the token embedding where the section itself does not say; null for the preset's.</param>
    /// <exception cref="ConfigurationException">A key or a preset is unknown, a value is of the wrong type.</exception>
    public static Mm1Config FromNode(JsonObject node, string fileName, string key = "model", long? vocabulary = null)
    {
        ArgumentNullException.ThrowIfNull(node);
        JsonObject merged = [];
        if (node.TryGetPropertyValue(Preset, out JsonNode? given) && given is not null)
        {
            string name = given is JsonValue text && text.TryGetValue(out string? word) ? word : throw At($"is {StrictBinder.Describe(given)}; it must be the name of a preset: {string.Join(", ", Mm1Presets.Names)}");
            if (!Mm1Presets.Names.Contains(name)) throw At($"is '{name}', which is no preset; the nearest is '{NearestName.Find(name, Mm1Presets.Names)}' (there are {string.Join(", ", Mm1Presets.Names)})");
            merged = ToNode(Mm1Presets.Get(name));
        }
        if (vocabulary is { } rows)
        {
            if (merged["decoder"] is not JsonObject decoder) merged["decoder"] = decoder = [];
            decoder["vocabulary"] = rows;
        }
        var overrides = (JsonObject)SourceLines.Clone(node)!;
        overrides.Remove(Preset);
        StrictYaml.Merge(merged, overrides);
        return StrictYaml.Bind(merged, ModelsJson.Default.Mm1Config, fileName, key);

        ConfigurationException At(string what) => ConfigurationException.At(fileName, SourceLines.Of(node, Preset), DottedKey.Join(key, Preset), what);
    }

    /// <summary>A model's configuration with every value written out.</summary>
    public static JsonObject ToNode(Mm1Config config) => JsonSerializer.SerializeToNode(config, ModelsJson.Default.Mm1Config)!.AsObject();
}
