namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The words, as signed numbers, whose normal values lie between two bounds. Truncation by inversion is then a multiplication of integers: a
/// word is mapped onto the range in proportion, and no distribution function is needed, which no two libraries compute alike.
/// </summary>
internal unsafe struct WordRange
{
    public int First;
    /// <summary>Words in the range less one, so that the full range fits.</summary>
    public uint Last;

    /// <summary>Finds the words by bisection over the very function that converts them; false if there are none.</summary>
    public static bool TryFind(float mean, float standardDeviation, float low, float high, out WordRange range)
    {
        long first = Boundary(mean, standardDeviation, low, orEqual: true), end = Boundary(mean, standardDeviation, high, orEqual: false);
        range = new WordRange { First = (int)first, Last = (uint)(end - first - 1) };
        return first < end;
    }

    /// <summary>word = First + floor(word * (Last + 1) / 2^32).</summary>
    public readonly void Map(uint* words, int count)
    {
        for (int i = 0; i < count; i++) words[i] = (uint)First + (uint)(((ulong)words[i] * Last + words[i]) >> 32);
    }

    /// <summary>The least k in [-2^31, 2^31] whose value is above the bound (or equal to it); 2^31 if none is.</summary>
    private static long Boundary(float mean, float standardDeviation, float bound, bool orEqual)
    {
        long below = int.MinValue, above = 1L + int.MaxValue;
        while (below < above)
        {
            long middle = (below + above) >> 1;
            RandomConversion.Symmetric((int)middle, out float x, out float y);
            float value = MathF.FusedMultiplyAdd(RandomConversion.Normal<SimdScalar>(new(x), new(y)).Value, standardDeviation, mean);
            if (orEqual ? value >= bound : value > bound) above = middle;
            else below = middle + 1;
        }
        return below;
    }
}
