using System.Globalization;

namespace MM1.Native.Training;

/// <summary>Why a step changed nothing.</summary>
public enum SkipCause
{
    /// <summary>The loss is NaN or infinite.</summary>
    LossNotFinite,
    /// <summary>The gradient norm is NaN or infinite.</summary>
    GradientNotFinite,
    /// <summary>The loss is an outlier.</summary>
    LossSpike,
    /// <summary>The gradient norm is an outlier.</summary>
    GradientSpike,
}

/// <summary>State of the guard, part of a checkpoint.</summary>
public sealed record GuardState
{
    /// <summary>Losses of the window, oldest first.</summary>
    public IReadOnlyList<double> Losses { get; init; } = [];

    /// <summary>Gradient norms of the window, oldest first.</summary>
    public IReadOnlyList<double> GradientNorms { get; init; } = [];

    /// <summary>Steps skipped so far.</summary>
    public long Skips { get; init; }

    /// <summary>Steps skipped in a row.</summary>
    public int SkipsInARow { get; init; }
}

/// <summary>Decides which steps are skipped. The rule for the loss is applied before the update; the one for the gradient norm is a threshold that the device compares with.</summary>
internal sealed class SpikeGuard
{
    private readonly GuardConfig _config;
    private readonly OutlierDetector _losses;
    private readonly OutlierDetector _norms;

    public SpikeGuard(GuardConfig config, GuardState? state = null)
    {
        _config = config;
        (_losses, _norms) = (new OutlierDetector(config.Window), new OutlierDetector(config.Window));
        if (state is null) return;
        _losses.Load(state.Losses);
        _norms.Load(state.GradientNorms);
        (Skips, SkipsInARow) = (state.Skips, state.SkipsInARow);
    }

    /// <summary>Steps skipped so far.</summary>
    public long Skips { get; private set; }

    /// <summary>Steps skipped in a row.</summary>
    public int SkipsInARow { get; private set; }

    /// <summary>Whether more steps were skipped in a row than are allowed.</summary>
    public bool IsExhausted => SkipsInARow > _config.MaximumSkips;

    /// <summary>Gradient norms above this are skipped; infinite while nothing is an outlier.</summary>
    public double GradientNormLimit => _config.ZScore > 0 ? _norms.Threshold(_config.ZScore) : double.PositiveInfinity;

    /// <summary>What keeps a loss from being learned from, or null.</summary>
    public SkipCause? JudgeLoss(double loss)
    {
        if (!double.IsFinite(loss)) return SkipCause.LossNotFinite;
        return _config.ZScore > 0 && _losses.Score(loss) > _config.ZScore ? SkipCause.LossSpike : null;
    }

    /// <summary>Takes in a step that was made.</summary>
    public void Accept(double loss, double gradientNorm)
    {
        _losses.Add(loss);
        _norms.Add(gradientNorm);
        SkipsInARow = 0;
    }

    /// <summary>Counts a step that was skipped.</summary>
    public void Skip()
    {
        Skips++;
        SkipsInARow++;
    }

    /// <summary>What a skipped step's message says.</summary>
    public string Describe(SkipCause cause, double loss, double gradientNorm) => cause switch
    {
        SkipCause.LossNotFinite => string.Create(CultureInfo.InvariantCulture, $"the loss is {loss}"),
        SkipCause.GradientNotFinite => string.Create(CultureInfo.InvariantCulture, $"the gradient norm is {gradientNorm}"),
        SkipCause.LossSpike => string.Create(CultureInfo.InvariantCulture, $"the loss, {loss:G5}, lies {_losses.Score(loss):F1} standard deviations above the mean of the last {_config.Window} steps (guard.zScore {_config.ZScore})"),
        _ => string.Create(CultureInfo.InvariantCulture, $"the gradient norm, {gradientNorm:G5}, lies {_norms.Score(gradientNorm):F1} standard deviations above the mean of the last {_config.Window} steps (guard.zScore {_config.ZScore})"),
    };

    public GuardState ToState() => new() { Losses = [.. _losses.Values], GradientNorms = [.. _norms.Values], Skips = Skips, SkipsInARow = SkipsInARow };
}
