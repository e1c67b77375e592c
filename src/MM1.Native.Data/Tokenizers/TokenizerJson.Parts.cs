using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>The parts of the file around the model, and writing it.</summary>
internal sealed partial class TokenizerJson
{
    /// <summary>What <c>role</c> says of an added token: a key of ours, which other programs pass over.</summary>
    private static readonly string[] Roles = ["document_end", "padding", "image"];

    private const string NormalizerAdvice = "Normalise the texts beforehand and set \"normalizer\" to null, if its absence is meant";

    /// <summary>How text is cut before its bytes are merged; null where there is no byte-level pre-tokenizer.</summary>
    private PreTokenizer? ReadPreTokenizer(JsonElement? given)
    {
        if (given is not { } element) return null;
        switch (Kind(element))
        {
            case "ByteLevel": return ReadByteLevel(element) ? PreTokenizer.Gpt2 : throw Refused("pre_tokenizer: ByteLevel without use_regex needs a Split before it");
            case "Sequence":
                RequireKeys(element, "pre_tokenizer", "type", "pretokenizers");
                JsonElement list = Required(element, "pretokenizers", "pre_tokenizer");
                JsonElement[] steps = list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : throw Refused("pre_tokenizer.pretokenizers is no array");
                if (steps.Length == 1) return ReadPreTokenizer(steps[0]);
                if (steps is [var split, var bytes] && Kind(split) == "Split" && Kind(bytes) == "ByteLevel")
                {
                    PreTokenizer cut = ReadSplit(split);
                    return ReadByteLevel(bytes) ? throw Refused("pre_tokenizer: ByteLevel after Split must have use_regex false, or text is cut twice") : cut;
                }
                throw Refused($"the pre-tokenizer Sequence of {string.Join(", ", steps.Select(Kind))} is unknown; known are ByteLevel, and Sequence of Split, ByteLevel");
            default: throw Refused($"the pre-tokenizer {Kind(element)} is unknown; known are ByteLevel, Sequence of Split, ByteLevel, and none with byte fallback");
        }
    }

    /// <summary>Whether it cuts the text by GPT-2's expression.</summary>
    private bool ReadByteLevel(JsonElement element)
    {
        RequireKeys(element, "pre_tokenizer ByteLevel", "type", "add_prefix_space", "trim_offsets", "use_regex");
        if (Flag(element, "add_prefix_space", true)) throw Refused("the pre-tokenizer ByteLevel has add_prefix_space: texts would not decode to themselves");
        return Flag(element, "use_regex", true);
    }

    private PreTokenizer ReadSplit(JsonElement element)
    {
        RequireKeys(element, "pre_tokenizer Split", "type", "pattern", "behavior", "invert");
        JsonElement pattern = Required(element, "pattern", "pre_tokenizer Split");
        RequireKeys(pattern, "pre_tokenizer Split.pattern", "Regex", "String");
        string expression = Optional(pattern, "Regex") is { } regex ? Text(regex, "pattern.Regex") : throw Refused("the pre-tokenizer Split by a String is unknown; known are regular expressions");
        string behavior = Text(Required(element, "behavior", "pre_tokenizer Split"), "pre_tokenizer Split.behavior");
        bool isInverted = Flag(element, "invert", false);
        if ((behavior, isInverted) is not (("Isolated", false) or ("Removed", true)))
            throw Refused($"the pre-tokenizer Split with behavior '{behavior}' and invert {(isInverted ? "true" : "false")} is unknown; known are Isolated with false and Removed with true");
        return PreTokenizer.ForExpression(expression)
            ?? throw Refused($"the pre-tokenizer Split has an unknown regular expression, {expression}; known are those of {string.Join(", ", PreTokenizer.Names)}");
    }

    /// <summary>None, or Llama's: a <c>▁</c> put before the text, spaces to <c>▁</c>.</summary>
    private SentencePieceRules ReadNormalizer(JsonElement? given)
    {
        if (given is not { } element) return new SentencePieceRules(HasPrefix: false, EscapesSpaces: false, MatchesAfterNormalizing: false);
        JsonElement[] steps = [element];
        if (Kind(element) == "Sequence")
        {
            RequireKeys(element, "normalizer", "type", "normalizers");
            JsonElement list = Required(element, "normalizers", "normalizer");
            steps = list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : throw Refused("normalizer.normalizers is no array");
        }
        bool hasPrefix = steps.Length == 2 && IsPrepend(steps[0]);
        if (steps.Length is 1 or 2 && IsReplace(steps[^1], " ", Escape) && (hasPrefix || steps.Length == 1))
            return new SentencePieceRules(hasPrefix, EscapesSpaces: true, MatchesAfterNormalizing: false);
        throw Refused($"the normalizer {string.Join(", ", steps.Select(Kind))} is unknown; known are none, and Prepend '{Escape}' and Replace ' ' by '{Escape}'. {NormalizerAdvice}");
    }

    private bool IsPrepend(JsonElement element)
    {
        if (Kind(element) != "Prepend") return false;
        RequireKeys(element, "normalizer Prepend", "type", "prepend");
        return Text(Required(element, "prepend", "normalizer Prepend"), "prepend") == Escape;
    }

    private bool IsReplace(JsonElement element, string from, string to)
    {
        if (Kind(element) != "Replace") return false;
        RequireKeys(element, "Replace", "type", "pattern", "content");
        JsonElement pattern = Required(element, "pattern", "Replace");
        RequireKeys(pattern, "Replace.pattern", "String", "Regex");
        return Optional(pattern, "String") is { } text && Text(text, "Replace.pattern.String") == from && Text(Required(element, "content", "Replace"), "Replace.content") == to;
    }

    /// <summary>The decoder must be the opposite of the normalizer; a file may leave it out.</summary>
    private void CheckDecoder(JsonElement? given, SentencePieceRules rules)
    {
        if (given is not { } element) return;
        JsonElement[] steps = Kind(element) == "Sequence" && Required(element, "decoders", "decoder") is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray()] : [element];
        var expected = new List<string> { "ByteFallback", "Fuse" };
        if (rules.EscapesSpaces) expected.Insert(0, "Replace");
        if (rules.HasPrefix) expected.Add("Strip");
        bool isKnown = steps.Select(Kind).SequenceEqual(expected) && (!rules.EscapesSpaces || IsReplace(steps[0], Escape, " "));
        if (isKnown && rules.HasPrefix)
        {
            JsonElement strip = steps[^1];
            isKnown = Text(Required(strip, "content", "decoder Strip"), "content") == " " && Number(strip, "start") == 1 && Number(strip, "stop") == 0;
        }
        if (!isKnown) throw Refused($"the decoder {string.Join(", ", steps.Select(Kind))} does not undo the normalizer; expected {string.Join(", ", expected)}");
    }

    /// <summary>A template puts special tokens around texts, which the packing of documents does here; ByteLevel changes no ids.</summary>
    private void CheckPostProcessor(JsonElement? given)
    {
        if (given is not { } element) return;
        string kind = Kind(element);
        if (kind is "ByteLevel" or "TemplateProcessing") return;
        if (kind != "Sequence" || Required(element, "processors", "post_processor") is not { ValueKind: JsonValueKind.Array } steps)
            throw Refused($"the post-processor {kind} is unknown; known are ByteLevel, TemplateProcessing and Sequence of these");
        foreach (JsonElement step in steps.EnumerateArray()) CheckPostProcessor(step);
    }

    /// <summary>The file as it was read, with the special tokens and their roles among its added tokens; other programs read it as well.</summary>
    private static void Write(string path, ReadOnlyMemory<byte> content, SpecialTokens special, int count)
    {
        using JsonDocument document = JsonDocument.Parse(content);
        using FileStream stream = File.Create(path);
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        writer.WriteStartObject();
        bool isWritten = false;
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            // Where the file has no added tokens, ours go before the model, which comes last.
            if (!isWritten && property.Name is "added_tokens" or "model" && (property.Name != "model" || !document.RootElement.TryGetProperty("added_tokens", out _)))
            {
                WriteAdded(writer, property.Name == "added_tokens" ? property.Value : null, special, count);
                isWritten = true;
                if (property.Name == "added_tokens") continue;
            }
            property.WriteTo(writer);
        }
        writer.WriteEndObject();
    }

    private static void WriteAdded(Utf8JsonWriter writer, JsonElement? added, SpecialTokens special, int count)
    {
        int[] ids = [special.DocumentEnd, special.Padding, special.Image];
        writer.WriteStartArray("added_tokens");
        if (added is { } list)
        {
            foreach (JsonElement token in list.EnumerateArray())
            {
                writer.WriteStartObject();
                foreach (JsonProperty property in token.EnumerateObject())
                    if (property.Name != "role") property.WriteTo(writer);
                int role = Array.IndexOf(ids, token.GetProperty("id").GetInt32());
                if (role >= 0) writer.WriteString("role", Roles[role]);
                writer.WriteEndObject();
            }
        }
        for (int i = 0; i < special.Appended.Count; i++)
            WriteSpecial(writer, count + i, special.Appended[i], Roles[Array.IndexOf(ids, count + i)]);
        writer.WriteEndArray();
    }

    /// <summary>An added token that is special.</summary>
    internal static void WriteSpecial(Utf8JsonWriter writer, int id, string content, string? role)
    {
        writer.WriteStartObject();
        writer.WriteNumber("id", id);
        writer.WriteString("content", content);
        foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"]) writer.WriteBoolean(flag, false);
        writer.WriteBoolean("special", true);
        if (role is not null) writer.WriteString("role", role);
        writer.WriteEndObject();
    }

    private string Kind(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Refused($"{element.GetRawText()} stands where an object with a 'type' belongs");
        return Text(Required(element, "type", "an object"), "type");
    }

    private void RequireKeys(JsonElement element, string where, params ReadOnlySpan<string> known)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Refused($"{where} is no JSON object");
        foreach (JsonProperty property in element.EnumerateObject())
            if (!known.Contains(property.Name)) throw Refused($"{where} has the unknown key '{property.Name}'; known are {string.Join(", ", known.ToArray())}");
    }

    private void RequireNull(JsonElement element, string key, string why)
    {
        if (Optional(element, key) is not null) throw Refused($"'{key}' is set; {why}. Set it to null");
    }

    private JsonElement Required(JsonElement element, string key, string where) =>
        element.TryGetProperty(key, out JsonElement value) ? value : throw Refused($"{where} has no key '{key}'");

    private static JsonElement? Optional(JsonElement element, string key) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private string Text(JsonElement element, string what) => element.ValueKind == JsonValueKind.String ? element.GetString()! : throw Refused($"{what} is no string");

    private bool Flag(JsonElement element, string key, bool standard) => Optional(element, key) is not { } value ? standard
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Refused($"{key} is neither true nor false");

    private int Number(JsonElement element, string key) => Optional(element, key) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out int number) ? number : throw Refused($"{key} is no number");

    private int Id(JsonElement element, string token) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int id) && id >= 0 ? id : throw Refused($"the id of '{token}' is no number of 0 or more");
}
