namespace MM1.Native.Inference;

/// <summary>Finds what was probably meant.</summary>
internal static class NearestName
{
    /// <summary>The candidate with the least edit distance, upper and lower case being the same; null without candidates.</summary>
    public static string? Find(string name, IEnumerable<string> candidates) =>
        candidates.MinBy(candidate => Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant()));

    /// <summary>Levenshtein distance.</summary>
    private static int Distance(string first, string second)
    {
        var row = new int[second.Length + 1];
        for (int j = 0; j <= second.Length; j++) row[j] = j;
        for (int i = 1; i <= first.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= second.Length; j++)
            {
                int cost = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (first[i - 1] == second[j - 1] ? 0 : 1));
                diagonal = row[j];
                row[j] = cost;
            }
        }
        return row[second.Length];
    }
}
