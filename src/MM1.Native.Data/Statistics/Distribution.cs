namespace MM1.Native.Data;

/// <summary>How numbers are spread.</summary>
/// <param name="Count">How many numbers.</param>
/// <param name="Sum">Their sum.</param>
/// <param name="Least">The least.</param>
/// <param name="Median">The one in the middle; of two the upper.</param>
/// <param name="Percentile95">The one that 95% do not exceed.</param>
/// <param name="Greatest">The greatest.</param>
public readonly record struct Distribution(long Count, double Sum, double Least, double Median, double Percentile95, double Greatest)
{
    /// <summary>The mean; 0 of no numbers.</summary>
    public double Mean => Count == 0 ? 0 : Sum / Count;

    /// <summary>The distribution of numbers, which are sorted in place.</summary>
    internal static Distribution Of(List<double> values)
    {
        if (values.Count == 0) return default;
        values.Sort(); // and the sum does not depend on who counted first
        double sum = 0;
        foreach (double value in values) sum += value;
        return new Distribution(values.Count, sum, values[0], values[values.Count / 2], values[(int)Math.Ceiling(0.95 * values.Count) - 1], values[^1]);
    }
}
