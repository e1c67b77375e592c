namespace MM1.Native.Autograd.Tests;

/// <summary>Comparison of values that were computed in two orders of float32 operations.</summary>
internal static class Close
{
    /// <summary>Throws where two arrays differ by more than some roundings of an element or of the root mean square.</summary>
    public static void Check(string what, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double roundings = 16)
    {
        if (actual.Length != expected.Length) throw new InvalidOperationException($"{what}: {actual.Length} values, expected {expected.Length}.");
        double signal = 0;
        foreach (float value in expected) signal += (double)value * value;
        double root = Math.Sqrt(signal / Math.Max(1, expected.Length));
        for (int i = 0; i < expected.Length; i++)
        {
            double allowed = roundings * 5.96e-8 * (Math.Abs(expected[i]) + root);
            if (!(Math.Abs((double)actual[i] - expected[i]) <= allowed))
                throw new InvalidOperationException($"{what}[{i}] is {actual[i]:R}, expected {expected[i]:R} within {allowed:E2}.");
        }
    }
}
