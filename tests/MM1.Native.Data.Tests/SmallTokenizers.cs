using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace MM1.Native.Data.Tests;

/// <summary>Small tokenizers of every kind, made here, and their files.</summary>
internal static class SmallTokenizers
{
    public const string Text = "The cat's hat isn't on the mat; the dog's log is 12345 x 678 long.\nShe sells sea shells, he'll sell ten thousand (10,000) shells!\n\n  \tNaïve café — déjà vu: 日本語 テキスト 日本語, 😀😀 𝐀𝐁 end.\r\nthe then they them there these\n";

    public static BytePairTokenizer Trained(int vocabulary = 360)
    {
        var trainer = new BytePairTrainer();
        trainer.Add(Text);
        return trainer.Train(vocabulary, minimumCount: 1);
    }

    public static string NewFolder() => Directory.CreateTempSubdirectory("mm1-tokenizers-").FullName;

    /// <summary>Writes a file into a folder of its own.</summary>
    public static string Write(string name, byte[] content)
    {
        string path = Path.Combine(NewFolder(), name);
        File.WriteAllBytes(path, content);
        return path;
    }

    public static byte[] Saved(ITokenizer tokenizer)
    {
        string path = Path.Combine(NewFolder(), "tokenizer.json");
        tokenizer.Save(path);
        return File.ReadAllBytes(path);
    }

    /// <summary>Reads a content as if it were a file.</summary>
    public static ITokenizer Read(byte[] content, TokenizerOptions? options = null) => TokenizerFile.Read("some.file", content, options ?? new TokenizerOptions());

    public static ITokenizer Read(JsonNode json) => Read(Encoding.UTF8.GetBytes(json.ToJsonString()));

    public static JsonNode TrainedJson(int vocabulary = 360) => JsonNode.Parse(Saved(Trained(vocabulary)))!;

    /// <summary>The ranks of a tokenizer.json as a .tiktoken file.</summary>
    public static byte[] Tiktoken(int vocabulary = 360)
    {
        BytePairTokenizer trained = Trained(vocabulary);
        var lines = new StringBuilder();
        for (int id = 0; !trained.IsSpecial(id); id++) lines.Append(Convert.ToBase64String(trained.Bytes(id))).Append(' ').Append(id).Append('\n');
        return Encoding.ASCII.GetBytes(lines.ToString());
    }

    /// <summary>Pieces as SentencePiece orders them: control, user-defined, bytes, merges by score, letters.</summary>
    public static List<(string Text, float Score, int Type)> Pieces { get; } = MakePieces();

    /// <summary>A SentencePiece model of the pieces.</summary>
    public static byte[] SentencePiece(IEnumerable<(string Text, float Score, int Type)>? pieces = null, int kind = 2, bool byteFallback = true, bool prefix = true, bool removesSpaces = false, byte[]? rules = null)
    {
        var model = new List<byte>();
        foreach ((string text, float score, int type) in pieces ?? Pieces)
        {
            var bits = new byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(bits, score);
            Field(model, 1, [.. Message(1, Encoding.UTF8.GetBytes(text)), 0x15, .. bits, 0x18, (byte)type]);
        }
        Field(model, 2, [0x18, (byte)kind, 0x98, 0x02, byteFallback ? (byte)1 : (byte)0]);
        Field(model, 3, [.. Message(1, "own"u8.ToArray()), .. Message(2, rules ?? []), 0x18, prefix ? (byte)1 : (byte)0, 0x20, removesSpaces ? (byte)1 : (byte)0]);
        return [.. model];
    }

    /// <summary>The same pieces as a tokenizer.json of Llama's kind.</summary>
    public static JsonObject LlamaJson()
    {
        var vocabulary = new JsonObject();
        for (int id = 0; id < Pieces.Count; id++) vocabulary[Pieces[id].Text] = id;
        var merges = new JsonArray();
        foreach ((string text, _, int type) in Pieces.OrderByDescending(static piece => piece.Score))
        {
            for (int cut = 1; type == 1 && cut < text.Length; cut++)
                if (vocabulary.ContainsKey(text[..cut]) && vocabulary.ContainsKey(text[cut..])) merges.Add((JsonNode)new JsonArray(text[..cut], text[cut..]));
        }
        var added = new JsonArray();
        for (int id = 0; id < 3; id++) added.Add((JsonNode)new JsonObject { ["id"] = id, ["content"] = Pieces[id].Text, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true });
        added.Add((JsonNode)new JsonObject { ["id"] = 3, ["content"] = "<n>", ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = false });
        return (JsonObject)JsonNode.Parse($$"""
            {
              "version": "1.0", "truncation": null, "padding": null, "added_tokens": {{added.ToJsonString()}},
              "normalizer": { "type": "Sequence", "normalizers": [ { "type": "Prepend", "prepend": "▁" }, { "type": "Replace", "pattern": { "String": " " }, "content": "▁" } ] },
              "pre_tokenizer": null,
              "post_processor": { "type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {} },
              "decoder": { "type": "Sequence", "decoders": [ { "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" }, { "type": "Strip", "content": " ", "start": 1, "stop": 0 } ] },
              "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": {{vocabulary.ToJsonString()}}, "merges": {{merges.ToJsonString()}} }
            }
            """)!;
    }

    private static List<(string, float, int)> MakePieces()
    {
        var pieces = new List<(string, float, int)> { ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("<n>", 0, 4) };
        for (int value = 0; value < 256; value++) pieces.Add(($"<0x{value:X2}>", 0, 6));
        string[] merged = ["▁t", "he", "▁the", "in", "▁s", "el", "ell", "▁▁", "▁sell", "sh", "s▁", "▁a", "at", "cat", "▁cat", "aa", "aaa", "ab", "aba", "日本", "re", "▁there", "th", "the"];
        for (int i = 0; i < merged.Length; i++) pieces.Add((merged[i], -i, 1));
        foreach (char letter in "▁abcdefghilnrstxé日\n<>") pieces.Add((letter.ToString(), -100 - pieces.Count, 1));
        return pieces;
    }

    private static void Field(List<byte> message, int field, byte[] content)
    {
        message.AddRange(Message(field, content));
    }

    private static byte[] Message(int field, byte[] content)
    {
        var bytes = new List<byte> { (byte)((field << 3) | 2) };
        int length = content.Length;
        for (; length >= 0x80; length >>= 7) bytes.Add((byte)(length | 0x80));
        bytes.Add((byte)length);
        bytes.AddRange(content);
        return [.. bytes];
    }
}
