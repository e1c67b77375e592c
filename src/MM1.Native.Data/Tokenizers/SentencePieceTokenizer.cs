using System.Buffers;

namespace MM1.Native.Data;

/// <summary>What a SentencePiece vocabulary does to a text before and after its pieces, and with what its symbols are.</summary>
/// <param name="HasPrefix">Whether every text that is not empty gets a space before it.</param>
/// <param name="EscapesSpaces">Whether a space is <c>▁</c> (U+2581) in the pieces.</param>
/// <param name="MatchesAfterNormalizing">Whether text tokens are looked for after that (SentencePiece) or before (Hugging Face).</param>
internal readonly record struct SentencePieceRules(bool HasPrefix, bool EscapesSpaces, bool MatchesAfterNormalizing);

/// <summary>The symbols that merging begins with.</summary>
/// <param name="SymbolOfCodePoint">Code points that have a piece, or stand in one; without a piece of its own the symbol's id is VocabularySize or more.</param>
/// <param name="CodePointOfSymbol">The code points of those without, by id - FirstVirtual.</param>
/// <param name="FirstVirtual">The first id that is no token.</param>
/// <param name="SymbolOfByte">The 256 tokens of one byte.</param>
internal sealed record SentencePieceSymbols(Dictionary<int, int> SymbolOfCodePoint, int[] CodePointOfSymbol, int FirstVirtual, int[] SymbolOfByte);

/// <summary>
/// Byte-pair encoding over characters as SentencePiece does it (Llama 1 and 2, Mistral, Gemma): spaces become <c>▁</c>, one may be put
/// before the text, pairs of pieces are merged by their score wherever they stand, and a character without a piece becomes its
/// UTF-8 bytes (a lone surrogate: its three WTF-8 bytes). Lossless but for two things of the format: a <c>▁</c> of the text comes
/// back as a space, and where the vocabulary puts a space before every text, one space at the beginning of decoded tokens is taken
/// off, whatever it came from. Safe for several threads.
/// </summary>
public sealed class SentencePieceTokenizer : SubwordTokenizer
{
    private const char Escape = '▁';
    private readonly SentencePieceRules _rules;
    private readonly SentencePieceSymbols _symbols;
    private readonly BytePairMerges _merges;
    private readonly TextTokens _textTokens;
    private readonly bool _wordsAreApart;
    private readonly WordCache _cache = new();

    /// <summary>A tokenizer of checked parts; <paramref name="wordsAreApart"/>: no piece has a <c>▁</c> after another character, so that no merge crosses there.</summary>
    internal SentencePieceTokenizer(SubwordVocabulary vocabulary, SpecialTokens special, SentencePieceRules rules, SentencePieceSymbols symbols, BytePairMerges merges,
        bool wordsAreApart, TextTokens textTokens, Action<string> save)
        : base(vocabulary, special, symbols.SymbolOfCodePoint.TryGetValue('\n', out int newline) && newline < symbols.FirstVirtual ? newline : symbols.SymbolOfByte['\n'], save) =>
        (_rules, _symbols, _merges, _wordsAreApart, _textTokens) = (rules, symbols, merges, wordsAreApart, textTokens);

    /// <summary>Whether a space is put before every text, and taken off what is decoded.</summary>
    public bool HasPrefix => _rules.HasPrefix;

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> text, List<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (_rules.MatchesAfterNormalizing)
        {
            EncodeNormalized(text, tokens);
            return;
        }
        while (!_textTokens.IsEmpty && _textTokens.TryFind(text, out int start, out int length, out int id))
        {
            EncodeNormalized(text[..start], tokens);
            tokens.Add(id);
            text = text[(start + length)..];
        }
        EncodeNormalized(text, tokens);
    }

    /// <inheritdoc/>
    public override string Decode(ReadOnlySpan<int> tokens)
    {
        string text = base.Decode(tokens);
        return _rules.HasPrefix && text.StartsWith(' ') ? text[1..] : text;
    }

    /// <inheritdoc/>
    public override string Describe(int token) => Array.IndexOf(_symbols.SymbolOfByte, token) is >= 0 and int value ? Hex((byte)value) : base.Describe(token);

    private void EncodeNormalized(ReadOnlySpan<char> text, List<int> tokens)
    {
        if (text.IsEmpty) return;
        char[] room = ArrayPool<char>.Shared.Rent(text.Length + 1);
        int prefix = _rules.HasPrefix ? 1 : 0;
        room[0] = _rules.EscapesSpaces ? Escape : ' ';
        text.CopyTo(room.AsSpan(prefix));
        Span<char> normalized = room.AsSpan(0, prefix + text.Length);
        if (_rules.EscapesSpaces) normalized.Replace(' ', Escape);
        ReadOnlySpan<char> left = normalized;
        while (_rules.MatchesAfterNormalizing && !_textTokens.IsEmpty && _textTokens.TryFind(left, out int start, out int length, out int id))
        {
            EncodeWords(left[..start], tokens);
            tokens.Add(id);
            left = left[(start + length)..];
        }
        EncodeWords(left, tokens);
        ArrayPool<char>.Shared.Return(room);
    }

    /// <summary>Word by word where no merge crosses from one to the next, else all at once.</summary>
    private void EncodeWords(ReadOnlySpan<char> text, List<int> tokens)
    {
        while (text.Length > 0)
        {
            int length = _wordsAreApart ? EndOfWord(text) : text.Length;
            ReadOnlySpan<char> word = text[..length];
            if (length > WordCache.LongestWord) Merge(word, tokens, 0, isKept: false);
            else if (!_cache.TryAppend(word, tokens, out uint slot)) Merge(word, tokens, slot, isKept: true);
            text = text[length..];
        }
    }

    private static int EndOfWord(ReadOnlySpan<char> text)
    {
        int marks = text.IndexOfAnyExcept(Escape);
        if (marks < 0) return text.Length;
        int rest = text[marks..].IndexOf(Escape);
        return rest < 0 ? text.Length : marks + rest;
    }

    private void Merge(ReadOnlySpan<char> word, List<int> tokens, uint slot, bool isKept)
    {
        int[] room = ArrayPool<int>.Shared.Rent(3 * word.Length);
        Span<byte> bytes = stackalloc byte[4];
        int count = 0;
        for (int at = 0; at < word.Length;)
        {
            bool isPair = at + 1 < word.Length && char.IsSurrogatePair(word[at], word[at + 1]);
            int point = isPair ? char.ConvertToUtf32(word[at], word[at + 1]) : word[at];
            if (_symbols.SymbolOfCodePoint.TryGetValue(point, out int symbol)) room[count++] = symbol;
            else
            {
                Wtf8.Encode(word[at..], bytes, out int written);
                for (int i = 0; i < written; i++) room[count++] = _symbols.SymbolOfByte[bytes[i]];
            }
            at += isPair ? 2 : 1;
        }
        count = _merges.Merge(room.AsSpan(0, count));
        int first = tokens.Count;
        foreach (int symbol in room.AsSpan(0, count))
        {
            if (symbol < _symbols.FirstVirtual) tokens.Add(symbol);
            else AppendBytes(_symbols.CodePointOfSymbol[symbol - _symbols.FirstVirtual], tokens);
        }
        ArrayPool<int>.Shared.Return(room);
        if (isKept) _cache.Add(slot, word, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens)[first..]);
    }

    private void AppendBytes(int point, List<int> tokens)
    {
        Span<char> text = stackalloc char[2];
        Span<byte> bytes = stackalloc byte[4];
        int units = new System.Text.Rune(point).EncodeToUtf16(text);
        Wtf8.Encode(text[..units], bytes, out int written);
        for (int i = 0; i < written; i++) tokens.Add(_symbols.SymbolOfByte[bytes[i]]);
    }
}
