using System.Globalization;
using System.Text;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary>The line of a training step, in words; free of clocks and terminals.</summary>
internal sealed class StepLine(long lastStep, double peakGigaflops = 0)
{
    private readonly int _digits = lastStep.ToString(CultureInfo.InvariantCulture).Length;

    /// <summary>A whole line: what a log keeps.</summary>
    public string Full(StepCompleted done)
    {
        var line = new StringBuilder(200);
        line.Append("step ").Append(done.Step.ToString(CultureInfo.InvariantCulture).PadLeft(_digits)).Append('/').Append(lastStep.ToString(CultureInfo.InvariantCulture));
        line.Append("  loss ").Append(Loss(done.Loss));
        if (done.Sources.Count > 0)
        {
            line.Append(" (");
            for (int i = 0; i < done.Sources.Count; i++)
            {
                if (i > 0) line.Append(", ");
                line.Append(done.Sources[i].Source).Append(' ').Append(Loss(done.Sources[i].Loss));
            }
            line.Append(')');
        }
        line.Append("  lr ").Append(done.LearningRate.ToString("0.00e+0", CultureInfo.InvariantCulture));
        line.Append("  norm ").Append(Quantity.Small(done.GradientNorm));
        if (done.Skipped) line.Append("  SKIPPED");
        Throughput speed = done.Throughput;
        line.Append("  ").Append(Quantity.Count(speed.TokensPerSecond)).Append(" tokens/s");
        line.Append("  ").Append(Quantity.Count(speed.ImagesPerSecond)).Append(" images/s");
        line.Append("  ").Append((speed.FlopsPerSecond / 1e9).ToString("0.0", CultureInfo.InvariantCulture)).Append(" GFLOP/s");
        if (peakGigaflops > 0) line.Append(" (").Append(Quantity.Percent(speed.FlopsPerSecond / 1e9 / peakGigaflops)).Append(" of peak)");
        line.Append("  ").Append(Quantity.Bytes(speed.PeakRssMiB * 1048576));
        line.Append("  data wait ").Append(Quantity.Percent(speed.DataWaitFraction));
        if (done.BadSamplesSoFar > 0) line.Append(CultureInfo.InvariantCulture, $"  bad {done.BadSamplesSoFar}");
        line.Append("  ETA ").Append(Quantity.Duration(done.Remaining));
        return line.ToString();
    }

    /// <summary>A short line with a bar: what is written over.</summary>
    public string Live(StepCompleted done)
    {
        return $"{Bar(done.Step, lastStep)} {done.Step.ToString(CultureInfo.InvariantCulture).PadLeft(_digits)}/{lastStep.ToString(CultureInfo.InvariantCulture)}"
            + $"  loss {Loss(done.Loss)}  {Quantity.Count(done.Throughput.TokensPerSecond)} tokens/s  ETA {Quantity.Duration(done.Remaining)}";
    }

    /// <summary>A whole line of the encoder's pre-training.</summary>
    public static string Full(PretrainingStepCompleted done) => string.Create(CultureInfo.InvariantCulture,
        $"pre-training {Number(done)}/{done.Steps}  loss {Loss(done.Loss)}  lr {done.LearningRate:0.00e+0}  norm {Quantity.Small(done.GradientNorm)}  {Quantity.Count(done.ImagesPerSecond)} images/s  ETA {Quantity.Duration(done.Remaining)}");

    /// <summary>A short line of the encoder's pre-training with a bar.</summary>
    public static string Live(PretrainingStepCompleted done) => string.Create(CultureInfo.InvariantCulture,
        $"{Bar(done.PretrainingStep, done.Steps)} pre-training {Number(done)}/{done.Steps}  loss {Loss(done.Loss)}  {Quantity.Count(done.ImagesPerSecond)} images/s  ETA {Quantity.Duration(done.Remaining)}");

    private static string Number(PretrainingStepCompleted done) =>
        done.PretrainingStep.ToString(CultureInfo.InvariantCulture).PadLeft(done.Steps.ToString(CultureInfo.InvariantCulture).Length);

    private static string Bar(long step, long last)
    {
        const int cells = 24;
        int full = (int)Math.Min(cells, cells * step / Math.Max(1, last));
        return $"{new string('━', full)}{new string('╌', cells - full)}";
    }

    private static string Loss(double loss) => double.IsFinite(loss) ? loss.ToString("0.0000", CultureInfo.InvariantCulture) : loss.ToString(CultureInfo.InvariantCulture);
}
