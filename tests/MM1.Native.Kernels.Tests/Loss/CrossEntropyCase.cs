using System.Numerics;
using MM1.Native.TestSupport;

namespace MM1.Native.Kernels.Tests;

/// <summary>Cross-entropy of given logits, forward and backward, with all options; the text form names it in test output.</summary>
public sealed record CrossEntropyCase
{
    public int Tokens { get; init; }
    public int Vocabulary { get; init; }
    /// <summary>Every so many tokens one does not count; 0 for none, 1 for all.</summary>
    public int IgnoreEvery { get; init; }
    public int IgnoreIndex { get; init; } = -100;
    public float ZLossWeight { get; init; }
    /// <summary>StepState.LossDenominator; negative: no StepState.</summary>
    public float Denominator { get; init; } = -1;
    public bool TokenLosses { get; init; } = true;
    public bool InPlace { get; init; }
    /// <summary>NaN: absent.</summary>
    public float LossGradient { get; init; } = float.NaN;
    public double Scale { get; init; } = 3;
    public int Padding { get; init; }

    public float[] Logits() => Samples.Normal(Vocabulary + 1, (long)Tokens * Vocabulary, Scale);

    public int[] Targets()
    {
        int[] targets = Samples.Integers(Vocabulary, Tokens, Math.Max(Vocabulary, 1));
        for (int t = 0; t < Tokens; t++)
        {
            if (IgnoreEvery != 0 && (t + 1) % IgnoreEvery == 0) targets[t] = IgnoreIndex;
        }
        return targets;
    }

    /// <summary>Runs both directions on the device with the given data (its own unless said).</summary>
    internal Dictionary<string, float[]> Run(Device device, float[]? logitsValues = null, int[]? targetValues = null)
    {
        logitsValues ??= Logits();
        targetValues ??= Targets();
        using DeviceBuffer logits = LossResults.From(device, logitsValues, Tokens, Vocabulary, Padding);
        using DeviceBuffer targets = DeviceBuffer.From<int>(device, targetValues, 1, Tokens);
        using var loss = new DeviceBuffer(device, 1, 1);
        using DeviceBuffer? tokenLosses = TokenLosses ? new DeviceBuffer(device, 1, Tokens) : null;
        using var logSumExp = new DeviceBuffer(device, 1, Tokens);
        using DeviceBuffer? state = Denominator < 0 ? null : LossResults.Upload(device, new StepState { LossDenominator = Denominator });
        var forward = new CrossEntropyForwardArgs
        {
            Tokens = Tokens,
            Vocabulary = Vocabulary,
            Logits = logits,
            Targets = targets,
            Loss = loss,
            TokenLosses = tokenLosses,
            LogSumExp = logSumExp,
            StepState = state?.Address ?? 0,
            IgnoreIndex = IgnoreIndex,
            ZLossWeight = ZLossWeight,
        };
        long bytes = device.Kernels.CrossEntropyForwardWorkspaceBytes(forward);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        device.Kernels.CrossEntropyForward(new Launch(0, workspace.Address, bytes), forward);
        workspace.CheckGuards();

        using DeviceBuffer gradient = InPlace ? logits : new DeviceBuffer(device, Tokens, Vocabulary, DType.Float32, Vocabulary + 2 * Padding);
        using DeviceBuffer? lossGradient = float.IsNaN(LossGradient) ? null : DeviceBuffer.From<float>(device, [LossGradient], 1, 1);
        var backward = new CrossEntropyBackwardArgs
        {
            Tokens = Tokens,
            Vocabulary = Vocabulary,
            Logits = logits,
            Targets = targets,
            LogSumExp = logSumExp,
            LossGradient = lossGradient,
            LogitsGradient = gradient,
            StepState = state?.Address ?? 0,
            IgnoreIndex = IgnoreIndex,
            ZLossWeight = ZLossWeight,
        };
        bytes = device.Kernels.CrossEntropyBackwardWorkspaceBytes(backward);
        using DeviceBuffer backwardWorkspace = LossResults.Workspace(device, bytes);
        device.Kernels.CrossEntropyBackward(new Launch(0, backwardWorkspace.Address, bytes), backward);
        backwardWorkspace.CheckGuards();
        logits.CheckGuards();
        var results = new Dictionary<string, float[]>
        {
            ["loss"] = loss.Download(),
            ["log-sum-exp"] = logSumExp.Download(),
            ["logits gradient"] = gradient.Download(),
        };
        if (tokenLosses is not null) results["token losses"] = tokenLosses.Download();
        return results;
    }

    public void Check(Device device) => LossResults.Check(this, Run(device), Reference<double>(), Reference<float>());

    private Dictionary<string, T[]> Reference<T>() where T : IFloatingPointIeee754<T>
    {
        T[] logits = Samples.As<T>(Logits());
        int[] targets = Targets();
        T zLossWeight = T.CreateChecked(ZLossWeight);
        (T loss, T[] tokenLosses, T[] logSumExp) = LossReference<T>.CrossEntropy(logits, targets, Vocabulary, IgnoreIndex, zLossWeight, Math.Max(Denominator, 0));
        T lossGradient = T.CreateChecked(float.IsNaN(LossGradient) ? 1 : LossGradient);
        var results = new Dictionary<string, T[]>
        {
            ["loss"] = [loss],
            ["log-sum-exp"] = logSumExp,
            ["logits gradient"] = LossReference<T>.CrossEntropyGradient(logits, targets, Vocabulary, IgnoreIndex, zLossWeight, Math.Max(Denominator, 0), lossGradient),
        };
        if (TokenLosses) results["token losses"] = tokenLosses;
        return results;
    }
}
