namespace MM1.Native.Data;

/// <summary>
/// For each output pixel of one side the inputs that it is made of and their weights in fixed point, as Pillow's <c>precompute_coeffs</c> and
/// <c>normalize_coeffs_8bpc</c> make them: Keys' cubic with a = -0.5, widened when shrinking, weights of 22 fractional bits.
/// </summary>
internal sealed class BicubicCoefficients
{
    /// <summary>Fractional bits of a weight.</summary>
    internal const int PrecisionBits = 32 - 8 - 2;
    private const double Support = 2.0;
    private readonly int[] _weights;
    private readonly (int First, int Count)[] _ranges;
    private readonly int _width;

    /// <summary>The weights of the outputs [<paramref name="start"/>, start + <paramref name="count"/>) of a side of <paramref name="inputs"/> pixels made <paramref name="outputs"/>.</summary>
    internal BicubicCoefficients(int inputs, int outputs, int start, int count)
    {
        Outputs = count;
        double scale = (double)inputs / outputs, filterScale = Math.Max(scale, 1.0), support = Support * filterScale, inverse = 1.0 / filterScale;
        _width = (int)Math.Ceiling(support) * 2 + 1;
        _weights = new int[checked(count * _width)];
        _ranges = new (int, int)[count];
        double[] real = new double[_width];
        for (int x = 0; x < count; x++)
        {
            double center = (start + x + 0.5) * scale, sum = 0;
            int first = Math.Max((int)(center - support + 0.5), 0), taps = Math.Min((int)(center + support + 0.5), inputs) - first;
            for (int k = 0; k < taps; k++)
            {
                real[k] = Filter((k + first - center + 0.5) * inverse);
                sum += real[k];
            }
            for (int k = 0; k < taps; k++)
            {
                double weight = sum != 0 ? real[k] / sum : real[k];
                _weights[x * _width + k] = (int)((weight < 0 ? -0.5 : 0.5) + weight * (1 << PrecisionBits));
            }
            _ranges[x] = (first, taps);
            MaximumTaps = Math.Max(MaximumTaps, taps);
        }
    }

    /// <summary>Output pixels.</summary>
    internal int Outputs { get; }

    /// <summary>Inputs of one output pixel at most.</summary>
    internal int MaximumTaps { get; }

    /// <summary>The first input that any output needs.</summary>
    internal int FirstInput => _ranges[0].First;

    /// <summary>One past the last input that any output needs.</summary>
    internal int EndInput => _ranges[^1].First + _ranges[^1].Count;

    /// <summary>The weights of an output and the first input that they belong to.</summary>
    internal ReadOnlySpan<int> Of(int output, out int first)
    {
        (first, int count) = _ranges[output];
        return _weights.AsSpan(output * _width, count);
    }

    /// <summary>Keys' cubic kernel with a = -0.5.</summary>
    private static double Filter(double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        if (x < 1.0) return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
        return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * A : 0.0;
    }
}
