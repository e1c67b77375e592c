namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// One side of a bicubic interpolation with half-pixel centres, as PyTorch does it. Plain: four taps of Keys' cubic
/// (a = -0.75), border samples repeated. Antialiased: a = -0.5, the filter as much wider as the grid shrinks, cut off at the
/// border and normalized.
/// </summary>
internal readonly struct CubicAxis(long input, long output, bool antialias)
{
    private readonly double _scale = (double)input / output;
    private readonly double _support = antialias && input > output ? 2.0 * input / output : 2;

    /// <summary>The filter of one new position.</summary>
    public CubicFilter At(long index)
    {
        CubicFilter filter = BeforeNormalization(index);
        return antialias ? filter.DividedBy(filter.Total()) : filter;
    }

    /// <summary>The sample that a tap reads.</summary>
    public long Clamp(long tap) => Math.Clamp(tap, 0, input - 1);

    /// <summary>New positions [first, end) that may read sample <paramref name="index"/>; some at the ends may not.</summary>
    public void Readers(long index, out long first, out long end)
    {
        double reach = _support + 1;
        first = Math.Clamp((long)Math.Floor((index + 0.5 - reach) / _scale - 0.5), 0, output);
        end = Math.Clamp((long)Math.Ceiling((index + 0.5 + reach) / _scale - 0.5) + 1, 0, output);
    }

    /// <summary>The weight of sample <paramref name="index"/> in new position <paramref name="reader"/>, repeats at the border included.</summary>
    public double Coefficient(long reader, long index)
    {
        CubicFilter filter = BeforeNormalization(reader);
        long begin = index == 0 ? filter.First : Math.Max(filter.First, index), end = index == input - 1 ? filter.End : Math.Min(filter.End, index + 1);
        double sum = 0;
        for (long tap = begin; tap < end; tap++) sum += filter.Weight(tap);
        return antialias && sum != 0 ? sum / filter.Total() : sum;
    }

    private CubicFilter BeforeNormalization(long index)
    {
        double center = _scale * (index + 0.5);
        if (antialias)
            return new CubicFilter(Math.Max((long)(center - _support + 0.5), 0), Math.Min((long)(center + _support + 0.5), input), center, 2 / _support, 1, -0.5);
        long first = (long)Math.Floor(center - 0.5) - 1;
        return new CubicFilter(first, first + 4, center, 1, 1, -0.75);
    }
}

/// <summary>Taps [First, End) of one new position on one side.</summary>
internal readonly struct CubicFilter(long first, long end, double center, double narrowing, double factor, double a)
{
    public readonly long First = first;
    public readonly long End = end;

    public double Total()
    {
        double total = 0;
        for (long tap = First; tap < End; tap++) total += Weight(tap);
        return total;
    }

    public CubicFilter DividedBy(double divisor) => new(First, End, center, narrowing, factor / divisor, a);

    /// <summary>Keys' piecewise cubic (1981) at the tap's distance from the centre.</summary>
    public double Weight(long tap)
    {
        double x = Math.Abs((tap + 0.5 - center) * narrowing);
        if (x <= 1) return factor * (((a + 2) * x - (a + 3)) * x * x + 1);
        return x < 2 ? factor * a * (((x - 5) * x + 8) * x - 4) : 0;
    }
}
