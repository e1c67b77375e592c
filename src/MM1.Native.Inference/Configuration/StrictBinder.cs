using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using MM1.Native.Autograd;

namespace MM1.Native.Inference;

/// <summary>Trees to records: checks against the contract first, for good messages, then fills in defaults, then deserializes.</summary>
internal static class StrictBinder
{
    public static T Bind<T>(JsonObject node, JsonTypeInfo<T> type, string fileName, string key)
    {
        Check(node, type, fileName, key, 0);
        JsonObject complete = node.DeepClone().AsObject();
        Fill(complete, type, null);
        try
        {
            return complete.Deserialize(type) ?? throw ConfigurationException.At(fileName, 0, key, "holds nothing");
        }
        catch (JsonException exception)
        {
            string path = exception.Path is null or "$" ? key : DottedPath(key, exception.Path);
            throw ConfigurationException.At(fileName, 0, path, $"cannot be used: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidDataException)
        {
            throw ConfigurationException.At(fileName, 0, key, $"cannot be used: {exception.Message}", exception);
        }
    }

    /// <summary>What a value is, for a sentence: <c>the text "red"</c>.</summary>
    public static string Describe(JsonNode? node)
    {
        const int Longest = 60;
        if (node is null) return "null";
        if (node is JsonObject) return "a section";
        if (node is JsonArray) return "a list";
        string text = node.ToJsonString();
        if (text.Length > Longest) text = text[..Longest] + "...";
        return node.GetValueKind() switch
        {
            JsonValueKind.String => "the text " + text,
            JsonValueKind.Number => "the number " + text,
            _ => text,
        };
    }

    private static void Check(JsonNode? node, JsonTypeInfo type, string file, string key, int line)
    {
        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object:
                CheckSection(node as JsonObject ?? throw WrongType(node, type, file, key, line), type, file, key, line);
                break;
            case JsonTypeInfoKind.Enumerable:
                JsonArray list = node as JsonArray ?? throw WrongType(node, type, file, key, line);
                for (int i = 0; i < list.Count; i++) CheckElement(list[i], type, file, $"{key}[{i}]", Line(SourceLines.Of(list, i), line));
                break;
            case JsonTypeInfoKind.Dictionary:
                JsonObject entries = node as JsonObject ?? throw WrongType(node, type, file, key, line);
                foreach ((string name, JsonNode? value) in entries) CheckElement(value, type, file, DottedKey.Join(key, name), Line(SourceLines.Of(entries, name), line));
                break;
            default:
                CheckScalar(node, type, file, key, line);
                break;
        }
    }

    private static void CheckElement(JsonNode? node, JsonTypeInfo list, string file, string key, int line)
    {
        if (list.ElementType is not { } element) return;
        JsonTypeInfo type = list.Options.GetTypeInfo(element);
        if (node is null && Nullable.GetUnderlyingType(element) is not null) return;
        Check(node, type, file, key, line);
    }

    private static void CheckSection(JsonObject section, JsonTypeInfo type, string file, string key, int line)
    {
        foreach ((string name, JsonNode? value) in section)
        {
            string full = DottedKey.Join(key, name);
            int at = Line(SourceLines.Of(section, name), line);
            JsonPropertyInfo property = Find(type, name) ?? throw Unknown(type, name, file, full, at);
            if (value is null)
            {
                bool takesNull = property.IsSetNullable || Nullable.GetUnderlyingType(property.PropertyType) is not null;
                if (!takesNull) throw ConfigurationException.At(file, at, full, $"is null; it must be {Expected(type.Options.GetTypeInfo(property.PropertyType))}");
                continue;
            }
            if (property.CustomConverter is null) Check(value, type.Options.GetTypeInfo(property.PropertyType), file, full, at);
        }
        foreach (JsonPropertyInfo property in type.Properties)
        {
            if (property.IsRequired && !section.ContainsKey(property.Name))
                throw ConfigurationException.At(file, line, DottedKey.Join(key, property.Name), $"is missing; it must be {Expected(type.Options.GetTypeInfo(property.PropertyType))}");
        }
    }

    private static void CheckScalar(JsonNode? node, JsonTypeInfo type, string file, string key, int line)
    {
        try
        {
            if (node is null && type.Type.IsValueType && Nullable.GetUnderlyingType(type.Type) is null) throw WrongType(node, type, file, key, line);
            _ = node.Deserialize(type);
        }
        catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException or NotSupportedException)
        {
            throw WrongType(node, type, file, key, line, exception);
        }
    }

    private static JsonPropertyInfo? Find(JsonTypeInfo type, string name)
    {
        foreach (JsonPropertyInfo property in type.Properties)
        {
            if (property.Name == name && IsSettable(property)) return property;
        }
        return null;
    }

    /// <summary>Derived values such as <c>ResolvedHeadSize</c> are not configuration.</summary>
    private static bool IsSettable(JsonPropertyInfo property) => property.Set is not null || property.AssociatedParameter is not null;

    private static ConfigurationException Unknown(JsonTypeInfo type, string name, string file, string full, int line)
    {
        string[] known = [.. type.Properties.Where(IsSettable).Select(property => property.Name)];
        string meant = NearestName.Find(name, known) is { } nearest ? $"the nearest is '{nearest}' (there are {string.Join(", ", known)})" : "there are none here";
        return ConfigurationException.At(file, line, full, $"is not a known key; {meant}");
    }

    private static ConfigurationException WrongType(JsonNode? node, JsonTypeInfo type, string file, string key, int line, Exception? inner = null)
    {
        string what = $"is {Describe(node)}; it must be {Expected(type)}";
        Type plain = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        if (plain.IsEnum && node?.GetValueKind() == JsonValueKind.String && NearestName.Find(node.GetValue<string>(), EnumNames(plain, type.Options)) is { } nearest) what += $"; the nearest is '{nearest}'";
        else if (plain == typeof(string) && node is JsonValue) what += "; put it in quotes";
        return ConfigurationException.At(file, line, key, what, inner);
    }

    private static string Expected(JsonTypeInfo type)
    {
        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object: return $"a section with keys of {string.Join(", ", type.Properties.Where(IsSettable).Select(property => property.Name))}";
            case JsonTypeInfoKind.Enumerable: return $"a list, each element {(type.ElementType is { } element ? Expected(type.Options.GetTypeInfo(element)) : "a value")}";
            case JsonTypeInfoKind.Dictionary: return $"a section of names, each {(type.ElementType is { } value ? Expected(type.Options.GetTypeInfo(value)) : "a value")}";
        }
        Type plain = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        string name = plain.IsEnum ? "one of " + string.Join(", ", EnumNames(plain, type.Options)) : Type.GetTypeCode(plain) switch
        {
            TypeCode.Boolean => "true or false",
            TypeCode.SByte or TypeCode.Int16 or TypeCode.Int32 or TypeCode.Int64 => "a whole number",
            TypeCode.Byte or TypeCode.UInt16 or TypeCode.UInt32 or TypeCode.UInt64 => "a whole number, 0 or more",
            TypeCode.Single or TypeCode.Double or TypeCode.Decimal => "a number",
            TypeCode.String => "a text",
            _ => "a value of " + plain.Name,
        };
        return plain == type.Type ? name : name + ", or null";
    }

    /// <summary>The names as the contract writes them, which need not be the names of the code.</summary>
    private static IEnumerable<string> EnumNames(Type type, JsonSerializerOptions options)
    {
        foreach (object value in Enum.GetValuesAsUnderlyingType(type))
            yield return JsonSerializer.SerializeToNode(Enum.ToObject(type, value), options.GetTypeInfo(type))!.GetValue<string>();
    }

    /// <summary>Puts the defaults of the record's initializers where the tree says nothing.</summary>
    private static void Fill(JsonNode? node, JsonTypeInfo type, object? defaults)
    {
        if (node is JsonArray list && type.ElementType is { } element)
        {
            foreach (JsonNode? item in list) Fill(item, type.Options.GetTypeInfo(element), null);
        }
        else if (type.Kind == JsonTypeInfoKind.Dictionary && node is JsonObject entries && type.ElementType is { } value)
        {
            foreach ((_, JsonNode? item) in entries) Fill(item, type.Options.GetTypeInfo(value), null);
        }
        else if (type.Kind == JsonTypeInfoKind.Object && node is JsonObject section)
        {
            defaults ??= NewOrNull(type.Type);
            foreach (JsonPropertyInfo property in type.Properties)
            {
                if (!IsSettable(property)) continue;
                JsonTypeInfo inner = type.Options.GetTypeInfo(property.PropertyType);
                object? standard = defaults is null || property.Get is null ? null : property.Get(defaults);
                if (section.TryGetPropertyValue(property.Name, out JsonNode? given)) Fill(given, inner, standard?.GetType() == property.PropertyType ? standard : null);
                else if (defaults is not null) section[property.Name] = standard is null ? null : JsonSerializer.SerializeToNode(standard, inner);
            }
        }
    }

    /// <summary>A record with its defaults, required members unset; null for a type that is only made with arguments.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "The source-generated contract of the type calls this constructor, so it is kept.")]
    [UnconditionalSuppressMessage("Trimming", "IL2072", Justification = "The source-generated contract of the type calls this constructor, so it is kept.")]
    [UnconditionalSuppressMessage("Trimming", "IL2067", Justification = "The source-generated contract of the type calls this constructor, so it is kept.")]
    private static object? NewOrNull(Type type) => type.GetConstructor(BindingFlags.Instance | BindingFlags.Public, [])?.Invoke(null);

    private static string DottedPath(string key, string path) => key.Length == 0 ? path.TrimStart('$').TrimStart('.') : key + path.TrimStart('$');

    private static int Line(int line, int outer) => line > 0 ? line : outer;
}
