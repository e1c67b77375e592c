using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>SentencePiece <c>.model</c> files to tokenizers.</summary>
internal static class SentencePieceFile
{
    private const char Escape = '▁';

    /// <summary>Builds the tokenizer of a model.</summary>
    /// <exception cref="InvalidDataException">The model is damaged or of a kind that cannot be read.</exception>
    public static SentencePieceTokenizer Load(string path, ReadOnlyMemory<byte> content, TokenizerOptions options)
    {
        SentencePieceModel model = SentencePieceModel.Parse(path, content.Span);
        List<SentencePiece> pieces = model.Pieces;
        var idOf = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < pieces.Count; id++) idOf.Add(pieces[id].Text, id);
        SpecialTokens special = SpecialTokens.Resolve(path, options, pieces.Count,
            name => idOf.TryGetValue(name, out int id) && pieces[id].Type is SentencePieceType.Control or SentencePieceType.UserDefined ? id : -1, idOf.ContainsKey);

        var vocabulary = new SubwordVocabulary(pieces.Count);
        var textTokens = new List<(string, int)>();
        var symbolOf = new Dictionary<string, int>(StringComparer.Ordinal);
        var symbolOfByte = new int[256];
        Array.Fill(symbolOfByte, -1);
        for (int id = 0; id < pieces.Count; id++)
        {
            (string text, _, SentencePieceType type) = pieces[id];
            if (special.Contains(id) || type is SentencePieceType.Control or SentencePieceType.Unknown)
            {
                vocabulary.AddSpecial(text);
                continue;
            }
            vocabulary.Add(Bytes(text, model.EscapesSpaces));
            if (type == SentencePieceType.UserDefined) textTokens.Add((text, id));
            else if (type == SentencePieceType.Normal) symbolOf.Add(text, id);
            else if (TryByte(text, out byte value)) symbolOfByte[value] = id;
            else throw new InvalidDataException($"'{path}': piece {id}, '{text}', is of type BYTE and not of the form <0x2A>");
        }
        int missing = Array.IndexOf(symbolOfByte, -1);
        if (missing >= 0) throw new InvalidDataException($"'{path}' has no piece <0x{missing:X2}>, which byte fallback needs");
        if (model.EscapesSpaces && !symbolOf.ContainsKey(Escape.ToString())) throw new InvalidDataException($"'{path}' has no piece '{Escape}': a space would not come back as one");
        int firstVirtual = pieces.Count + special.Appended.Count;
        (SentencePieceSymbols symbols, List<BytePairMerge> merges) = Symbols(pieces, symbolOf, symbolOfByte, firstVirtual);
        bool wordsAreApart = model.EscapesSpaces && symbolOf.Keys.All(static text => !CrossesWords(text));
        var document = new TokenizerDocument
        {
            Format = TokenizerDocument.SentencePieceFormat,
            Special = special.Names,
            Model = content.ToArray(),
        };
        return new SentencePieceTokenizer(vocabulary, special, new SentencePieceRules(model.HasPrefix, model.EscapesSpaces, MatchesAfterNormalizing: true), symbols,
            new BytePairMerges(merges), wordsAreApart, new TextTokens(textTokens), target => TokenizerFile.Save(target, document));
    }

    /// <summary>
    /// Two symbols merge when their texts together are a piece, by the piece's score; a character that stands in pieces without being
    /// one is a symbol of its own, which is written as bytes where it is left over.
    /// </summary>
    private static (SentencePieceSymbols Symbols, List<BytePairMerge> Merges) Symbols(List<SentencePiece> pieces, Dictionary<string, int> symbolOf, int[] symbolOfByte, int firstVirtual)
    {
        string[] known = [.. symbolOf.Keys];
        var virtuals = new List<int>();
        var symbolOfCodePoint = new Dictionary<int, int>();
        foreach (string text in known)
        {
            foreach (Rune rune in text.EnumerateRunes())
            {
                string letter = rune.ToString();
                if (!symbolOf.TryGetValue(letter, out int symbol))
                {
                    symbolOf.Add(letter, symbol = firstVirtual + virtuals.Count);
                    virtuals.Add(rune.Value);
                }
                symbolOfCodePoint.TryAdd(rune.Value, symbol);
            }
        }
        var rankOf = new Dictionary<float, int>();
        foreach (float score in known.Select(text => pieces[symbolOf[text]].Score).Distinct().OrderDescending()) rankOf.Add(score, rankOf.Count);
        List<BytePairMerge> merges = Concatenations(known.Select(text => (text, rankOf[pieces[symbolOf[text]].Score])), symbolOf);
        return (new SentencePieceSymbols(symbolOfCodePoint, [.. virtuals], firstVirtual, symbolOfByte), merges);
    }

    /// <summary>Every pair of symbols whose texts together are one of the given, with its rank.</summary>
    internal static List<BytePairMerge> Concatenations(IEnumerable<(string Text, int Rank)> results, Dictionary<string, int> symbolOf)
    {
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup = symbolOf.GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<BytePairMerge>();
        foreach ((string text, int rank) in results)
        {
            for (int cut = 1; cut < text.Length; cut++)
            {
                if (lookup.TryGetValue(text.AsSpan(0, cut), out int left) && lookup.TryGetValue(text.AsSpan(cut), out int right))
                    merges.Add(new BytePairMerge(left, right, rank, symbolOf[text]));
            }
        }
        return merges;
    }

    /// <summary>The UTF-8 of a piece's text.</summary>
    internal static byte[] Bytes(string piece, bool escapesSpaces) =>
        TryByte(piece, out byte value) ? [value] : Encoding.UTF8.GetBytes(escapesSpaces ? piece.Replace(Escape, ' ') : piece);

    /// <summary>Whether a piece is <c>&lt;0x2A&gt;</c>, its digits in capitals.</summary>
    internal static bool TryByte(string piece, out byte value)
    {
        value = 0;
        return piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>' && !piece.AsSpan(3, 2).ContainsAnyInRange('a', 'f')
            && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Whether a piece has a <c>▁</c> after another character.</summary>
    internal static bool CrossesWords(string piece) => piece.AsSpan().TrimStart(Escape).Contains(Escape);
}
