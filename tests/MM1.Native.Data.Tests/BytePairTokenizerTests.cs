using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Microsoft.ML.Tokenizers;
using Xunit;
using TestData = MM1.Native.TestSupport.TestData;

namespace MM1.Native.Data.Tests;

/// <summary>Byte-level BPE: published ids, every string there and back, a second opinion.</summary>
public sealed class BytePairTokenizerTests
{
    private static readonly BytePairTokenizer Small = SmallTokenizers.Trained();
    private static readonly ITokenizer SmallTiktoken = SmallTokenizers.Read(SmallTokenizers.Tiktoken(), new TokenizerOptions { Pattern = "cl100k" });
    private static readonly Lazy<BytePairTokenizer?> Gpt2 = new(static () => TestData.TryPath("tokenizers/gpt2/gpt2.tiktoken") is { } path ? (BytePairTokenizer)TokenizerFile.Load(path) : null);

    private static BytePairTokenizer RequireGpt2()
    {
        Assert.SkipWhen(Gpt2.Value is null, TestData.Missing("tokenizers/gpt2/gpt2.tiktoken"));
        return Gpt2.Value!;
    }

    private static string Shared(string name) => TestData.TryPath(name) ?? throw new FileNotFoundException(TestData.Missing(name));

    [Fact]
    public void Gpt2GivesThePublishedIdsOfASourceFile()
    {
        BytePairTokenizer gpt2 = RequireGpt2();
        int[] expected = JsonSerializer.Deserialize<int[]>(File.ReadAllText(Shared("tokenizers/gpt2/tokens_gpt2.json")))!;
        Assert.Equal(11378, expected.Length);
        Assert.Equal(expected, gpt2.Encode(File.ReadAllText(Shared("tokenizers/gpt2/lib.rs.txt"))));
        Assert.Equal((50256, 50259, 198), (gpt2.DocumentEndId, gpt2.VocabularySize, gpt2.NewlineId));
    }

    [Fact]
    public void Gpt2GivesTheIdsOfTrickyStrings()
    {
        BytePairTokenizer gpt2 = RequireGpt2();
        using var cases = JsonDocument.Parse(File.ReadAllBytes(Shared("tokenizers/gpt2/llamacpp_gpt2_cases.json")));
        int count = 0;
        foreach (JsonElement one in cases.RootElement.EnumerateArray())
        {
            string text = one.GetProperty("text").GetString()!;
            int[] ids = gpt2.Encode(text);
            Assert.Equal(one.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32()), ids);
            Assert.Equal(text, gpt2.Decode(ids));
            count++;
        }
        Assert.Equal(46, count);
    }

    [Fact]
    public void Gpt2GivesTheIdsOfWholeCorpora()
    {
        BytePairTokenizer gpt2 = RequireGpt2();
        using var counts = JsonDocument.Parse(File.ReadAllBytes(Shared("tokenizers/gpt2/corpus_token_counts.json")));
        string shakespeare = File.ReadAllText(Shared("text/tinyshakespeare.txt"));
        int cut = shakespeare.Length * 9 / 10;
        Check("tinyshakespeare_first90pct_chars", shakespeare[..cut]);
        Check("tinyshakespeare_last10pct_chars", shakespeare[cut..]);
        Check("wikitext2-valid", File.ReadAllText(Shared("text/wikitext2-valid.txt")));

        void Check(string name, string text)
        {
            int[] ids = gpt2.Encode(text);
            JsonElement expected = counts.RootElement.GetProperty(name);
            var bytes = new byte[4 * ids.Length];
            for (int i = 0; i < ids.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4 * i), ids[i]);
            Assert.Equal(expected.GetProperty("tokens").GetInt32(), ids.Length);
            Assert.Equal(expected.GetProperty("sha256").GetString(), Convert.ToHexStringLower(SHA256.HashData(bytes)));
            Assert.Equal(text, gpt2.Decode(ids));
        }
    }

    [Fact]
    public void Gpt2ComesBackFromItsOwnFileAndFromGpt2sFiles()
    {
        BytePairTokenizer gpt2 = RequireGpt2();
        string text = File.ReadAllText(Shared("tokenizers/gpt2/lib.rs.txt")) + "\uD800 <|endoftext|> \uDC00";
        int[] ids = gpt2.Encode(text);
        Assert.Equal(ids, SmallTokenizers.Read(SmallTokenizers.Saved(gpt2)).Encode(text));

        // vocab.json and merges.txt of the same ranks: a token's merge is of the two parts that its bytes come to without it.
        string folder = SmallTokenizers.NewFolder();
        using (FileStream stream = File.Create(Path.Combine(folder, "vocab.json")))
        using (var vocabulary = new Utf8JsonWriter(stream))
        {
            vocabulary.WriteStartObject();
            for (int id = 0; id < 50256; id++) vocabulary.WriteNumber(ByteLetters.Of(gpt2.Bytes(id)), id);
            vocabulary.WriteNumber("<|endoftext|>", 50256);
            vocabulary.WriteEndObject();
        }
        var rankOf = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < 50256; id++) rankOf.Add(ByteLetters.Of(gpt2.Bytes(id)), id);
        var merges = new List<string> { "#version: 0.2" };
        foreach ((string token, int rank) in rankOf.Where(static token => token.Key.Length > 1).OrderBy(static token => token.Value))
            merges.Add(string.Join(' ', NaiveMerge([.. token.Select(static letter => letter.ToString())], (left, right) => rankOf.TryGetValue(left + right, out int found) && found < rank ? found : int.MaxValue)));
        File.WriteAllLines(Path.Combine(folder, "merges.txt"), merges);
        var files = (BytePairTokenizer)TokenizerFile.Load(Path.Combine(folder, "vocab.json"));
        Assert.Equal((50256, 50259), (files.DocumentEndId, files.VocabularySize));
        Assert.Equal(ids, files.Encode(text));
        Assert.Contains("vocab.json", Assert.Throws<InvalidDataException>(() => TokenizerFile.Load(Path.Combine(folder, "merges.txt"))).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(folder, "merges.txt"));
        Assert.Contains("merges.txt", Assert.Throws<InvalidDataException>(() => TokenizerFile.Load(Path.Combine(folder, "vocab.json"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnotherLibraryGivesTheSameIds()
    {
        BytePairTokenizer gpt2 = RequireGpt2();
        using Stream ranks = File.OpenRead(Shared("tokenizers/gpt2/gpt2.tiktoken"));
        var expression = new System.Text.RegularExpressions.Regex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+");
        TiktokenTokenizer other = TiktokenTokenizer.Create(ranks, new RegexPreTokenizer(expression, null), null);
        var random = new Random(5);
        string[] parts = ["the", " The", "'s", "'LL", "12", "\n", "\n\n", " ", "   ", "\t", "é", "日本", "ß", "😀", "!?", "--", "\u00A0", "\u200B", "xyzzy", "½", "\u0301", "Ⅷ", "a\r\n", "______", "                "];
        for (int i = 0; i < 2000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => parts[random.Next(parts.Length)]));
            Assert.Equal(other.EncodeToIds(text, considerPreTokenization: true, considerNormalization: false), gpt2.Encode(text));
        }
    }

    [Property(MaxTest = 1000)]
    public void AnyUnitsOfUtf16RoundTrip(ushort[] units)
    {
        string text = new([.. units.Select(static unit => (char)unit)]);
        RoundTrips(text);
        RoundTrips(text + "ab" + text);
    }

    [Property(MaxTest = 1000)]
    public Property MixturesRoundTrip()
    {
        string[] parts = ["the", " the", "The", "'s", "'S", "12", " ", "  ", "\n", "\r\n", "\t", ".", "é", "日本", "\uD800", "\uDC00", "\uD83D\uDE00", "𝐀", "<image>", "<|endoftext|>", "\0", "\uFEFF", "\uFFFD", "▁"];
        return Prop.ForAll(Gen.Elements(parts).ListOf().ToArbitrary(), list => RoundTrips(string.Concat(list)));
    }

    private static void RoundTrips(string text)
    {
        foreach (ITokenizer tokenizer in new ITokenizer[] { Small, SmallTiktoken, new ByteTokenizer() })
        {
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(text, tokenizer.Decode(ids));
            Assert.DoesNotContain(tokenizer.ImageId, ids);
            Assert.DoesNotContain(tokenizer.DocumentEndId, ids);
            Assert.DoesNotContain(tokenizer.PaddingId, ids);
        }
    }

    [Property(MaxTest = 300)]
    public void AnyTokensDecode(int[] tokens)
    {
        foreach (ITokenizer tokenizer in new ITokenizer[] { Small, SmallTiktoken, new ByteTokenizer() })
        {
            string text = tokenizer.Decode([.. tokens.Select(token => (int)((uint)token % (uint)tokenizer.VocabularySize))]);
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        }
    }

    [Fact]
    public void MergingIsThatOfTheDefinition()
    {
        // Words short and long (scanned, and by the heap), of few letters so that pairs overlap.
        var json = SmallTokenizers.TrainedJson();
        var rankOf = new Dictionary<(string, string), int>();
        foreach (var merge in json["model"]!["merges"]!.AsArray())
        {
            string[] pair = merge!.GetValue<string>().Split(' ');
            rankOf.Add((pair[0], pair[1]), rankOf.Count);
        }
        var random = new Random(3);
        foreach (string letters in new[] { "she", "the", "sel", "日本語", "th" })
        {
            for (int length = 1; length < 90; length += random.Next(1, 4))
            {
                string word = string.Concat(Enumerable.Range(0, length).Select(_ => letters[random.Next(letters.Length)]));
                List<string> pieces = NaiveMerge([.. Encoding.UTF8.GetBytes(word).Select(static one => ByteLetters.Of(one).ToString())], (left, right) => rankOf.GetValueOrDefault((left, right), int.MaxValue));
                Assert.Equal(pieces, Small.Encode(word).Select(id => ByteLetters.Of(Small.Bytes(id))));
            }
        }
    }

    private static List<string> NaiveMerge(List<string> symbols, Func<string, string, int> rank)
    {
        while (symbols.Count > 1)
        {
            (int at, int lowest) = Enumerable.Range(0, symbols.Count - 1).Select(i => (i, rank(symbols[i], symbols[i + 1]))).MinBy(static pair => pair.Item2);
            if (lowest == int.MaxValue) break;
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
        return symbols;
    }

    [Fact]
    public void AWordOfAMillionLettersIsEncodedAtOnce()
    {
        string text = new string('s', 500_000) + string.Concat(Enumerable.Repeat("she", 200_000));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(text, Small.Decode(Small.Encode(text)));
        Assert.True(watch.Elapsed.TotalSeconds < 20, $"took {watch.Elapsed}");
    }

    [Fact]
    public void SeveralThreadsShareATokenizer()
    {
        BytePairTokenizer tokenizer = SmallTokenizers.Trained();
        string[] words = [.. Enumerable.Range(0, 20_000).Select(static i => $" w{i % 7000}the{i % 13}")];
        int[][] expected = [.. words.Select(word => Small.Encode(word))];
        Parallel.For(0, 4 * words.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => Assert.Equal(expected[i % words.Length], tokenizer.Encode(words[i % words.Length])));
    }

    [Fact]
    public void PiecesAreShownToPeople()
    {
        Assert.Equal(["▁the", "\\n", "<0x00>", "<0xF4>", "<0x8F>", "<0xBF>", "<0xBF>", "\\t"], Small.Encode(" the\n\0\U0010FFFF\t").Select(Small.Describe));
        Assert.Equal(["<image>", "<|endoftext|>", "<pad>"], new[] { Small.ImageId, Small.DocumentEndId, Small.PaddingId }.Select(Small.Describe));
        Assert.Throws<ArgumentOutOfRangeException>(() => Small.Describe(Small.VocabularySize));
        Assert.Throws<ArgumentOutOfRangeException>(() => Small.Decode([-1]));
        var bytes = new ByteTokenizer();
        Assert.Equal(["a", "<0x20>", "\\n", "<0xC3>", "<0xA9>"], bytes.Encode("a \né").Select(bytes.Describe));
    }
}
