using System.Runtime.CompilerServices;

namespace MM1.Native.Data;

/// <summary>
/// A deterministic stream of random numbers (SplitMix64, Steele et al. 2014), keyed by (seed, purpose, epoch, index): the same
/// bits on every machine, and no stream depends on how much of another was used. A mutable struct: pass it by reference.
/// </summary>
public struct RandomStream
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private ulong _state;

    private RandomStream(ulong state) => _state = state;

    /// <summary>The stream of one document, sequence or item.</summary>
    /// <param name="seed">The seed of the run or of the world.</param>
    /// <param name="purpose">What the numbers are for; different purposes are independent.</param>
    /// <param name="epoch">The pass over the data.</param>
    /// <param name="index">The number of the item in its epoch.</param>
    public static RandomStream For(ulong seed, string purpose, long epoch = 0, long index = 0)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        ulong hash = 0xCBF29CE484222325; // FNV-1a over UTF-16 units
        foreach (char unit in purpose) hash = (hash ^ unit) * 0x100000001B3;
        ulong key = Mix(Mix(Mix(Mix(seed + Golden) ^ hash) + (ulong)epoch) + (ulong)index);
        return new RandomStream(key);
    }

    /// <summary>The next 64 random bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Next() => Mix(_state += Golden);

    /// <summary>An integer in [0, <paramref name="bound"/>).</summary>
    public int Below(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        return (int)Math.BigMul(Next(), (ulong)bound, out _);
    }

    /// <summary>A number in [0, 1).</summary>
    public double Uniform() => (Next() >> 11) * (1.0 / (1ul << 53));

    /// <summary>A number in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double Uniform(double low, double high) => low + (high - low) * Uniform();

    /// <summary>True with the given probability.</summary>
    public bool Chance(double probability) => Uniform() < probability;

    /// <summary>One of the choices, each as likely.</summary>
    public T Pick<T>(ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    /// <summary>An index drawn in proportion to the weights (their sum must be positive).</summary>
    public int Weighted(ReadOnlySpan<double> weights)
    {
        double sum = 0;
        foreach (double weight in weights) sum += weight;
        double at = Uniform() * sum;
        int last = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] <= 0) continue;
            last = i;
            if ((at -= weights[i]) < 0) return i;
        }
        return last;
    }

    /// <summary>Puts the items into random order (Fisher-Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int other = Below(i + 1);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
