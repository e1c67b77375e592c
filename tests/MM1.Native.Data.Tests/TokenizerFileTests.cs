using System.Text;
using System.Text.Json.Nodes;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Files of every kind: recognised by content, kept and read back, refused where they are wrong.</summary>
public sealed class TokenizerFileTests
{
    private const string Sample = "The cat's 12 shells\n\n  <image><|endoftext|><pad></s> \uD800 日本 😀 the there";

    /// <summary>One of each kind, with what its file is.</summary>
    public static TheoryData<string> Kinds { get; } = ["words", "bytes", "trained", "llama3", "tiktoken", "sentencepiece", "llama"];

    private static byte[] FileOf(string kind) => kind switch
    {
        "words" => SmallTokenizers.Saved(WorldWords.CreateTokenizer()),
        "bytes" => SmallTokenizers.Saved(new ByteTokenizer()),
        "trained" => SmallTokenizers.Saved(SmallTokenizers.Trained()),
        "llama3" => Encoding.UTF8.GetBytes(Llama3().ToJsonString()),
        "tiktoken" => SmallTokenizers.Tiktoken(),
        "sentencepiece" => SmallTokenizers.SentencePiece(),
        _ => Encoding.UTF8.GetBytes(SmallTokenizers.LlamaJson().ToJsonString()),
    };

    /// <summary>As Llama 3 and its like write it: another way to cut, whole words, merges as arrays, tokens found in text.</summary>
    private static JsonObject Llama3()
    {
        var json = (JsonObject)SmallTokenizers.TrainedJson();
        json["pre_tokenizer"] = JsonNode.Parse("""
            { "type": "Sequence", "pretokenizers": [
              { "type": "Split", "pattern": { "Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, "behavior": "Isolated", "invert": false },
              { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false } ] }
            """);
        json["model"]!["ignore_merges"] = true;
        json["model"]!["merges"] = new JsonArray([.. json["model"]!["merges"]!.AsArray().Select(static merge => new JsonArray([.. merge!.GetValue<string>().Split(' ').Select(static part => (JsonNode)part)]))]);
        int next = json["model"]!["vocab"]!.AsObject().Count + 3;
        json["added_tokens"]!.AsArray().Add((JsonNode)new JsonObject { ["id"] = next, ["content"] = "<tool>", ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = false });
        json["added_tokens"]!.AsArray().Add((JsonNode)new JsonObject { ["id"] = next + 1, ["content"] = "<|eot_id|>", ["single_word"] = false, ["lstrip"] = true, ["rstrip"] = false, ["normalized"] = false, ["special"] = true });
        return json;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EveryKindComesBackFromTheFileThatItWrites(string kind)
    {
        ITokenizer first = SmallTokenizers.Read(FileOf(kind), new TokenizerOptions { Pattern = "gpt2" });
        string path = SmallTokenizers.Write("tokenizer.json", []);
        first.Save(path);
        ITokenizer second = TokenizerFile.Load(path);
        Assert.Equal(first.GetType(), second.GetType());
        foreach (string text in new[] { Sample, "", "red circle", SmallTokenizers.Text, "a<tool>b<|eot_id|>" })
        {
            int[] ids = first.Encode(text);
            Assert.Equal(ids, second.Encode(text));
            Assert.Equal(text, second.Decode(ids));
        }
        Assert.Equal((first.VocabularySize, first.DocumentEndId, first.PaddingId, first.ImageId, first.NewlineId), (second.VocabularySize, second.DocumentEndId, second.PaddingId, second.ImageId, second.NewlineId));
        for (int id = 0; id < first.VocabularySize; id++) Assert.Equal(first.Describe(id), second.Describe(id));
        Assert.Equal(3, new HashSet<int> { first.DocumentEndId, first.PaddingId, first.ImageId }.Count);
        Assert.Equal("", first.Decode([first.DocumentEndId, first.PaddingId, first.ImageId]));
        Assert.Equal([first.NewlineId], first.Encode("\n")[^1..]);
        byte[] written = File.ReadAllBytes(path);
        second.Save(path);
        Assert.Equal(written, File.ReadAllBytes(path));
    }

    [Fact]
    public void WholeWordsAndTokensInTextAreTaken()
    {
        ITokenizer tokenizer = SmallTokenizers.Read(Llama3());
        Assert.Contains("<tool>", tokenizer.Encode("the<tool>there").Select(tokenizer.Describe));
        Assert.DoesNotContain("<|eot_id|>", tokenizer.Encode("the<|eot_id|>there").Select(tokenizer.Describe));
        // A word that no merge makes: only because it is taken whole.
        JsonObject json = Llama3();
        int count = json["model"]!["vocab"]!.AsObject().Count;
        json["model"]!["vocab"]!["zzz"] = count + 5;
        Assert.Single(SmallTokenizers.Read(json).Encode("zzz"));
        json["model"]!["ignore_merges"] = false;
        Assert.Equal(3, SmallTokenizers.Read(json).Encode("zzz").Length);
    }

    [Fact]
    public void SpecialTokensAreTakenByNameOrAppended()
    {
        var json = (JsonObject)SmallTokenizers.TrainedJson();
        int count = json["model"]!["vocab"]!.AsObject().Count;
        json["added_tokens"] = new JsonArray(
            new JsonObject { ["id"] = count, ["content"] = "<fin>", ["special"] = true },
            new JsonObject { ["id"] = count + 1, ["content"] = "<pad>", ["special"] = false });
        ITokenizer tokenizer = SmallTokenizers.Read(Encoding.UTF8.GetBytes(json.ToJsonString()), new TokenizerOptions { DocumentEnd = ["<end>", "<fin>"], Image = ["<picture>"] });
        Assert.Equal((count, count + 1, count + 2, count + 3), (tokenizer.DocumentEndId, tokenizer.PaddingId, tokenizer.ImageId, tokenizer.VocabularySize));
        Assert.Equal(["<fin>", "<pad>", "<picture>"], new[] { count, count + 1, count + 2 }.Select(tokenizer.Describe));
        Assert.DoesNotContain(count + 1, tokenizer.Encode("<pad>"));
        // The file that is written says it itself.
        Assert.Equal(count + 2, SmallTokenizers.Read(SmallTokenizers.Saved(tokenizer)).ImageId);
        // A name of a word of the vocabulary would come out of text.
        Assert.Contains("image placeholder", Assert.Throws<InvalidDataException>(() => SmallTokenizers.Read(Encoding.UTF8.GetBytes(json.ToJsonString()), new TokenizerOptions { Image = ["t"] })).Message, StringComparison.Ordinal);
        Assert.Contains("needs a name", Assert.Throws<ArgumentException>(() => TokenizerFile.Load("x", new TokenizerOptions { Padding = [""] })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("the normalizer NFC", "normalizer", """{"type":"NFC"}""")]
    [InlineData("the pre-tokenizer Whitespace", "pre_tokenizer", """{"type":"Whitespace"}""")]
    [InlineData("add_prefix_space", "pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true}""")]
    [InlineData("use_regex", "pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""")]
    [InlineData("Digits, ByteLevel", "pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]}""")]
    [InlineData("unknown regular expression, \\w+", "pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}""")]
    [InlineData("MergedWithNext", "pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"MergedWithNext","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}""")]
    [InlineData("byte_fallback", "pre_tokenizer", "null")]
    [InlineData("the decoder WordPiece", "decoder", """{"type":"WordPiece"}""")]
    [InlineData("the post-processor BertProcessing", "post_processor", """{"type":"Sequence","processors":[{"type":"BertProcessing"}]}""")]
    [InlineData("'truncation' is set", "truncation", """{"max_length":5}""")]
    [InlineData("'padding' is set", "padding", "{}")]
    [InlineData("version '2.0'", "version", "\"2.0\"")]
    [InlineData("unknown key 'extra'", "extra", "1")]
    [InlineData("added_tokens is no array", "added_tokens", "{}")]
    [InlineData("added_tokens[0] has no key 'content'", "added_tokens", """[{"id":1}]""")]
    [InlineData("the id of 'x'", "added_tokens", """[{"id":"1","content":"x"}]""")]
    [InlineData("without holes", "added_tokens", """[{"id":5000,"content":"x y"}]""")]
    [InlineData("both have the id 7", "added_tokens", """[{"id":7,"content":"x y"}]""")]
    [InlineData("'x y' is there twice", "added_tokens", """[{"id":357,"content":"x y"},{"id":357,"content":"x y"}]""")]
    [InlineData("single_word", "added_tokens", """[{"id":357,"content":"x y","single_word":true}]""")]
    [InlineData("role is 'king'", "added_tokens", """[{"id":357,"content":"x y","role":"king"}]""")]
    [InlineData("special is neither true nor false", "added_tokens", """[{"id":357,"content":"x y","special":3}]""")]
    public void ATokenizerJsonThatCannotBeReadExactlyIsRefused(string expected, string key, string value)
    {
        var json = (JsonObject)SmallTokenizers.TrainedJson();
        Assert.Equal(357, json["model"]!["vocab"]!.AsObject().Count);
        json[key] = JsonNode.Parse(value);
        Refused(expected, Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    [Theory]
    [InlineData("model.type is 'Unigram'", "type", "\"Unigram\"")]
    [InlineData("'dropout' is set", "dropout", "0.1")]
    [InlineData("end_of_word_suffix is '</w>'", "end_of_word_suffix", "\"</w>\"")]
    [InlineData("continuing_subword_prefix", "continuing_subword_prefix", "\"##\"")]
    [InlineData("do not go together", "byte_fallback", "true")]
    [InlineData("byte_fallback is neither", "byte_fallback", "1")]
    [InlineData("model has the unknown key 'cache'", "cache", "1")]
    [InlineData("model.vocab is no object", "vocab", "[]")]
    [InlineData("model.merges is no array", "merges", "{}")]
    [InlineData("merge 0 is 3", "merges", "[3]")]
    [InlineData("merge 0 is \"a b c\"", "merges", """["a b c"]""")]
    [InlineData("merge 0 is [\"a\"]", "merges", """[["a"]]""")]
    [InlineData("needs the token 'qqq'", "merges", """["qqq q"]""")]
    [InlineData("needs the token 'qq'", "merges", """["q q"]""")]
    [InlineData("is there twice", "merges", """["h e", "h e"]""")]
    public void AModelThatCannotBeReadExactlyIsRefused(string expected, string key, string value)
    {
        JsonNode json = SmallTokenizers.TrainedJson();
        json["model"]![key] = JsonNode.Parse(value);
        Refused(expected, Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    [Fact]
    public void DamagedFilesAreRefused()
    {
        byte[] json = FileOf("trained");
        Refused("cut off", json[..(json.Length / 2)]);
        Refused("is empty", []);
        Refused("is empty", "  \n"u8.ToArray());
        Refused("is no tokenizer", "hello world"u8.ToArray());
        Refused("neither 'format' nor 'model'", "{\"a\": \"b\"}"u8.ToArray());
        Refused("neither 'format' nor 'model'", "{}"u8.ToArray());
        Refused("format 'mm1-other'", "{\"format\": \"mm1-other\"}"u8.ToArray());
        Refused("version 2", "{\"format\": \"mm1-byte-tokenizer\", \"version\": 2}"u8.ToArray());
        Refused("has no key 'words'", "{\"format\": \"mm1-byte-tokenizer\", \"version\": 1, \"words\": []}"u8.ToArray());
        Refused("needs the key 'words'", "{\"format\": \"mm1-word-tokenizer\", \"version\": 1}"u8.ToArray());
        Refused("needs the key 'special'", "{\"format\": \"mm1-tiktoken-tokenizer\", \"version\": 1, \"ranks\": \"\", \"pattern\": \"gpt2\"}"u8.ToArray());
        Refused("has 1 names", "{\"format\": \"mm1-sentencepiece-tokenizer\", \"version\": 1, \"model\": \"\", \"special\": [\"a\"]}"u8.ToArray());
        Refused("gpt5", "{\"format\": \"mm1-tiktoken-tokenizer\", \"version\": 1, \"ranks\": \"\", \"pattern\": \"gpt5\", \"special\": [\"a\", \"b\", \"c\"]}"u8.ToArray());
        Refused("unknown", "{\"format\": \"mm1-byte-tokenizer\", \"extra\": 1}"u8.ToArray(), "extra");
        JsonNode hole = SmallTokenizers.TrainedJson();
        hole["added_tokens"] = new JsonArray();
        hole["model"]!["vocab"]!.AsObject().Remove("!");
        Refused("without holes", Encoding.UTF8.GetBytes(hole.ToJsonString()));
        hole["model"]!["vocab"]!["☃"] = 0;
        Refused("'☃' (id 0)", Encoding.UTF8.GetBytes(hole.ToJsonString()));
        hole["model"]!["vocab"]!.AsObject().Remove("☃");
        hole["model"]!["vocab"]!["!!"] = 0;
        Refused("the byte 0x21", Encoding.UTF8.GetBytes(hole.ToJsonString()));
        string twice = Encoding.UTF8.GetString(json).Replace("\"!\": 0", "\"!\": 0, \"!\": 0", StringComparison.Ordinal);
        Refused("damaged", Encoding.UTF8.GetBytes(twice));
    }

    [Fact]
    public void RanksThatAreWrongAreRefused()
    {
        string lines = Encoding.ASCII.GetString(SmallTokenizers.Tiktoken());
        Refused("how text is cut", Encoding.ASCII.GetBytes(lines));
        foreach ((string expected, string content) in new[]
        {
            ("line 358: expected", lines + "IQ=\n"), ("line 358: the rank is no number", lines + "IQ== \n"), ("line 358: expected", lines + new string('A', 2000) + " 357\n"), ("line 358: the rank is no number", lines + "IQ== -3\n"),
            ("line 358: the rank 5 is there twice", lines + "ISEh 5\n"), ("rank 357 is missing", lines + "ISEh 358\n"), ("(IQ==) is there twice", lines + "IQ== 357\n"),
            ("no token is the byte 0x21", lines.Replace("IQ== 0", "ISEhIQ== 0", StringComparison.Ordinal)),
        })
        {
            string message = Assert.Throws<InvalidDataException>(() => SmallTokenizers.Read(Encoding.ASCII.GetBytes(content), new TokenizerOptions { Pattern = "gpt2" })).Message;
            Assert.Contains(expected, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AMissingFileAndAnUnreadableOneAreTold()
    {
        Assert.Throws<FileNotFoundException>(() => TokenizerFile.Load(Path.Combine(SmallTokenizers.NewFolder(), "none.json")));
        Assert.ThrowsAny<Exception>(() => TokenizerFile.Load(SmallTokenizers.NewFolder()));
    }

    /// <summary>Damaged files of every kind: a tokenizer that round-trips, or one clean refusal.</summary>
    [Theory]
    [InlineData(2000)]
    public void DamagedFilesGiveATokenizerOrARefusal(int count) => Fuzz(count);

    [Fact, Trait("Tier", "nightly")]
    public void ManyDamagedFilesGiveATokenizerOrARefusal() => Fuzz(100_000);

    private static void Fuzz(int count)
    {
        byte[][] seeds = [Encoding.UTF8.GetBytes(SmallTokenizers.TrainedJson(280).ToJsonString()), FileOf("llama"), FileOf("sentencepiece"), SmallTokenizers.Tiktoken(280), SmallTokenizers.Saved(SmallTokenizers.Read(FileOf("sentencepiece")))];
        var options = new TokenizerOptions { Pattern = "gpt2" };
        int good = 0, refused = 0;
        for (int seed = 0; seed < seeds.Length; seed++)
        {
            foreach (byte[] content in Mutations.Of(seeds[seed], count / seeds.Length, (ulong)seed))
            {
                ITokenizer tokenizer;
                try
                {
                    tokenizer = SmallTokenizers.Read(content, options);
                }
                catch (InvalidDataException exception)
                {
                    Assert.Contains("some.file", exception.Message, StringComparison.Ordinal);
                    refused++;
                    continue;
                }
                good++;
                int[] ids = tokenizer.Encode(Sample);
                Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
                Assert.DoesNotContain(ids, id => id == tokenizer.ImageId || id == tokenizer.DocumentEndId || id == tokenizer.PaddingId);
                if (tokenizer is BytePairTokenizer) Assert.Equal(Sample, tokenizer.Decode(ids));
            }
        }
        Assert.True(refused > count / 2, $"{refused} of {count} refused");
        Assert.True(good > 0, $"none of {count} still good");
    }

    private static void Refused(string expected, byte[] content, string? also = null)
    {
        string message = Assert.Throws<InvalidDataException>(() => SmallTokenizers.Read(content)).Message;
        Assert.Contains("'some.file'", message, StringComparison.Ordinal);
        Assert.Contains(also ?? expected, message, StringComparison.Ordinal);
    }
}
