using System.Text;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>
/// GPT-2's two files, <c>vocab.json</c> (or <c>encoder.json</c>) and beside it <c>merges.txt</c> (or <c>vocab.bpe</c>): made into a
/// <c>tokenizer.json</c>, which says the same in one file. A token of the vocabulary that no merge makes, such as
/// <c>&lt;|endoftext|&gt;</c>, is a special one.
/// </summary>
internal static class Gpt2Files
{
    private static readonly string[] MergeNames = ["merges.txt", "vocab.bpe"];

    /// <summary>Whether a JSON object is such a vocabulary: text to number throughout.</summary>
    public static bool IsVocabulary(JsonElement root)
    {
        bool any = false;
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Number) return false;
            any = true;
        }
        return any;
    }

    /// <summary>Whether a content is the file of merges, which alone is no tokenizer.</summary>
    public static bool AreMerges(ReadOnlySpan<byte> content) => content.StartsWith("#version: "u8);

    /// <summary>The bytes of a <c>tokenizer.json</c> of both files.</summary>
    /// <exception cref="InvalidDataException">The merges are not there, or a line of theirs is wrong.</exception>
    public static byte[] ToTokenizerJson(string path, JsonElement vocabulary)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string mergesPath = MergeNames.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new InvalidDataException($"'{path}' is a vocabulary; its merges must lie beside it as {string.Join(" or ", MergeNames)}");
        var merges = new List<string>();
        var made = new HashSet<string>(StringComparer.Ordinal);
        int number = 0;
        foreach (string line in File.ReadLines(mergesPath))
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal))) continue;
            if (line.Split(' ') is not [{ Length: > 0 } left, { Length: > 0 } right]) throw new InvalidDataException($"'{mergesPath}', line {number}: expected two pieces with a space between");
            merges.Add(line);
            made.Add(left + right);
        }
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("version", "1.0");
            writer.WriteStartArray("added_tokens");
            foreach (JsonProperty token in vocabulary.EnumerateObject())
            {
                bool isByte = token.Name.Length == 1 && ByteLetters.TryBytes(token.Name) is not null;
                if (!isByte && !made.Contains(token.Name) && token.Value.TryGetInt32(out int id)) TokenizerJson.WriteSpecial(writer, id, token.Name, role: null);
            }
            writer.WriteEndArray();
            WriteModel(writer, merges, writeVocabulary: vocabulary.WriteTo);
            writer.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <summary>The keys that follow the added tokens in a byte-level tokenizer that cuts as GPT-2 does.</summary>
    internal static void WriteModel(Utf8JsonWriter writer, IEnumerable<string> merges, Action<Utf8JsonWriter> writeVocabulary)
    {
        writer.WriteNull("normalizer");
        foreach (string part in (string[])["pre_tokenizer", "post_processor", "decoder"])
        {
            writer.WriteStartObject(part);
            writer.WriteString("type", "ByteLevel");
            writer.WriteBoolean("add_prefix_space", false);
            writer.WriteBoolean("trim_offsets", true);
            writer.WriteBoolean("use_regex", true);
            writer.WriteEndObject();
        }
        writer.WriteStartObject("model");
        writer.WriteString("type", "BPE");
        writer.WriteNull("dropout");
        writer.WriteNull("unk_token");
        writer.WriteNull("continuing_subword_prefix");
        writer.WriteNull("end_of_word_suffix");
        writer.WriteBoolean("fuse_unk", false);
        writer.WriteBoolean("byte_fallback", false);
        writer.WritePropertyName("vocab");
        writeVocabulary(writer);
        writer.WriteStartArray("merges");
        foreach (string merge in merges) writer.WriteStringValue(merge);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
