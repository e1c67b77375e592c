namespace MM1.Native.Autograd;

/// <summary>What was probably meant by a name that does not exist: for messages.</summary>
public static class NearestName
{
    /// <summary>The candidate with the fewest edits, upper and lower case being the same (the case decides between equals); null without candidates.</summary>
    public static string? Find(string name, IEnumerable<string> candidates)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(candidates);
        return candidates.MinBy(candidate => (Distance(name, candidate, ignoreCase: true), Distance(name, candidate, ignoreCase: false)));
    }

    /// <summary>As <see cref="Find"/>; null also where more than a third of the name would have to change, so that it hardly was meant.</summary>
    public static string? FindSimilar(string name, IEnumerable<string> candidates) =>
        Find(name, candidates) is { } nearest && Distance(name, nearest, ignoreCase: true) <= Math.Max(2, nearest.Length / 3) ? nearest : null;

    /// <summary>Levenshtein distance.</summary>
    private static int Distance(string first, string second, bool ignoreCase)
    {
        var row = new int[second.Length + 1];
        for (int j = 0; j <= second.Length; j++) row[j] = j;
        for (int i = 1; i <= first.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= second.Length; j++)
            {
                char a = first[i - 1], b = second[j - 1];
                bool same = a == b || (ignoreCase && char.ToUpperInvariant(a) == char.ToUpperInvariant(b));
                int cost = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (same ? 0 : 1));
                diagonal = row[j];
                row[j] = cost;
            }
        }
        return row[second.Length];
    }
}
