namespace MM1.Native.Training;

/// <summary>
/// The learning rate of each step, a pure function of its number: linear from 0 over the warm-up (AXLearn's linear warm-up; step 1 has 1 / warm-up of the peak), then a cosine that reaches
/// the floor at the last step.
/// </summary>
/// <param name="peak">The peak.</param>
/// <param name="config">Steps, warm-up and floor.</param>
public sealed class LearningRateSchedule(double peak, ScheduleConfig config)
{
    /// <summary>The peak.</summary>
    public double Peak => peak;

    /// <summary>The learning rate of a step, from 1 to the number of steps.</summary>
    public double At(long step)
    {
        if (step <= config.WarmupSteps) return peak * step / config.WarmupSteps;
        // The last step has the floor itself; without a warm-up the first step has the peak.
        int first = Math.Max(1, config.WarmupSteps);
        double progress = config.Steps <= first ? 1 : Math.Clamp((double)(step - first) / (config.Steps - first), 0, 1);
        return peak * (config.Floor + (1 - config.Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }
}
