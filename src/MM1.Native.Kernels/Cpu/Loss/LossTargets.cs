namespace MM1.Native.Kernels.Cpu;

/// <summary>What the losses share: which targets count, what divides the sum, and the sum itself.</summary>
internal static unsafe class LossTargets
{
    /// <summary>Number of targets that count.</summary>
    /// <exception cref="KernelArgumentException">A target is neither a column nor <paramref name="ignoreIndex"/>.</exception>
    public static long Count(int* targets, long tokens, long vocabulary, int ignoreIndex, string verb)
    {
        long counted = 0;
        for (long token = 0; token < tokens; token++)
        {
            int target = targets[token];
            if (target == ignoreIndex) continue;
            if (target < 0 || target >= vocabulary)
                throw new KernelArgumentException(verb, $"Targets[{token}] is {target}; it must lie in [0, {vocabulary}) or be IgnoreIndex {ignoreIndex}.");
            counted++;
        }
        return counted;
    }

    /// <summary>Number of patches that the mask lets count.</summary>
    public static long Count(byte* mask, long patches)
    {
        if (mask == null) return patches;
        long counted = 0;
        for (long patch = 0; patch < patches; patch++) counted += mask[patch] != 0 ? 1 : 0;
        return counted;
    }

    /// <summary>StepState.LossDenominator where it is given and not 0, else what this call counted (1 at least).</summary>
    public static double Denominator(nint stepState, long counted)
    {
        float given = stepState == 0 ? 0 : ((StepState*)stepState)->LossDenominator;
        return given != 0 ? given : Math.Max(counted, 1);
    }

    /// <summary>Factor on every row's gradient: LossGradient / denominator.</summary>
    public static float GradientFactor(in Operand lossGradient, nint stepState, long counted) =>
        (float)((lossGradient.IsPresent ? *(float*)lossGradient.Data : 1) / Denominator(stepState, counted));

    /// <summary>Adds values one after the other in float64.</summary>
    public static double Sum(float* values, long count, double start = 0)
    {
        for (long i = 0; i < count; i++) start += values[i];
        return start;
    }

    /// <summary>Workspaces are cut at this alignment.</summary>
    public static long Align(long bytes) => (bytes + 255) & ~255L;
}
