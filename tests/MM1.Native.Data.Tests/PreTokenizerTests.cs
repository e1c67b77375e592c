using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>The scanners beside the regular expressions that they stand for.</summary>
public sealed class PreTokenizerTests
{
    private static readonly (PreTokenizer Scanner, Regex Expression)[] Pairs =
    [
        (PreTokenizer.Gpt2, new Regex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")),
        (PreTokenizer.Gpt2, new Regex(@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")),
        (PreTokenizer.Cl100k, new Regex(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)),
        (PreTokenizer.Qwen2, new Regex(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)),
    ];

    private static List<string> Cut(PreTokenizer scanner, string text)
    {
        var pieces = new List<string>();
        for (int at = 0; at < text.Length;)
        {
            int length = scanner.Next(text.AsSpan(at));
            Assert.InRange(length, 1, text.Length - at);
            pieces.Add(text.Substring(at, length));
            at += length;
        }
        return pieces;
    }

    [Fact]
    public void TheyCutAsTheExpressionsDo()
    {
        var random = new Random(11);
        string[] parts = ["a", "Zé", "日", "7", "½", " ", " ", "  ", "\n", "\r", "\r\n", "\t", "\u00A0", "\u3000", "'", "'s", "'S", "'ll", "'Re", "'d", "!", "...", "_", "\u0301", "\u200B", "\uD800", "\u0085", "x1", "don't", "\0"];
        foreach ((PreTokenizer scanner, Regex expression) in Pairs)
        {
            for (int i = 0; i < 3000; i++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => parts[random.Next(parts.Length)]));
                Assert.Equal(expression.Matches(text).Select(static match => match.Value), Cut(scanner, text));
            }
            for (int unit = 0; unit < 0x10000; unit++)
            {
                if (unit is 0x17F or 0x212A) continue; // beyond ASCII, case folding is .NET's own
                string text = $"a{(char)unit}'{(char)unit} {(char)unit}{(char)unit}1";
                if (char.IsSurrogate((char)unit) && unit % 64 != 0) continue;
                Assert.Equal(expression.Matches(text).Select(static match => match.Value), Cut(scanner, text));
            }
        }
    }

    [Fact]
    public void LettersBeyondTheBasicPlaneAreLetters()
    {
        // .NET's expressions see two surrogates; the published tokenizers see a letter or a digit.
        Assert.Equal(["ab𝐀c", " 𝐀", "𝟙𝟚", "😀"], Cut(PreTokenizer.Gpt2, "ab𝐀c 𝐀𝟙𝟚😀"));
        Assert.Equal(["😀ab", "𝟙𝟚𝟙", "𝟚"], Cut(PreTokenizer.Cl100k, "😀ab𝟙𝟚𝟙𝟚"));
        Assert.Equal(["𝟙", "𝟚"], Cut(PreTokenizer.Qwen2, "𝟙𝟚"));
        Assert.Equal(["a", "'ſ", "a"], Cut(PreTokenizer.Cl100k, "a'ſa"));
    }

    [Fact]
    public void AnUnknownNameIsTold() =>
        Assert.Contains("gpt2, cl100k, qwen2", Assert.Throws<ArgumentException>(() => PreTokenizer.Named("gpt5")).Message, StringComparison.Ordinal);
}
