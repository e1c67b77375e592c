namespace MM1.Native.Cli;

/// <summary>The nearest of some names to a misspelt one.</summary>
internal static class Nearest
{
    /// <summary>The name with the fewest edits, or null where more than a third of it would change.</summary>
    public static string? Of(string given, IEnumerable<string> names)
    {
        string? best = null;
        int fewest = int.MaxValue;
        foreach (string name in names)
        {
            int edits = Distance(given, name);
            if (edits < fewest && edits <= Math.Max(2, name.Length / 3)) (best, fewest) = (name, edits);
        }
        return best;
    }

    /// <summary>Levenshtein distance, cases alike.</summary>
    private static int Distance(string first, string second)
    {
        int[] row = [.. Enumerable.Range(0, second.Length + 1)];
        for (int i = 1; i <= first.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= second.Length; j++)
            {
                int replaced = diagonal + (char.ToLowerInvariant(first[i - 1]) == char.ToLowerInvariant(second[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[^1];
    }
}
