using System.Numerics;

namespace MM1.Native.TestSupport;

/// <summary>
/// The error rule: against a float64 reference, a kernel may have at most twice the largest error of a straightforward
/// implementation in the kernel's precision, plus a floor of a few roundings of the signal's own size.
/// </summary>
public static class Agreement
{
    private const double FloorRoundings = 8;

    /// <summary>Throws with the worst element unless the rule holds.</summary>
    /// <param name="what">Names the value in the message.</param>
    /// <param name="actual">The kernel's.</param>
    /// <param name="reference">The same computed in float64.</param>
    /// <param name="straightforward">The same by the reference's code in float32.</param>
    /// <param name="epsilon">Rounding unit of the precision that the kernel computes in (float32 by default).</param>
    /// <param name="stored">Rounding unit of a narrower type in which the result is stored: every element may be rounded once to it.</param>
    public static void Check(string what, ReadOnlySpan<float> actual, ReadOnlySpan<double> reference, ReadOnlySpan<float> straightforward, double epsilon = 5.96e-8, double stored = 0)
    {
        if (actual.Length != reference.Length || actual.Length != straightforward.Length)
            throw new ArgumentException($"{what}: lengths {actual.Length}, {reference.Length}, {straightforward.Length} differ.");
        double signal = 0, allowed = 0;
        int finite = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            if (!double.IsFinite(reference[i])) continue;
            finite++;
            signal += reference[i] * reference[i];
            if (float.IsFinite(straightforward[i])) allowed = Math.Max(allowed, Math.Abs(straightforward[i] - reference[i]));
        }
        double floor = FloorRoundings * epsilon * Math.Sqrt(signal / Math.Max(finite, 1)), bound = 2 * allowed + floor;
        for (int i = 0; i < reference.Length; i++)
        {
            if (double.IsFinite(reference[i]))
            {
                // Elements far above the signal's root mean square round in proportion to themselves.
                double limit = Math.Max(bound, FloorRoundings * epsilon * Math.Abs(reference[i]));
                if (stored > 0) limit = Math.Max(limit, stored * Math.Abs(reference[i]) + floor);
                if (!(Math.Abs(actual[i] - reference[i]) <= limit))
                    throw new InvalidOperationException($"{what}[{i}] is {actual[i]:R}; float64 gives {reference[i]:R}, float32 {straightforward[i]:R}; allowed error {limit:E2}.");
            }
            else if (!actual[i].Equals((float)reference[i]))
            {
                throw new InvalidOperationException($"{what}[{i}] is {actual[i]:R}; float64 gives {reference[i]:R}.");
            }
        }
    }

    /// <summary>Throws unless both are the same bits.</summary>
    public static void CheckBitwise(string what, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        if (actual.Length != expected.Length) throw new ArgumentException($"{what}: lengths {actual.Length}, {expected.Length} differ.");
        for (int i = 0; i < actual.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(actual[i]) != BitConverter.SingleToInt32Bits(expected[i]))
                throw new InvalidOperationException($"{what}[{i}] is {actual[i]:R}, not the same bits as {expected[i]:R}.");
        }
    }

    /// <summary>
    /// Checks a float64 gradient against central differences of <paramref name="function"/> at every element of
    /// <paramref name="x"/> (or <paramref name="samples"/> random ones).
    /// </summary>
    public static void CheckFiniteDifferences(string what, Func<double[], double> function, double[] x, ReadOnlySpan<double> gradient,
        int samples = 64, double step = 1e-5, double tolerance = 1e-6)
    {
        if (gradient.Length != x.Length) throw new ArgumentException($"{what}: {gradient.Length} gradients for {x.Length} elements.");
        double scale = 0;
        foreach (double g in gradient) scale = Math.Max(scale, Math.Abs(g));
        var random = new Random(17);
        int count = Math.Min(samples, x.Length);
        for (int s = 0; s < count; s++)
        {
            int i = x.Length <= samples ? s : random.Next(x.Length);
            double saved = x[i], h = step * Math.Max(1, Math.Abs(saved));
            x[i] = saved + h;
            double up = function(x);
            x[i] = saved - h;
            double down = function(x);
            x[i] = saved;
            double numeric = (up - down) / (2 * h);
            if (!(Math.Abs(numeric - gradient[i]) <= tolerance * Math.Max(scale, 1e-3)))
                throw new InvalidOperationException($"{what}[{i}]: the reference's gradient is {gradient[i]:R}, finite differences give {numeric:R}.");
        }
    }
}
