using System.Numerics;

namespace MM1.Native.TestSupport;

/// <summary>Seeded test data; float32 values, so that the same numbers go into a kernel and its float64 reference exactly.</summary>
public static class Samples
{
    public static float[] Normal(int seed, long count, double scale = 1)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(scale * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }

    public static int[] Integers(int seed, long count, int below)
    {
        var random = new Random(seed);
        var values = new int[count];
        for (int i = 0; i < values.Length; i++) values[i] = random.Next(below);
        return values;
    }

    public static T[] As<T>(ReadOnlySpan<float> values) where T : INumberBase<T>
    {
        var converted = new T[values.Length];
        for (int i = 0; i < values.Length; i++) converted[i] = T.CreateChecked(values[i]);
        return converted;
    }
}
