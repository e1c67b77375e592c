using System.Buffers;

namespace MM1.Native.Data;

/// <summary>Tokens that are found in the text itself before anything is cut or merged: the leftmost, of those the longest.</summary>
internal sealed class TextTokens
{
    private readonly Dictionary<char, (string Text, int Id)[]> _byFirst;
    private readonly SearchValues<char> _firsts;

    public TextTokens(IEnumerable<(string Text, int Id)> tokens)
    {
        _byFirst = tokens.GroupBy(static token => token.Text[0]).ToDictionary(static group => group.Key, static group => group.OrderByDescending(static token => token.Text.Length).ToArray());
        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    public bool IsEmpty => _byFirst.Count == 0;

    /// <summary>The first of them in a text: where it begins, its UTF-16 units and its id.</summary>
    public bool TryFind(ReadOnlySpan<char> text, out int start, out int length, out int id)
    {
        for (start = 0; start < text.Length; start++)
        {
            int skip = text[start..].IndexOfAny(_firsts);
            if (skip < 0) break;
            start += skip;
            foreach ((string token, int tokenId) in _byFirst[text[start]])
            {
                if (!text[start..].StartsWith(token, StringComparison.Ordinal)) continue;
                (length, id) = (token.Length, tokenId);
                return true;
            }
        }
        (length, id) = (0, -1);
        return false;
    }
}
