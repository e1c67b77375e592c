using System.Numerics;
using MM1.Native.TestSupport;

namespace MM1.Native.Kernels.Tests;

/// <summary>Linear + cross-entropy, forward and backward, with all options; the text form names it in test output.</summary>
public sealed record LinearCrossEntropyCase
{
    public int Tokens { get; init; }
    public int Width { get; init; }
    public int Vocabulary { get; init; }
    public int ChunkTokens { get; init; }
    /// <summary>Every so many tokens one does not count; 0 for none, 1 for all.</summary>
    public int IgnoreEvery { get; init; }
    public int IgnoreIndex { get; init; } = -100;
    public float ZLossWeight { get; init; }
    /// <summary>StepState.LossDenominator; negative: no StepState.</summary>
    public float Denominator { get; init; } = -1;
    public bool TokenLosses { get; init; } = true;
    /// <summary>NaN: absent.</summary>
    public float LossGradient { get; init; } = float.NaN;
    public float BetaInput { get; init; }
    public float BetaWeight { get; init; }
    public bool InputGradient { get; init; } = true;
    public bool WeightGradient { get; init; } = true;
    public int Padding { get; init; }

    public float[] X() => Samples.Normal(1, (long)Tokens * Width);

    public float[] Weight() => Samples.Normal(2, (long)Vocabulary * Width, 0.5);

    public float[] OldInput() => Samples.Normal(3, (long)Tokens * Width);

    public float[] OldWeight() => Samples.Normal(4, (long)Vocabulary * Width);

    public int[] Targets()
    {
        int[] targets = Samples.Integers(5, Tokens, Math.Max(Vocabulary, 1));
        for (int t = 0; t < Tokens; t++)
        {
            if (IgnoreEvery != 0 && (t + 1) % IgnoreEvery == 0) targets[t] = IgnoreIndex;
        }
        return targets;
    }

    /// <summary>Runs both directions on the device with the given data (its own unless said).</summary>
    internal Dictionary<string, float[]> Run(Device device, float[]? xValues = null, int[]? targetValues = null, float[]? oldInput = null)
    {
        using DeviceBuffer x = LossResults.From(device, xValues ?? X(), Tokens, Width, Padding);
        using DeviceBuffer weight = LossResults.From(device, Weight(), Vocabulary, Width, 2 * Padding);
        using DeviceBuffer targets = DeviceBuffer.From<int>(device, targetValues ?? Targets(), 1, Tokens);
        using var loss = new DeviceBuffer(device, 1, 1);
        using DeviceBuffer? tokenLosses = TokenLosses ? new DeviceBuffer(device, 1, Tokens) : null;
        using var logSumExp = new DeviceBuffer(device, 1, Tokens);
        using DeviceBuffer? state = Denominator < 0 ? null : LossResults.Upload(device, new StepState { LossDenominator = Denominator });
        var forward = new LinearCrossEntropyForwardArgs
        {
            Tokens = Tokens,
            Width = Width,
            Vocabulary = Vocabulary,
            ChunkTokens = ChunkTokens,
            X = x,
            Weight = weight,
            Targets = targets,
            Loss = loss,
            TokenLosses = tokenLosses,
            LogSumExp = logSumExp,
            StepState = state?.Address ?? 0,
            IgnoreIndex = IgnoreIndex,
            ZLossWeight = ZLossWeight,
        };
        long bytes = device.Kernels.LinearCrossEntropyForwardWorkspaceBytes(forward);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        device.Kernels.LinearCrossEntropyForward(new Launch(0, workspace.Address, bytes), forward);
        workspace.CheckGuards();

        using DeviceBuffer? inputGradient = InputGradient ? new DeviceBuffer(device, Tokens, Width, DType.Float32, Width + Padding) : null;
        using DeviceBuffer? weightGradient = WeightGradient ? new DeviceBuffer(device, Vocabulary, Width, DType.Float32, Width + 3 * Padding) : null;
        if (BetaInput != 0) inputGradient?.Upload<float>(oldInput ?? OldInput());
        if (BetaWeight != 0) weightGradient?.Upload<float>(OldWeight());
        using DeviceBuffer? lossGradient = float.IsNaN(LossGradient) ? null : DeviceBuffer.From<float>(device, [LossGradient], 1, 1);
        var backward = new LinearCrossEntropyBackwardArgs
        {
            Tokens = Tokens,
            Width = Width,
            Vocabulary = Vocabulary,
            ChunkTokens = ChunkTokens,
            X = x,
            Weight = weight,
            Targets = targets,
            LogSumExp = logSumExp,
            LossGradient = lossGradient,
            InputGradient = inputGradient,
            WeightGradient = weightGradient,
            StepState = state?.Address ?? 0,
            IgnoreIndex = IgnoreIndex,
            ZLossWeight = ZLossWeight,
            BetaInput = BetaInput,
            BetaWeight = BetaWeight,
        };
        bytes = device.Kernels.LinearCrossEntropyBackwardWorkspaceBytes(backward);
        using DeviceBuffer backwardWorkspace = LossResults.Workspace(device, bytes);
        device.Kernels.LinearCrossEntropyBackward(new Launch(0, backwardWorkspace.Address, bytes), backward);
        backwardWorkspace.CheckGuards();
        x.CheckGuards();
        weight.CheckGuards();
        var results = new Dictionary<string, float[]> { ["loss"] = loss.Download(), ["log-sum-exp"] = logSumExp.Download() };
        if (tokenLosses is not null) results["token losses"] = tokenLosses.Download();
        if (inputGradient is not null) results["input gradient"] = inputGradient.Download();
        if (weightGradient is not null) results["weight gradient"] = weightGradient.Download();
        return results;
    }

    public void Check(Device device) => LossResults.Check(this, Run(device), Reference<double>(), Reference<float>());

    private Dictionary<string, T[]> Reference<T>() where T : IFloatingPointIeee754<T>
    {
        T[] x = Samples.As<T>(X()), weight = Samples.As<T>(Weight());
        int[] targets = Targets();
        T[] logits = LossReference<T>.Product(x, weight, Tokens, Vocabulary, Width);
        T zLossWeight = T.CreateChecked(ZLossWeight), lossGradient = T.CreateChecked(float.IsNaN(LossGradient) ? 1 : LossGradient);
        double denominator = Math.Max(Denominator, 0);
        (T loss, T[] tokenLosses, T[] logSumExp) = LossReference<T>.CrossEntropy(logits, targets, Vocabulary, IgnoreIndex, zLossWeight, denominator);
        T[] gradient = LossReference<T>.CrossEntropyGradient(logits, targets, Vocabulary, IgnoreIndex, zLossWeight, denominator, lossGradient);
        var results = new Dictionary<string, T[]> { ["loss"] = [loss], ["log-sum-exp"] = logSumExp };
        if (TokenLosses) results["token losses"] = tokenLosses;
        if (InputGradient)
            results["input gradient"] = LossReference<T>.LinearInputGradient(gradient, weight, Tokens, Vocabulary, Width, T.CreateChecked(BetaInput), Samples.As<T>(OldInput()));
        if (WeightGradient)
            results["weight gradient"] = LossReference<T>.LinearWeightGradient(gradient, x, Tokens, Vocabulary, Width, T.CreateChecked(BetaWeight), Samples.As<T>(OldWeight()));
        return results;
    }
}
