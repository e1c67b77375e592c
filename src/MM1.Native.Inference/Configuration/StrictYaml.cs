using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace MM1.Native.Inference;

/// <summary>
/// Configuration files: YAML to a JSON tree to records. Nothing is guessed and nothing is passed over: an unknown key, a wrong type, a missing or
/// a repeated key is a <see cref="ConfigurationException"/> that names file, line and key. JSON files are YAML and can be read as well.
/// </summary>
public static class StrictYaml
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="ConfigurationException">It cannot be read or is not a YAML mapping.</exception>
    public static JsonObject Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ConfigurationException($"{path}: there is no such file", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{path}: the file cannot be read: {exception.Message}", exception);
        }
        return Parse(text, path);
    }

    /// <summary>Reads a text.</summary>
    /// <param name="text">YAML, one document, a mapping.</param>
    /// <param name="fileName">What errors call it.</param>
    /// <exception cref="ConfigurationException">It is not a YAML mapping.</exception>
    public static JsonObject Parse(string text, string fileName)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(fileName);
        JsonNode? root = YamlReader.Read(text, fileName);
        return root as JsonObject
            ?? throw new ConfigurationException($"{fileName}: {(root is null ? "the file is empty" : $"the file holds {StrictBinder.Describe(root)}")}; it must hold keys with values (key: value)");
    }

    /// <summary>
    /// Makes a record of a tree, strictly. Keys that are not there keep the defaults of the record's initializers; of a section that is given in part, the
    /// rest comes from the default value that the outer record has for it. (System.Text.Json alone loses the initializers of init-only properties.)
    /// </summary>
    /// <param name="node">The tree; not changed.</param>
    /// <param name="type">The record's contract, from a source-generated context with camelCase keys; see <c>ModelsJson</c> for its settings.</param>
    /// <param name="fileName">What errors call the file.</param>
    /// <param name="key">The dotted key of the tree in the file, where it is a section of it.</param>
    /// <exception cref="ConfigurationException">A key is unknown, missing or of the wrong type, or the record refuses the values.</exception>
    public static T Bind<T>(JsonObject node, JsonTypeInfo<T> type, string fileName, string key = "")
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(type);
        return StrictBinder.Bind(node, type, fileName, key);
    }

    /// <summary>Sets one value, as <c>--set a.b=c</c> does: <c>model.decoder.layers</c>, <c>evaluation.final[0]</c>, <c>lrScale."encoder.*"</c>.</summary>
    /// <param name="root">The tree.</param>
    /// <param name="dottedKey">The key; sections on the way that are not there are made.</param>
    /// <param name="yamlValue">The value as YAML: <c>3</c>, <c>1e-3</c>, <c>null</c>, <c>"3"</c>, <c>[a, b]</c>, <c>{a: 1}</c>.</param>
    /// <exception cref="ConfigurationException">The key cannot be set or the value is not YAML.</exception>
    public static void Set(JsonObject root, string dottedKey, string yamlValue)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(dottedKey);
        ArgumentNullException.ThrowIfNull(yamlValue);
        List<string> parts = DottedKey.Split(dottedKey);
        JsonNode? value = YamlReader.Read(yamlValue, ConfigurationException.CommandLine + dottedKey);
        ForgetLines(value);
        JsonNode at = root;
        for (int i = 0; i + 1 < parts.Count; i++)
        {
            JsonNode? next = at is JsonArray list ? list[Index(list, parts[i], dottedKey)] : at[parts[i]];
            if (next is null)
            {
                next = new JsonObject();
                Put(at, parts[i], next, dottedKey);
            }
            else if (next is JsonValue) throw new ConfigurationException($"--set {dottedKey}: '{string.Join('.', parts.Take(i + 1))}' is {StrictBinder.Describe(next)}, not a section");
            at = next;
        }
        Put(at, parts[^1], value, dottedKey);
    }

    /// <summary>Lays a tree over another: sections are merged key by key, everything else replaces what was there.</summary>
    /// <param name="target">Changed.</param>
    /// <param name="overrides">Copied.</param>
    public static void Merge(JsonObject target, JsonObject overrides)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(overrides);
        foreach ((string key, JsonNode? value) in overrides)
        {
            if (value is JsonObject section && target[key] is JsonObject inner) Merge(inner, section);
            else target[key] = SourceLines.Clone(value);
            SourceLines.Set(target, key, SourceLines.Of(overrides, key));
        }
    }

    private static void Put(JsonNode container, string part, JsonNode? value, string dottedKey)
    {
        if (container is JsonArray list)
        {
            if (part == list.Count.ToString(CultureInfo.InvariantCulture)) list.Add(value);
            else list[Index(list, part, dottedKey)] = value;
        }
        else container.AsObject()[part] = value;
        SourceLines.Forget(container, part);
    }

    private static int Index(JsonArray list, string part, string dottedKey) =>
        int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index < list.Count ? index
            : throw new ConfigurationException($"--set {dottedKey}: '{part}' is no place in a list of {list.Count}");

    /// <summary>Lines of a value on the command line are not lines of the file.</summary>
    private static void ForgetLines(JsonNode? node)
    {
        if (node is JsonObject section)
        {
            foreach ((string key, JsonNode? value) in section)
            {
                SourceLines.Forget(section, key);
                ForgetLines(value);
            }
        }
        else if (node is JsonArray list)
        {
            for (int i = 0; i < list.Count; i++)
            {
                SourceLines.Forget(list, i.ToString(CultureInfo.InvariantCulture));
                ForgetLines(list[i]);
            }
        }
    }
}
