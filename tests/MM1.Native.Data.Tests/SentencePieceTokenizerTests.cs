using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;
using TestData = MM1.Native.TestSupport.TestData;

namespace MM1.Native.Data.Tests;

/// <summary>SentencePiece models: Mistral's and AXLearn's, and small ones made here.</summary>
public sealed class SentencePieceTokenizerTests
{
    private const string Mistral = "tokenizers/mistral/tokenizer.model.v1", Axlearn = "tokenizers/axlearn/bpe_32k_c4.model";

    private static SentencePieceTokenizer Shared(string name)
    {
        string? path = TestData.TryPath(name);
        Assert.SkipWhen(path is null, TestData.Missing(name));
        return (SentencePieceTokenizer)TokenizerFile.Load(path!);
    }

    private static Microsoft.ML.Tokenizers.SentencePieceTokenizer Other(Stream model) => Microsoft.ML.Tokenizers.SentencePieceTokenizer.Create(model, addBeginningOfSentence: false, addEndOfSentence: false);

    [Fact]
    public void MistralGivesThePublishedIdsOfAChat()
    {
        SentencePieceTokenizer tokenizer = Shared(Mistral);
        string folder = TestData.TryPath("tokenizers/mistral/samples")!;
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "no_tools.tokens_v1.json")));
        // The sample's text shows pieces: turns end with </s>, and each turn was encoded as a text of its own.
        string text = File.ReadAllText(Path.Combine(folder, "no_tools.text_v1.txt"));
        List<int> ids = [1];
        Assert.StartsWith("<s>", text, StringComparison.Ordinal);
        string[] turns = text.Replace("<s>", "", StringComparison.Ordinal).Split("</s>");
        for (int i = 0; i < turns.Length; i++)
        {
            tokenizer.Encode(turns[i].Replace('▁', ' ').AsSpan(1), ids);
            if (i + 1 < turns.Length) ids.Add(tokenizer.DocumentEndId);
        }
        Assert.Equal(expected.RootElement.GetProperty("tokens").EnumerateArray().Select(static id => id.GetInt32()), ids);
        Assert.Equal((2, 32000, 32001, 32002, 13), (tokenizer.DocumentEndId, tokenizer.PaddingId, tokenizer.ImageId, tokenizer.VocabularySize, tokenizer.NewlineId));
    }

    [Fact]
    public void AxlearnListsAsItsVocabulary()
    {
        SentencePieceTokenizer tokenizer = Shared(Axlearn);
        string listing = File.ReadAllText(TestData.TryPath("tokenizers/axlearn/bpe_32k_c4.vocab")!);
        SentencePieceModel model = SentencePieceModel.Parse(Axlearn, File.ReadAllBytes(TestData.TryPath(Axlearn)!));
        Assert.Equal(32000, model.Pieces.Count);
        // Pieces may hold line feeds, so that the listing is not one line each.
        Assert.Equal(listing, string.Concat(model.Pieces.Select(static piece => $"{piece.Text}\t{(piece.Score == 0 && float.IsNegative(piece.Score) ? "-0" : piece.Score.ToString("0.######", CultureInfo.InvariantCulture))}\n")));
        // Its own end and padding are taken; the image placeholder is appended; <n> is found in text.
        Assert.Equal((1, 0, 32000, 32001), (tokenizer.DocumentEndId, tokenizer.PaddingId, tokenizer.ImageId, tokenizer.VocabularySize));
        Assert.Contains(4, tokenizer.Encode("one<n>two"));
        Assert.Equal("one<n>two</s><pad>\n", tokenizer.Decode(tokenizer.Encode("one<n>two</s><pad>\n")));
        for (int id = 261; id < 32000; id++) Assert.Equal(model.Pieces[id].Text.Replace("\n", "\\n", StringComparison.Ordinal), tokenizer.Describe(id));
    }

    [Theory]
    [InlineData(Mistral)]
    [InlineData(Axlearn)]
    public void AnotherLibraryGivesTheSameIdsOfRealText(string name)
    {
        SentencePieceTokenizer tokenizer = Shared(name);
        using Stream model = File.OpenRead(TestData.TryPath(name)!);
        Microsoft.ML.Tokenizers.SentencePieceTokenizer other = Other(model);
        foreach (string file in new[] { "text/tinyshakespeare.txt", "text/wikitext2-valid.txt" })
        {
            string text = File.ReadAllText(TestData.TryPath(file)!).Substring(0, 60_000).Replace("<n>", "", StringComparison.Ordinal);
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(other.EncodeToIds(text, addBeginningOfSentence: false, addEndOfSentence: false), ids);
            Assert.Equal(text, tokenizer.Decode(ids));
        }
        foreach (string text in new[] { "", " ", "a", "日本語😀𝐀", "<s></s>", "\n\n", " a b ", "<0x41>" })
            Assert.Equal(other.EncodeToIds(text, addBeginningOfSentence: false, addEndOfSentence: false), tokenizer.Encode(text));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void MergingIsThatOfTheDefinition(bool crossing)
    {
        // With "s▁" merges cross words, without it words are encoded one by one.
        List<(string Text, float Score, int Type)> pieces = [.. SmallTokenizers.Pieces.Where(piece => crossing || piece.Text != "s▁")];
        ITokenizer tokenizer = SmallTokenizers.Read(SmallTokenizers.SentencePiece(pieces));
        var random = new Random(8);
        string[] parts = ["the", "there", " sells", "shell", " ", "  ", "cat", "a", "ab", "aba", "日本", "本", "é", "z", "\n", "😀", "s ", "<s>", "</s>"];
        for (int i = 0; i < 1500; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(16)).Select(_ => parts[random.Next(parts.Length)]));
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(Naive(text, pieces), ids);
            Assert.Equal(text, tokenizer.Decode(ids));
        }
    }

    /// <summary>The best pair of all, the leftmost of equals, until none is a piece; what is no piece then is bytes.</summary>
    private static int[] Naive(string text, List<(string Text, float Score, int Type)> pieces)
    {
        if (text.Length == 0) return [];
        List<string> symbols = [.. ('▁' + text.Replace(' ', '▁')).EnumerateRunes().Select(static rune => rune.ToString())];
        Dictionary<string, (int Id, float Score)> known = pieces.Index().Where(static piece => piece.Item.Type == 1).ToDictionary(static piece => piece.Item.Text, static piece => (piece.Index, piece.Item.Score));
        while (true)
        {
            int best = -1;
            for (int i = 0; i + 1 < symbols.Count; i++)
                if (known.TryGetValue(symbols[i] + symbols[i + 1], out (int Id, float Score) piece) && (best < 0 || piece.Score > known[symbols[best] + symbols[best + 1]].Score)) best = i;
            if (best < 0) break;
            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }
        return [.. symbols.SelectMany(symbol => known.TryGetValue(symbol, out (int Id, float Score) piece) ? [piece.Id] : System.Text.Encoding.UTF8.GetBytes(symbol).Select(static one => 4 + one))];
    }

    [Fact]
    public void ATokenizerJsonOfLlamasKindGivesTheSameIds()
    {
        ITokenizer model = SmallTokenizers.Read(SmallTokenizers.SentencePiece()), json = SmallTokenizers.Read(SmallTokenizers.LlamaJson());
        Assert.IsType<SentencePieceTokenizer>(json);
        Assert.Equal((2, model.PaddingId, model.ImageId, model.VocabularySize, model.NewlineId), (json.DocumentEndId, json.PaddingId, json.ImageId, json.VocabularySize, json.NewlineId));
        foreach (string text in new[] { "", " ", "the there sells aaaa abab", "\uD800z 😀 é日 ▁ <s>", "  x  \n", new string('a', 200) + " " + new string('b', 100) })
        {
            Assert.Equal(model.Encode(text), json.Encode(text));
            Assert.Equal(model.Decode(model.Encode(text)), json.Decode(json.Encode(text)));
        }
        // Hugging Face looks for added tokens before it normalises, and normalises what is between each for itself.
        Assert.Equal([.. model.Encode("the"), 3, .. model.Encode("cat")], json.Encode("the<n>cat"));
        Assert.NotEqual(model.Encode("the<n>cat"), json.Encode("the<n>cat"));
    }

    [Fact]
    public void WhatIsLostIsWhatIsDocumented()
    {
        ITokenizer tokenizer = SmallTokenizers.Read(SmallTokenizers.SentencePiece()), bare = SmallTokenizers.Read(SmallTokenizers.SentencePiece(prefix: false));
        foreach (string text in new[] { "\uD800a\uDC00", "a<n>b", " a", "", "\0\r\n\t", "<image></s><pad><unk><s>" })
        {
            foreach (ITokenizer one in new[] { tokenizer, bare })
            {
                int[] ids = one.Encode(text);
                Assert.Equal(text, one.Decode(ids));
                Assert.DoesNotContain(ids, id => ((SentencePieceTokenizer)one).IsSpecial(id));
            }
        }
        Assert.Equal("a b", tokenizer.Decode(tokenizer.Encode("a▁b")));
        Assert.Equal("a b", tokenizer.Decode([.. tokenizer.Encode("a"), tokenizer.ImageId, .. tokenizer.Encode("b")]));
        Assert.Equal("ab", bare.Decode([.. bare.Encode("a"), bare.ImageId, .. bare.Encode("b")]));
    }

    [Fact]
    public void APieceOfTheUserCanBeTheImagesAndIsThenNotFoundInText()
    {
        byte[] model = SmallTokenizers.SentencePiece();
        ITokenizer tokenizer = SmallTokenizers.Read(model, new TokenizerOptions { Image = ["<n>"], DocumentEnd = ["</s>"], Padding = ["<fill>"] });
        Assert.Equal((3, 2, SmallTokenizers.Pieces.Count), (tokenizer.ImageId, tokenizer.DocumentEndId, tokenizer.PaddingId));
        Assert.DoesNotContain(3, tokenizer.Encode("a<n>b"));
        Assert.Equal("a<n>b", tokenizer.Decode(tokenizer.Encode("a<n>b")));
        ITokenizer again = SmallTokenizers.Read(SmallTokenizers.Saved(tokenizer));
        Assert.Equal((3, "<fill>"), (again.ImageId, again.Describe(again.PaddingId)));
    }

    [Fact]
    public void ModelsThatCannotBeReadExactlyAreRefused()
    {
        Refused("unigram", SmallTokenizers.SentencePiece(kind: 1));
        Refused("byte fallback", SmallTokenizers.SentencePiece(byteFallback: false));
        Refused("remove_extra_whitespaces", SmallTokenizers.SentencePiece(removesSpaces: true));
        Refused("normalises text by the rule 'own'", SmallTokenizers.SentencePiece(rules: [1, 2, 3]));
        Refused("'cat', is there twice", SmallTokenizers.SentencePiece(SmallTokenizers.Pieces.Append(("cat", -1, 1))));
        Refused("UNUSED", SmallTokenizers.SentencePiece(SmallTokenizers.Pieces.Append(("dog", -1, 5))));
        Refused("unknown type 9", SmallTokenizers.SentencePiece(SmallTokenizers.Pieces.Append(("dog", -1, 9))));
        Refused("is NaN", SmallTokenizers.SentencePiece(SmallTokenizers.Pieces.Append(("dog", float.NaN, 1))));
        Refused("<0x41>", SmallTokenizers.SentencePiece(SmallTokenizers.Pieces.Where(static piece => piece.Text != "<0x41>")));
        Refused("no piece '▁'", SmallTokenizers.SentencePiece(SmallTokenizers.Pieces.Where(static piece => piece.Text != "▁")));
        byte[] whole = SmallTokenizers.SentencePiece();
        Refused("cut off", whole[..(whole.Length / 2)]);
        Refused("cut off", whole[..20]);

        static void Refused(string expected, byte[] content)
        {
            string message = Assert.Throws<InvalidDataException>(() => SmallTokenizers.Read(content)).Message;
            Assert.Contains("'some.file'", message, StringComparison.Ordinal);
            Assert.Contains(expected, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void OtherNormalizersAndDecodersOfLlamasKindAreRefused()
    {
        Refused("NFKC", static json => json["normalizer"]!["normalizers"]!.AsArray().Add((JsonNode)new JsonObject { ["type"] = "NFKC" }));
        Refused("Lowercase", static json => json["normalizer"] = new JsonObject { ["type"] = "Lowercase" });
        Refused("Prepend", static json => json["normalizer"]!["normalizers"]![0]!["prepend"] = "_");
        Refused("WordPiece", static json => json["decoder"] = new JsonObject { ["type"] = "WordPiece" });
        Refused("Strip", static json => json["decoder"]!["decoders"]![3]!["start"] = 2);
        Refused("byte_fallback", static json => json["model"]!["byte_fallback"] = false);
        Refused("ignore_merges", static json => json["model"]!["ignore_merges"] = true);
        Refused("Metaspace", static json => json["pre_tokenizer"] = new JsonObject { ["type"] = "Metaspace" });
        Refused("'normalized'", static json => json["added_tokens"]![3]!["normalized"] = true);
        Refused("RobertaProcessing", static json => json["post_processor"] = new JsonObject { ["type"] = "RobertaProcessing" });
        Refused("<0xFF>", static json =>
        {
            json["model"]!["vocab"]!.AsObject().Remove("<0xFF>");
            json["model"]!["vocab"]!["other"] = 259;
        });

        static void Refused(string expected, Action<JsonObject> change)
        {
            JsonObject json = SmallTokenizers.LlamaJson();
            change(json);
            Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => SmallTokenizers.Read(json)).Message, StringComparison.Ordinal);
        }
    }
}
