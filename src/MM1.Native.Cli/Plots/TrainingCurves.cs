namespace MM1.Native.Cli;

/// <summary>What a run's plots show, gathered from its events or from its <c>metrics.jsonl</c>.</summary>
internal sealed class TrainingCurves
{
    /// <summary>Loss by step.</summary>
    public Curve Loss { get; } = new("loss");

    /// <summary>Loss of each source by step.</summary>
    public SortedDictionary<string, Curve> LossBySource { get; } = new(StringComparer.Ordinal);

    /// <summary>Learning rate by step.</summary>
    public Curve LearningRate { get; } = new("learning rate");

    /// <summary>Gradient norm by step, before clipping.</summary>
    public Curve GradientNorm { get; } = new("gradient norm");

    /// <summary>Metrics of evaluations by step.</summary>
    public SortedDictionary<string, Curve> Evaluations { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds a step.</summary>
    public void AddStep(long step, double loss, IEnumerable<KeyValuePair<string, double>> bySource, double learningRate, double gradientNorm)
    {
        Loss.Add(step, loss);
        LearningRate.Add(step, learningRate);
        GradientNorm.Add(step, gradientNorm);
        foreach ((string source, double value) in bySource) Of(LossBySource, source).Add(step, value);
    }

    /// <summary>Adds a metric of an evaluation. Shares of right answers are drawn; parts of them (by kind of question) and counts are not.</summary>
    public void AddEvaluation(long step, string name, string metric, double value)
    {
        if (value is >= 0 and <= 1 && !metric.StartsWith("accuracy_", StringComparison.Ordinal)) Of(Evaluations, $"{name} {metric}").Add(step, value);
    }

    private static Curve Of(SortedDictionary<string, Curve> curves, string name)
    {
        if (!curves.TryGetValue(name, out Curve? curve)) curves[name] = curve = new Curve(name);
        return curve;
    }
}

/// <summary>Values by step. A step that comes again (after a resume) replaces what was there from it on.</summary>
internal sealed class Curve(string name)
{
    private readonly List<double> _steps = [], _values = [];

    /// <summary>What it is.</summary>
    public string Name { get; } = name;

    /// <summary>Steps, ascending.</summary>
    public IReadOnlyList<double> Steps => _steps;

    /// <summary>Values.</summary>
    public IReadOnlyList<double> Values => _values;

    /// <summary>Adds a value; what is not finite leaves a gap.</summary>
    public void Add(long step, double value)
    {
        int from = _steps.Count;
        while (from > 0 && _steps[from - 1] >= step) from--;
        _steps.RemoveRange(from, _steps.Count - from);
        _values.RemoveRange(from, _values.Count - from);
        if (!double.IsFinite(value)) return;
        _steps.Add(step);
        _values.Add(value);
    }

    /// <summary>The points that a logarithmic axis can show.</summary>
    public Curve Positive()
    {
        var positive = new Curve(Name);
        for (int i = 0; i < _values.Count; i++)
            if (_values[i] > 0) positive.Add((long)_steps[i], _values[i]);
        return positive;
    }

    /// <summary>The curve with an exponential mean over about so many points, corrected at its beginning.</summary>
    public double[] Smooth(int points)
    {
        double keep = 1 - 1.0 / Math.Max(1, points), mean = 0, weight = 0;
        var smooth = new double[_values.Count];
        for (int i = 0; i < smooth.Length; i++)
        {
            (mean, weight) = (keep * mean + (1 - keep) * _values[i], keep * weight + 1 - keep);
            smooth[i] = mean / weight;
        }
        return smooth;
    }
}
