namespace MM1.Native.Training;

/// <summary>
/// How far a value lies from those before it, in standard deviations (after llm.c's outlier_detector.h). Outliers are not
/// taken into the window: one of them would blind the detector for as long as the window is.
/// </summary>
internal sealed class OutlierDetector(int window)
{
    // Values that hardly move have a tiny deviation: a hundredth of their mean is never an outlier at 6 deviations of that.
    private const double LeastRelativeDeviation = 0.01;

    private readonly Queue<double> _values = new(window);

    /// <summary>The window, oldest first.</summary>
    public IReadOnlyCollection<double> Values => _values;

    /// <summary>Whether enough values are known to judge another.</summary>
    public bool IsReady => _values.Count == window;

    /// <summary>The value that lies a number of deviations above the mean; infinite before the window is full.</summary>
    public double Threshold(double deviations)
    {
        if (!IsReady) return double.PositiveInfinity;
        (double mean, double deviation) = Moments();
        return mean + deviations * deviation;
    }

    /// <summary>Deviations above the mean; 0 before the window is full.</summary>
    public double Score(double value)
    {
        if (!IsReady) return 0;
        (double mean, double deviation) = Moments();
        return deviation == 0 ? value > mean ? double.PositiveInfinity : 0 : (value - mean) / deviation;
    }

    /// <summary>Takes a value into the window.</summary>
    public void Add(double value)
    {
        if (_values.Count == window) _values.Dequeue();
        _values.Enqueue(value);
    }

    /// <summary>Replaces the window.</summary>
    public void Load(IEnumerable<double> values)
    {
        _values.Clear();
        foreach (double value in values) Add(value);
    }

    private (double Mean, double Deviation) Moments()
    {
        double mean = 0, squares = 0;
        foreach (double value in _values) mean += value;
        mean /= _values.Count;
        foreach (double value in _values) squares += (value - mean) * (value - mean);
        return (mean, Math.Max(Math.Sqrt(squares / _values.Count), LeastRelativeDeviation * Math.Abs(mean)));
    }
}
