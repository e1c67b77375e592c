using System.Buffers;

namespace MM1.Native.Data;

/// <summary>
/// Byte-level byte-pair encoding, as of GPT-2: text is cut into pieces by a <see cref="MM1.Native.Data.PreTokenizer"/>, a piece's
/// UTF-8 bytes (a lone surrogate: its three WTF-8 bytes) are the first symbols, and pairs are merged by rank. Lossless for every
/// string. Safe for several threads. Made by <see cref="TokenizerFile.Load"/> from <c>tokenizer.json</c>, GPT-2's two files or a
/// <c>.tiktoken</c> file, and by <see cref="BytePairTrainer"/>.
/// </summary>
public sealed class BytePairTokenizer : SubwordTokenizer
{
    private readonly BytePairMerges _merges;
    private readonly int[] _symbolOfByte;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>>? _wholeWords;
    private readonly int _longestWord;
    private readonly TextTokens _textTokens;
    private readonly WordCache _cache = new();

    /// <summary>A tokenizer of checked parts.</summary>
    /// <param name="vocabulary">Bytes of every id.</param>
    /// <param name="special">The special tokens.</param>
    /// <param name="symbolOfByte">The 256 tokens of one byte.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="preTokenizer">Cuts the text.</param>
    /// <param name="wholeWords">Tokens by their bytes as Latin-1: a piece that is one of them is taken without merging. Null: always merged.</param>
    /// <param name="textTokens">Tokens that are found in the text before it is cut.</param>
    /// <param name="save">Writes the file.</param>
    internal BytePairTokenizer(SubwordVocabulary vocabulary, SpecialTokens special, int[] symbolOfByte, BytePairMerges merges, PreTokenizer preTokenizer,
        Dictionary<string, int>? wholeWords, TextTokens textTokens, Action<string> save)
        : base(vocabulary, special, symbolOfByte['\n'], save)
    {
        (_symbolOfByte, _merges, PreTokenizer, _textTokens) = (symbolOfByte, merges, preTokenizer, textTokens);
        if (wholeWords is null) return;
        _wholeWords = wholeWords.GetAlternateLookup<ReadOnlySpan<char>>();
        _longestWord = wholeWords.Keys.Max(static word => word.Length);
    }

    /// <summary>How text is cut into pieces.</summary>
    public PreTokenizer PreTokenizer { get; }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> text, List<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        while (!_textTokens.IsEmpty && _textTokens.TryFind(text, out int start, out int length, out int id))
        {
            EncodePieces(text[..start], tokens);
            tokens.Add(id);
            text = text[(start + length)..];
        }
        EncodePieces(text, tokens);
    }

    private void EncodePieces(ReadOnlySpan<char> text, List<int> tokens)
    {
        while (text.Length > 0)
        {
            int length = PreTokenizer.Next(text);
            ReadOnlySpan<char> piece = text[..length];
            if (length > WordCache.LongestWord) Merge(piece, tokens, 0, isKept: false);
            else if (!_cache.TryAppend(piece, tokens, out uint slot)) Merge(piece, tokens, slot, isKept: true);
            text = text[length..];
        }
    }

    private void Merge(ReadOnlySpan<char> piece, List<int> tokens, uint slot, bool isKept)
    {
        int most = 3 * piece.Length;
        byte[] bytes = ArrayPool<byte>.Shared.Rent(most + 1); // a code point is encoded into four bytes of room
        int[] symbols = ArrayPool<int>.Shared.Rent(most);
        int count = 0;
        for (int at = 0; at < piece.Length;)
        {
            at += Wtf8.Encode(piece[at..], bytes.AsSpan(count), out int written);
            count += written;
        }
        int merged = WholeWord(bytes.AsSpan(0, count));
        if (merged >= 0)
        {
            symbols[0] = merged;
            count = 1;
        }
        else
        {
            for (int i = 0; i < count; i++) symbols[i] = _symbolOfByte[bytes[i]];
            count = _merges.Merge(symbols.AsSpan(0, count));
        }
        tokens.AddRange(symbols.AsSpan(0, count));
        if (isKept) _cache.Add(slot, piece, symbols.AsSpan(0, count));
        ArrayPool<int>.Shared.Return(symbols);
        ArrayPool<byte>.Shared.Return(bytes);
    }

    private int WholeWord(ReadOnlySpan<byte> bytes)
    {
        const int OnStack = 128;
        if (_wholeWords is not { } words || bytes.Length > _longestWord) return -1;
        Span<char> word = bytes.Length <= OnStack ? stackalloc char[OnStack] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++) word[i] = (char)bytes[i];
        return words.TryGetValue(word[..bytes.Length], out int id) ? id : -1;
    }
}
