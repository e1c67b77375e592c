using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class WordTokenizerTests
{
    private static readonly WordTokenizer Tokenizer = WorldWords.CreateTokenizer();

    private static string[] Pieces(string text) => [.. Tokenizer.Encode(text).Select(Tokenizer.Describe)];

    private static void RoundTrips(string text) => Assert.Equal(text, Tokenizer.Decode(Tokenizer.Encode(text)));

    [Property(MaxTest = 2000)]
    public void AnyStringRoundTrips(string? text) => RoundTrips(text ?? "");

    [Property(MaxTest = 2000)]
    public void AnyUnitsOfUtf16RoundTrip(ushort[] units) => RoundTrips(new string([.. units.Select(unit => (char)unit)]));

    [Property(MaxTest = 5000)]
    public Property MixturesOfWordsMarksAndSpacesRoundTrip()
    {
        string[] parts = ["red", "Red", "RED", "rEd", "a", "A", "circle", "circles", "xcircle", "circle4", " ", "  ", "\n", "\t", ".", ",", "?", "!", ":", "(", ")", "-", "é", "\uD800", "\uDC00", "\uD83D\uDE00", "<image>", "\0", "\uFEFF", "\uFFFD"];
        return Prop.ForAll(Gen.Elements(parts).ListOf().ToArbitrary(), list => RoundTrips(string.Concat(list)));
    }

    [Fact]
    public void WordsAreOneTokenWhereverTheyStand()
    {
        Assert.Equal(["a", "red", "circle", ",", "two", "(", "blue", ")", "squares", "."], Pieces("a red circle, two (blue) squares."));
        Assert.Equal(["<capital>", "what", "colour", "?", "\\n", "<upper>", "red", "!"], Pieces("What colour?\nRED!"));
        Assert.Equal(["red", "<0x20>", "<0x20>", "blue"], Pieces("red  blue"));
        Assert.Equal(["red", ".", "<join>", "blue", "<0x20>", "."], Pieces("red.blue ."));
        Assert.Equal(["<capital>", "a", "<0x20>", "<0x78>", "<0x79>", "<0x20>", "a"], Pieces("A xy a"));
    }

    [Fact]
    public void SpecialTokensNeverComeOutOfText()
    {
        foreach (string text in new[] { "<image>", "<end>", "<padding>", "<join>" })
        {
            int[] tokens = Tokenizer.Encode(text);
            Assert.DoesNotContain(Tokenizer.ImageId, tokens);
            Assert.DoesNotContain(Tokenizer.DocumentEndId, tokens);
            Assert.DoesNotContain(Tokenizer.PaddingId, tokens);
            Assert.Equal(text, Tokenizer.Decode(tokens));
        }
        Assert.Equal("red blue", Tokenizer.Decode([.. Tokenizer.Encode("red blue"), Tokenizer.DocumentEndId, Tokenizer.PaddingId]));
    }

    [Fact]
    public void BytesThatAreNoTextBecomeReplacementCharacters()
    {
        int firstByte = Tokenizer.VocabularySize - 256;
        Assert.Equal("\uFFFDa", Tokenizer.Decode([firstByte + 0xE2, firstByte + 'a']));
        Assert.Equal("\uFFFD\uFFFD", Tokenizer.Decode([firstByte + 0xC0, firstByte + 0x80]));
        Assert.Equal("\uFFFD\uFFFD\uFFFD\uFFFD", Tokenizer.Decode([firstByte + 0xF4, firstByte + 0xBF, firstByte + 0xBF, firstByte + 0xBF]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Tokenizer.Decode([Tokenizer.VocabularySize]));
    }

    [Property(MaxTest = 500)]
    public void AnyTokensDecode(int[] tokens)
    {
        int[] valid = [.. tokens.Select(token => (int)((uint)token % (uint)Tokenizer.VocabularySize))];
        string text = Tokenizer.Decode(valid);
        RoundTrips(text);
    }

    [Fact]
    public void EveryCodePointRoundTrips()
    {
        var text = new StringBuilder();
        for (int point = 0; point <= 0x10FFFF; point += point < 0x3000 ? 1 : 97)
        {
            if (point is >= 0xD800 and < 0xE000) text.Append((char)point).Append(' ');
            else text.Append(char.ConvertFromUtf32(point));
        }
        RoundTrips(text.ToString());
    }

    [Fact]
    public void SavedAndLoadedItIsTheSame()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "tokenizer.json");
        Tokenizer.Save(path);
        ITokenizer loaded = TokenizerFile.Load(path);
        Assert.Equal(Tokenizer.VocabularySize, loaded.VocabularySize);
        Assert.Equal(Tokenizer.Words, Assert.IsType<WordTokenizer>(loaded).Words);
        foreach (string text in new[] { "a red circle.", "Héllo \U0001F600" }) Assert.Equal(Tokenizer.Encode(text), loaded.Encode(text));

        File.WriteAllText(path, "{ \"format\": \"other\", \"version\": 1, \"words\": [] }");
        Assert.Contains("'other'", Assert.Throws<InvalidDataException>(() => TokenizerFile.Load(path)).Message, StringComparison.Ordinal);
        File.WriteAllText(path, "{ \"format\": ");
        Assert.Throws<InvalidDataException>(() => TokenizerFile.Load(path));
    }

    [Fact]
    public void WordsMustBeWordsAndDistinct()
    {
        Assert.Contains("'Red'", Assert.Throws<ArgumentException>(() => new WordTokenizer(["Red"])).Message, StringComparison.Ordinal);
        Assert.Contains("twice", Assert.Throws<ArgumentException>(() => new WordTokenizer(["red", "red"])).Message, StringComparison.Ordinal);
    }
}
