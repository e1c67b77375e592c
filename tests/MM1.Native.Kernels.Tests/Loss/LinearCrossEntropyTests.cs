using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class LinearCrossEntropyTests
{
    public static IEnumerable<TheoryDataRow<string, LinearCrossEntropyCase>> Cases()
    {
        LinearCrossEntropyCase[] cases =
        [
            .. from tokens in new[] { 0, 1, 7, 50 }
               from chunk in new[] { 0, 1, 7, 16 }
               from ignoreEvery in new[] { 0, 1, 3 }
               where tokens * chunk < 50 * 16 || ignoreEvery != 1
               select new LinearCrossEntropyCase
               {
                   Tokens = tokens,
                   Width = 19,
                   Vocabulary = 37,
                   ChunkTokens = chunk,
                   IgnoreEvery = ignoreEvery,
                   Padding = chunk % 3,
                   TokenLosses = chunk != 7,
                   Denominator = chunk switch { 0 => -1, 1 => 0, _ => 33 },
                   ZLossWeight = chunk == 16 ? 0.01f : 0,
                   LossGradient = chunk == 1 ? float.NaN : 2.5f,
                   BetaInput = chunk is 1 or 16 ? 0.5f : 0,
                   BetaWeight = chunk is 7 or 16 ? 1 : 0,
               },
            new() { Tokens = 1100, Width = 24, Vocabulary = 70, IgnoreEvery = 5 },
            new() { Tokens = 20, Width = 8, Vocabulary = 16, InputGradient = false, IgnoreEvery = 4 },
            new() { Tokens = 20, Width = 8, Vocabulary = 16, WeightGradient = false, IgnoreEvery = 4 },
            new() { Tokens = 5, Width = 0, Vocabulary = 16 },
            new() { Tokens = 5, Width = 6, Vocabulary = 0, IgnoreEvery = 1, BetaInput = 1 },
            new() { Tokens = 40, Width = 16, Vocabulary = 1, ChunkTokens = 13 },
        ];
        return from device in TestDevices.WithNative from @case in cases select new TheoryDataRow<string, LinearCrossEntropyCase>(device, @case);
    }

    [Theory, MemberData(nameof(Cases))]
    public void AgreesWithTheReference(string deviceName, LinearCrossEntropyCase @case)
    {
        using Device device = TestDevices.Open(deviceName);
        @case.Check(device);
    }

    [Fact]
    public void TheReferencesGradientsAreTheDerivatives()
    {
        const int Tokens = 4, Width = 3, Vocabulary = 5;
        int[] targets = [3, -1, 0, 4];
        double[] x = Samples.As<double>(Samples.Normal(1, Tokens * Width)), weight = Samples.As<double>(Samples.Normal(2, Vocabulary * Width));
        double Loss() => LossReference<double>.CrossEntropy(
            LossReference<double>.Product(x, weight, Tokens, Vocabulary, Width), targets, Vocabulary, -1, 0.02, 0).Loss;
        double[] gradient = LossReference<double>.CrossEntropyGradient(
            LossReference<double>.Product(x, weight, Tokens, Vocabulary, Width), targets, Vocabulary, -1, 0.02, 0, 1);
        Agreement.CheckFiniteDifferences("x", _ => Loss(), x, LossReference<double>.LinearInputGradient(gradient, weight, Tokens, Vocabulary, Width, 0, []));
        Agreement.CheckFiniteDifferences("weight", _ => Loss(), weight, LossReference<double>.LinearWeightGradient(gradient, x, Tokens, Vocabulary, Width, 0, []));
    }

    /// <summary>The bits of a token do not depend on its neighbours (nor on whether they count), on the window, on threads, nor on a repetition.</summary>
    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void ATokenIsTheSameBitsAmongAnyOthers(string first, string second)
    {
        const int Width = 40;
        var many = new LinearCrossEntropyCase { Tokens = 600, Width = Width, Vocabulary = 90, Denominator = 50, BetaInput = 0.5f, BetaWeight = 1 };
        using Device one = TestDevices.Open(first), two = TestDevices.Open(second);
        Dictionary<string, float[]> expected = many.Run(one);
        LossResults.CheckBitwise("repeated", many.Run(one), expected);
        LossResults.CheckBitwise("threads", many.Run(two), expected);
        Dictionary<string, float[]> thin = (many with { IgnoreEvery = 3 }).Run(two), narrow = (many with { ChunkTokens = 17 }).Run(two);
        foreach (int token in new[] { 0, 1, 16, 400, 598 })
        {
            Dictionary<string, float[]> single = (many with { Tokens = 1 }).Run(
                two, many.X()[(token * Width)..((token + 1) * Width)], [many.Targets()[token]], many.OldInput()[(token * Width)..((token + 1) * Width)]);
            foreach ((Dictionary<string, float[]> results, int at) in new[] { (single, 0), (thin, token), (narrow, token) })
            {
                Agreement.CheckBitwise("log-sum-exp", results["log-sum-exp"].AsSpan(at, 1), expected["log-sum-exp"].AsSpan(token, 1));
                Agreement.CheckBitwise("token loss", results["token losses"].AsSpan(at, 1), expected["token losses"].AsSpan(token, 1));
                Agreement.CheckBitwise("input gradient", results["input gradient"].AsSpan(at * Width, Width), expected["input gradient"].AsSpan(token * Width, Width));
            }
        }
    }

    /// <summary>Token losses are the cross-entropy whatever the z-loss weight, and asking for them changes nothing else.</summary>
    [Fact]
    public void TokenLossesLeaveTheZLossOut()
    {
        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        var with = new LinearCrossEntropyCase { Tokens = 90, Width = 21, Vocabulary = 50, ChunkTokens = 32, IgnoreEvery = 4, ZLossWeight = 0.25f };
        Dictionary<string, float[]> expected = with.Run(device), plain = (with with { ZLossWeight = 0 }).Run(device);
        Agreement.CheckBitwise("token losses", expected["token losses"], plain["token losses"]);
        Assert.True(expected["loss"][0] > plain["loss"][0] + 0.1f);
        Dictionary<string, float[]> without = (with with { TokenLosses = false }).Run(device);
        Assert.Equal(expected.Count - 1, without.Count);
        foreach ((string name, float[] values) in without) Agreement.CheckBitwise(name, values, expected[name]);
        Assert.All(Enumerable.Range(0, 90), token => Assert.Equal((token + 1) % 4 == 0, expected["token losses"][token] == 0));
    }

    [Fact]
    public void AllLogitsNeverExist()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        long one = Bytes(512), hundred = Bytes(51200);
        Assert.True(hundred < one + 51200 * sizeof(float) + 4096, $"{one} bytes for one window, {hundred} for a hundred.");

        long Bytes(long tokens) => device.Kernels.LinearCrossEntropyForwardWorkspaceBytes(new() { Tokens = tokens, Width = 256, Vocabulary = 32000 });
    }

    /// <summary>Ignored tokens can hold anything (on the CPU they cost nothing either).</summary>
    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void WhatIgnoredTokensHoldIsNeverSeen(string _, string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        var @case = new LinearCrossEntropyCase { Tokens = 30, Width = 12, Vocabulary = 20, IgnoreEvery = 4 };
        float[] x = @case.X();
        Dictionary<string, float[]> expected = @case.Run(device, x);
        for (int token = 3; token < 30; token += 4) x.AsSpan(token * 12, 12).Fill(float.NaN);
        LossResults.CheckBitwise("NaN in ignored rows", @case.Run(device, x), expected);
    }

    [Fact]
    public void BrokenArgumentsAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        var @case = new LinearCrossEntropyCase { Tokens = 3, Width = 2, Vocabulary = 5 };
        Assert.Contains("LinearCrossEntropyForward: Targets[1] is 5; it must lie in [0, 5)", CrossEntropyTests.Fails(() => @case.Run(device, null, [0, 5, 1])), StringComparison.Ordinal);
        using var six = new DeviceBuffer(device, 3, 2);
        using DeviceBuffer targets = DeviceBuffer.From<int>(device, [0, 9, 1], 1, 3);
        using DeviceBuffer workspace = LossResults.Workspace(device, 100000);
        var forward = new LinearCrossEntropyForwardArgs { Tokens = 3, Width = 2, Vocabulary = 3, X = six, Weight = six, Targets = targets, Loss = six, LogSumExp = six };
        Expect(forward with { Tokens = -1 }, "Tokens is -1");
        Expect(forward with { Width = -1 }, "Width is -1");
        Expect(forward with { Vocabulary = -1 }, "Vocabulary is -1");
        Expect(forward with { ChunkTokens = -1 }, "ChunkTokens is -1");
        Expect(forward with { X = six.Operand with { RowStride = 1 } }, "X has row stride 1");
        Expect(forward with { Weight = default }, "Weight is missing");
        Expect(forward with { Targets = six }, "Targets has dtype Float32");
        Expect(forward with { Loss = default }, "Loss is missing");
        Expect(forward with { TokenLosses = targets }, "TokenLosses has dtype Int32");
        Expect(forward with { LogSumExp = default }, "LogSumExp is missing");
        Assert.Contains("the workspace has 0 bytes", CrossEntropyTests.Fails(() => device.Kernels.LinearCrossEntropyForward(default, forward)), StringComparison.Ordinal);
        var backward = new LinearCrossEntropyBackwardArgs { Tokens = 3, Width = 2, Vocabulary = 3, X = six, Weight = six, Targets = targets, LogSumExp = six, InputGradient = six };
        ExpectBackward(backward with { LogSumExp = default }, "LogSumExp is missing");
        ExpectBackward(backward with { LossGradient = targets }, "LossGradient has dtype Int32");
        ExpectBackward(backward with { InputGradient = targets }, "InputGradient has dtype Int32");
        ExpectBackward(backward with { WeightGradient = targets }, "WeightGradient has dtype Int32");
        ExpectBackward(backward, "Targets[1] is 9");

        void Expect(LinearCrossEntropyForwardArgs args, string message) => Assert.Contains(message, CrossEntropyTests.Fails(
            () => device.Kernels.LinearCrossEntropyForward(new Launch(0, workspace.Address, 100000), args)), StringComparison.Ordinal);
        void ExpectBackward(LinearCrossEntropyBackwardArgs args, string message) => Assert.Contains(message, CrossEntropyTests.Fails(
            () => device.Kernels.LinearCrossEntropyBackward(new Launch(0, workspace.Address, 100000), args)), StringComparison.Ordinal);
    }
}
