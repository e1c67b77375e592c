using System.Globalization;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>How the next token is chosen.</summary>
public sealed record SamplingOptions
{
    /// <summary>The most likely token, always.</summary>
    public static SamplingOptions Greedy { get; } = new();

    /// <summary>Divides the logits; 0 (default) is greedy.</summary>
    public float Temperature { get; init; }

    /// <summary>Only the most likely tokens that together have this probability (default 1: all; Holtzman et al. 2019, arXiv 1904.09751).</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Key of the random numbers.</summary>
    public ulong Seed { get; init; }
}

/// <summary>Chooses tokens from rows of logits; the choice depends on the row, the seed, the sequence's number and its step only.</summary>
internal sealed class Sampler
{
    private readonly SamplingOptions _options;
    private int[] _order = [];
    private double[] _probabilities = [];

    public Sampler(SamplingOptions options)
    {
        if (!(options.Temperature >= 0)) throw new ArgumentException($"The temperature is {options.Temperature}; it must not be negative.", nameof(options));
        if (!(options.TopP is > 0 and <= 1)) throw new ArgumentException($"Top-p is {options.TopP}; it must be above 0 and at most 1.", nameof(options));
        _options = options;
    }

    public int Choose(ReadOnlySpan<float> logits, long sequence, int step)
    {
        int best = ArgMax(logits);
        if (_options.Temperature == 0) return best;
        if (_order.Length != logits.Length) (_order, _probabilities) = (new int[logits.Length], new double[logits.Length]);
        for (int i = 0; i < logits.Length; i++)
        {
            _order[i] = i;
            _probabilities[i] = Math.Exp((logits[i] - (double)logits[best]) / _options.Temperature);
        }
        double sum = 0;
        foreach (double probability in _probabilities) sum += probability;
        double[] weights = _probabilities;
        // Most likely first, ties by lower index, so that top-p cuts a well-defined tail.
        Array.Sort(_order, (a, b) => weights[a] != weights[b] ? weights[b].CompareTo(weights[a]) : a.CompareTo(b));
        double kept = 0;
        int count = 0;
        while (count < _order.Length && (count == 0 || kept < _options.TopP * sum)) kept += weights[_order[count++]];
        double target = Uniform(sequence, step) * kept;
        for (int i = 0; i < count; i++)
        {
            target -= weights[_order[i]];
            if (target < 0) return _order[i];
        }
        return _order[count - 1];
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }

    /// <summary>Uniform in [0, 1): the word of (seed, "generate", sequence's key, step), the engine's one definition of randomness.</summary>
    private double Uniform(long sequence, int step) =>
        RandomKey.Word(_options.Seed, RandomKey.Purpose("generate", sequence.ToString(CultureInfo.InvariantCulture)), (ulong)step) * (1.0 / (1L << 32));
}
