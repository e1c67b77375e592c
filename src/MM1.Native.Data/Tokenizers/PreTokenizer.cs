using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// Cuts text into the pieces within which a byte-level BPE merges. These are the published regular expressions as scanners over
/// code points (.NET's <c>Regex</c> sees the two halves of a letter beyond U+FFFF as no letter); every piece begins where the one
/// before ends, and what follows a cut does not depend on what stands before it. A lone surrogate is neither letter, number nor space.
/// </summary>
public abstract class PreTokenizer
{
    /// <summary><c>gpt2</c>: contractions, letters, numbers or other marks with one space before them, white space.</summary>
    public static PreTokenizer Gpt2 { get; } = new Gpt2PreTokenizer();

    /// <summary><c>cl100k</c>: as GPT-4 and Llama 3: contractions of any case, numbers in threes, a mark may lead letters, line feeds end a piece.</summary>
    public static PreTokenizer Cl100k { get; } = new Cl100kPreTokenizer("cl100k", 3);

    /// <summary><c>qwen2</c>: as <c>cl100k</c>, with every number a piece of its own.</summary>
    public static PreTokenizer Qwen2 { get; } = new Cl100kPreTokenizer("qwen2", 1);

    private static readonly PreTokenizer[] All = [Gpt2, Cl100k, Qwen2];

    /// <summary>The regular expressions that stand for a scanner; each cuts every text exactly as the scanner does.</summary>
    private static readonly Dictionary<string, PreTokenizer> OfExpression = new(StringComparer.Ordinal)
    {
        [@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = Gpt2,
        [@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = Gpt2,
        [@"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"] = Gpt2,
        [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = Cl100k,
        [@"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = Cl100k,
        [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = Qwen2,
    };

    private protected const byte Other = 0, Letter = 1, Number = 2, Space = 3, LineBreak = 4, Half = 5;

    /// <summary>The class of every UTF-16 unit; Half: half of a surrogate pair, or alone.</summary>
    private static readonly byte[] Classes = MakeClasses();

    private protected PreTokenizer(string name) => Name = name;

    /// <summary>The names of the known ways to cut.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(static one => one.Name)];

    /// <summary>What configuration and files call it.</summary>
    public string Name { get; }

    /// <summary>The way to cut of that name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static PreTokenizer Named(string name) =>
        Array.Find(All, one => one.Name == name) ?? throw new ArgumentException($"no way to cut text is called '{name}'; known are {string.Join(", ", Names)}", nameof(name));

    /// <summary>The scanner that cuts as a regular expression does, or null where none is known to.</summary>
    internal static PreTokenizer? ForExpression(string expression) => OfExpression.GetValueOrDefault(expression);

    /// <summary>The UTF-16 units of the first piece of a text that is not empty.</summary>
    public abstract int Next(ReadOnlySpan<char> text);

    /// <summary>The class of the code point at a place and its UTF-16 units.</summary>
    private protected static byte ClassAt(ReadOnlySpan<char> text, int at, out int units)
    {
        char unit = text[at];
        byte kind = Classes[unit];
        units = 1;
        return kind == Half ? ClassOfHalf(text, at, out units) : kind;
    }

    private static byte ClassOfHalf(ReadOnlySpan<char> text, int at, out int units)
    {
        units = 1;
        if (at + 1 >= text.Length || !char.IsSurrogatePair(text[at], text[at + 1])) return Other;
        units = 2;
        return ClassOf(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(text[at], text[at + 1])));
    }

    /// <summary>Where a run of one class ends that goes on at a place.</summary>
    private protected static int EndOfRun(ReadOnlySpan<char> text, int at, byte kind)
    {
        while (at < text.Length && ClassAt(text, at, out int units) == kind) at += units;
        return at;
    }

    /// <summary>Where the white space ends that goes on at a place, line breaks included.</summary>
    private protected static int EndOfSpace(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && Classes[text[at]] is Space or LineBreak) at++;
        return at;
    }

    /// <summary>All of the white space at the end of a text, else all but its last, which belongs to what follows.</summary>
    private protected static int WhiteSpace(ReadOnlySpan<char> text, int end) => end == text.Length || end == 1 ? end : end - 1;

    private static byte[] MakeClasses()
    {
        var classes = new byte[0x10000];
        for (int unit = 0; unit < classes.Length; unit++)
        {
            char c = (char)unit;
            classes[unit] = char.IsSurrogate(c) ? Half : c is '\r' or '\n' ? LineBreak : char.IsWhiteSpace(c) ? Space : ClassOf(CharUnicodeInfo.GetUnicodeCategory(c));
        }
        return classes;
    }

    private static byte ClassOf(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Number,
        _ => Other,
    };

    private sealed class Gpt2PreTokenizer() : PreTokenizer("gpt2")
    {
        public override int Next(ReadOnlySpan<char> text)
        {
            char first = text[0];
            if (first == '\'' && text.Length > 1)
            {
                char second = text[1];
                if (second is 's' or 't' or 'm' or 'd') return 2;
                if (text.Length > 2 && (second, text[2]) is ('r', 'e') or ('v', 'e') or ('l', 'l')) return 3;
            }
            int start = first == ' ' && text.Length > 1 ? 1 : 0;
            byte kind = ClassAt(text, start, out int units);
            return kind is Space or LineBreak ? WhiteSpace(text, EndOfSpace(text, 0)) : EndOfRun(text, start + units, kind);
        }
    }

    private sealed class Cl100kPreTokenizer(string name, int digits) : PreTokenizer(name)
    {
        public override int Next(ReadOnlySpan<char> text)
        {
            char first = text[0];
            if (first == '\'' && Contraction(text) is > 0 and var contraction) return contraction;
            byte kind = ClassAt(text, 0, out int units);
            if (kind == Letter) return EndOfRun(text, units, Letter);
            if (kind == Number)
            {
                int end = units;
                for (int i = 1; i < digits && end < text.Length && ClassAt(text, end, out units) == Number; i++) end += units;
                return end;
            }
            if (kind != LineBreak && units < text.Length && ClassAt(text, units, out int next) == Letter) return EndOfRun(text, units + next, Letter);
            int start = first == ' ' && text.Length > 1 ? 1 : 0;
            if (ClassAt(text, start, out _) == Other)
            {
                int end = EndOfRun(text, start, Other);
                while (end < text.Length && text[end] is '\r' or '\n') end++;
                return end;
            }
            int spaceEnd = EndOfSpace(text, 0);
            int lastBreak = text[..spaceEnd].LastIndexOfAny('\r', '\n');
            return lastBreak >= 0 ? lastBreak + 1 : WhiteSpace(text, spaceEnd);
        }

        /// <summary>Of any case; U+017F is an s where case does not count.</summary>
        private static int Contraction(ReadOnlySpan<char> text)
        {
            if (text.Length < 2) return 0;
            int second = text[1] | 0x20;
            if (second is 's' or 't' or 'm' or 'd' || text[1] == '\u017F') return 2;
            return text.Length > 2 && (second, text[2] | 0x20) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
        }
    }
}
