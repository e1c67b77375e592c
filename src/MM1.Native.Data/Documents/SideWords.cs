using System.Buffers;

namespace MM1.Native.Data;

/// <summary>Finds English words that are false of a mirrored image.</summary>
internal static class SideWords
{
    private static readonly SearchValues<string> Stems = SearchValues.Create(["left", "right", "clockwise"], StringComparison.OrdinalIgnoreCase);
    private static readonly string[] Endings = ["", "s", "most", "hand", "handed", "ward", "wards", "side"];

    /// <summary>Whether a text says left, right, leftmost, right-hand, counterclockwise and the like, as words: <c>bright</c> is none of them.</summary>
    internal static bool In(ReadOnlySpan<char> text)
    {
        while (text.IndexOfAny(Stems) is >= 0 and int at)
        {
            int start = at, end = at;
            while (start > 0 && char.IsAsciiLetter(text[start - 1])) start--;
            while (end < text.Length && char.IsAsciiLetter(text[end])) end++;
            if (Is(text[start..end])) return true;
            text = text[end..];
        }
        return false;
    }

    private static bool Is(ReadOnlySpan<char> word)
    {
        if (word.EndsWith("clockwise", StringComparison.OrdinalIgnoreCase)) return true;
        ReadOnlySpan<char> ending = word.StartsWith("left", StringComparison.OrdinalIgnoreCase) ? word[4..] : word.StartsWith("right", StringComparison.OrdinalIgnoreCase) ? word[5..] : "none";
        foreach (string known in Endings)
            if (ending.Equals(known, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }
}
