using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>Random choices of tasks, pure functions of seed and numbers, and the steps after an output.</summary>
internal static class ItemDraws
{
    /// <summary>The numbers from 0 to <paramref name="count"/>, exclusive, in random order.</summary>
    public static int[] Order(int count, ulong seed, string purpose, long number = 0)
    {
        RandomStream random = RandomStream.For(seed, purpose, 0, number);
        int[] order = [.. Enumerable.Range(0, count)];
        random.Shuffle<int>(order);
        return order;
    }

    /// <summary>For each item the item whose image it gets: a random cycle through each group, or through all items where a group has only one.</summary>
    /// <exception cref="ConfigurationException">There are fewer than two items.</exception>
    public static int[] Exchange<T>(string task, IReadOnlyList<T> items, Func<T, string> groupOf, ulong seed)
    {
        if (items.Count < 2) throw new ConfigurationException($"the task '{task}' has {items.Count} item; to exchange images it takes 2 or more");
        bool grouped = items.GroupBy(groupOf).All(static group => group.Count() > 1);
        var imageOf = new int[items.Count];
        foreach (IGrouping<string, int> group in Enumerable.Range(0, items.Count).GroupBy(i => grouped ? groupOf(items[i]) : ""))
        {
            int[] cycle = [.. group];
            RandomStream random = RandomStream.For(seed, "blind/" + group.Key);
            random.Shuffle<int>(cycle);
            for (int k = 0; k < cycle.Length; k++) imageOf[cycle[k]] = cycle[(k + 1) % cycle.Length];
        }
        return imageOf;
    }

    /// <summary>An output after the steps, in their order.</summary>
    public static string Apply(this IReadOnlyList<PostprocessStep> steps, string output)
    {
        foreach (PostprocessStep step in steps)
        {
            output = step switch
            {
                PostprocessStep.Trim => output.Trim(),
                PostprocessStep.LowerCase => output.ToLowerInvariant(),
                PostprocessStep.RemoveFullStop => output.EndsWith('.') ? output[..^1] : output,
                _ => output.IndexOf('.', StringComparison.Ordinal) is >= 0 and int at ? output[..at] : output,
            };
        }
        return output;
    }
}
