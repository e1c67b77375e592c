using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// Words of a closed vocabulary, one token each; everything else byte by byte. The space between two words is implied, and a
/// capital letter is a token before the word, so that <c>red</c> has one embedding wherever it stands:
/// <list type="bullet">
/// <item>a word, or a mark that stands alone, implies one space to a word that follows; <c>. , ? ! : ; )</c> imply one after and none
/// before, <c>(</c> one before and none after; line feeds and bytes imply none;</item>
/// <item><c>&lt;join&gt;</c> stands where the rule implies a space that is not there; a space that the rule does not imply is a byte;</item>
/// <item><c>&lt;capital&gt;</c> and <c>&lt;upper&gt;</c> write the next word with a capital letter, or in capitals;</item>
/// <item>a run of letters that is no word, and any other character, is its UTF-8 bytes (a lone surrogate: its three WTF-8 bytes).</item>
/// </list>
/// </summary>
public sealed class WordTokenizer : ITokenizer
{
    private const int Padding = 0, DocumentEnd = 1, Image = 2, Join = 3, Capital = 4, Upper = 5, Newline = 6, FirstMark = 7;
    private const int LongestWord = 64;
    private static readonly string[] SpecialNames = ["<padding>", "<end>", "<image>", "<join>", "<capital>", "<upper>", "\\n"];

    /// <summary>The marks that are tokens, and whether each implies a space before it and after it.</summary>
    private static readonly (char Mark, bool Before, bool After)[] Marks =
        [('.', false, true), (',', false, true), ('?', false, true), ('!', false, true), (':', false, true), (';', false, true), ('(', true, false), (')', false, true)];

    private readonly string[] _words;
    private readonly string[] _upperWords;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idOfWord;
    private readonly int _firstWord = FirstMark + Marks.Length;
    private readonly int _firstByte;

    /// <summary>A tokenizer of the given words.</summary>
    /// <param name="words">Distinct words of the letters a to z; their order is the order of their ids.</param>
    public WordTokenizer(IEnumerable<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        _words = [.. words];
        _upperWords = Array.ConvertAll(_words, word => word.ToUpperInvariant());
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < _words.Length; i++)
        {
            string word = _words[i];
            if (word.Length is 0 or > LongestWord || word.AsSpan().ContainsAnyExceptInRange('a', 'z'))
                throw new ArgumentException($"'{word}' is not a word of 1 to {LongestWord} letters a to z", nameof(words));
            if (!ids.TryAdd(word, _firstWord + i)) throw new ArgumentException($"the word '{word}' is given twice", nameof(words));
        }
        _idOfWord = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _firstByte = _firstWord + _words.Length;
    }

    /// <summary>The words, in the order of their ids.</summary>
    public IReadOnlyList<string> Words => _words;

    /// <inheritdoc/>
    public int VocabularySize => _firstByte + 256;

    /// <inheritdoc/>
    public int PaddingId => Padding;

    /// <inheritdoc/>
    public int DocumentEndId => DocumentEnd;

    /// <inheritdoc/>
    public int ImageId => Image;

    /// <inheritdoc/>
    public int NewlineId => Newline;

    /// <summary>Whether the token is one byte of a text that the vocabulary does not cover.</summary>
    public bool IsByte(int token) => token >= _firstByte && token < VocabularySize;

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> text, List<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        bool after = false; // whether the piece before implies a space
        for (int at = 0; at < text.Length;)
        {
            bool spaced = after && text[at] == ' ';
            if (!TryPiece(text, spaced ? at + 1 : at, out Piece piece))
            {
                after = false;
                at += EncodeBytes(text[at..], tokens);
                continue;
            }
            if (spaced && !piece.Before)
            {
                // A space that the rule does not imply: a byte of its own, and the piece is looked at again.
                tokens.Add(_firstByte + ' ');
                after = false;
                at++;
                continue;
            }
            if (spaced) at++;
            else if (after && piece.Before) tokens.Add(Join);
            if (piece.Case != 0) tokens.Add(piece.Case);
            tokens.Add(piece.Id);
            after = piece.After;
            at += piece.Length;
        }
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> tokens)
    {
        var text = new System.Text.StringBuilder();
        var bytes = new List<byte>();
        bool after = false;
        int letterCase = 0;
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)VocabularySize) throw new ArgumentOutOfRangeException(nameof(tokens), token, $"token ids are in [0, {VocabularySize})");
            if (token >= _firstByte)
            {
                bytes.Add((byte)(token - _firstByte));
                after = false;
                letterCase = 0;
                continue;
            }
            Wtf8.Decode(bytes, text);
            if (token >= _firstWord)
            {
                if (after) text.Append(' ');
                int word = token - _firstWord;
                if (letterCase == Upper) text.Append(_upperWords[word]);
                else if (letterCase == Capital) text.Append(_upperWords[word][0]).Append(_words[word], 1, _words[word].Length - 1);
                else text.Append(_words[word]);
                (after, letterCase) = (true, 0);
            }
            else if (token >= FirstMark)
            {
                (char mark, bool before, bool markAfter) = Marks[token - FirstMark];
                if (after && before) text.Append(' ');
                text.Append(mark);
                (after, letterCase) = (markAfter, 0);
            }
            else if (token is Capital or Upper)
            {
                if (after) text.Append(' ');
                (after, letterCase) = (false, token);
            }
            else
            {
                if (token == Newline) text.Append('\n');
                (after, letterCase) = (false, 0);
            }
        }
        Wtf8.Decode(bytes, text);
        return text.ToString();
    }

    /// <inheritdoc/>
    public string Describe(int token)
    {
        if ((uint)token >= (uint)VocabularySize) throw new ArgumentOutOfRangeException(nameof(token), token, $"token ids are in [0, {VocabularySize})");
        if (token < FirstMark) return SpecialNames[token];
        if (token < _firstWord) return Marks[token - FirstMark].Mark.ToString();
        if (token < _firstByte) return _words[token - _firstWord];
        return string.Create(CultureInfo.InvariantCulture, $"<0x{token - _firstByte:X2}>");
    }

    /// <inheritdoc/>
    public void Save(string path) => TokenizerFile.Save(path, new TokenizerDocument { Format = TokenizerDocument.WordFormat, Words = _words });

    /// <summary>A token with what stands before and after it; Case is 0, Capital or Upper.</summary>
    private readonly record struct Piece(int Id, int Case, int Length, bool Before, bool After);

    /// <summary>The word, mark or line feed that begins at a place.</summary>
    private bool TryPiece(ReadOnlySpan<char> text, int at, out Piece piece)
    {
        piece = default;
        if (at >= text.Length) return false;
        char first = text[at];
        if (first == '\n')
        {
            piece = new Piece(Newline, 0, 1, false, false);
            return true;
        }
        if (!char.IsAsciiLetter(first))
        {
            for (int i = 0; i < Marks.Length; i++)
            {
                if (Marks[i].Mark != first) continue;
                piece = new Piece(FirstMark + i, 0, 1, Marks[i].Before, Marks[i].After);
                return true;
            }
            return false;
        }
        int length = RunOfLetters(text[at..]);
        if (length > LongestWord) return false;
        Span<char> lower = stackalloc char[length];
        int capitals = 0;
        for (int i = 0; i < length; i++)
        {
            char letter = text[at + i];
            if (char.IsAsciiLetterUpper(letter)) capitals++;
            lower[i] = (char)(letter | 0x20);
        }
        int letterCase = capitals == 0 ? 0 : capitals == 1 && char.IsAsciiLetterUpper(first) ? Capital : capitals == length ? Upper : -1;
        if (letterCase < 0 || !_idOfWord.TryGetValue(lower, out int id)) return false;
        piece = new Piece(id, letterCase, length, true, true);
        return true;
    }

    /// <summary>Writes a run of letters, or one character, as bytes; returns the UTF-16 units that it took.</summary>
    private int EncodeBytes(ReadOnlySpan<char> text, List<int> tokens)
    {
        int length = char.IsAsciiLetter(text[0]) ? RunOfLetters(text)
            : char.IsHighSurrogate(text[0]) && text.Length > 1 && char.IsLowSurrogate(text[1]) ? 2 : 1;
        Span<byte> bytes = stackalloc byte[4];
        for (int at = 0; at < length;)
        {
            int units = Wtf8.Encode(text[at..length], bytes, out int written);
            for (int i = 0; i < written; i++) tokens.Add(_firstByte + bytes[i]);
            at += units;
        }
        return length;
    }

    private static int RunOfLetters(ReadOnlySpan<char> text)
    {
        int length = 1;
        while (length < text.Length && char.IsAsciiLetter(text[length])) length++;
        return length;
    }
}
