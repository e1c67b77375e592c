using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class CrossEntropyTests
{
    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.Names.Select(name => new TheoryDataRow<string>(name));

    public static IEnumerable<TheoryDataRow<string>> AllDevices() => TestDevices.WithNative.Select(name => new TheoryDataRow<string>(name));

    public static IEnumerable<TheoryDataRow<string, CrossEntropyCase>> Cases()
    {
        CrossEntropyCase[] cases =
        [
            .. from vocabulary in new[] { 1, 2, 5, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 512, 1000 }
               select new CrossEntropyCase { Tokens = 9, Vocabulary = vocabulary, Padding = vocabulary % 4 },
            .. from tokens in new[] { 0, 1, 2, 300 }
               from index in new[] { 0, 1, 2, 3 }
               select new CrossEntropyCase
               {
                   Tokens = tokens,
                   Vocabulary = 77,
                   Padding = index,
                   IgnoreEvery = index,
                   IgnoreIndex = index == 2 ? 3 : -100,
                   ZLossWeight = index < 2 ? 0 : 0.01f,
                   Denominator = index == 0 ? -1 : index == 1 ? 0 : 123,
                   TokenLosses = index != 3,
                   InPlace = index % 2 == 1,
                   LossGradient = index == 0 ? float.NaN : -0.75f,
               },
            new() { Tokens = 3, Vocabulary = 50257, IgnoreEvery = 3, ZLossWeight = 1e-4f },
            new() { Tokens = 20, Vocabulary = 40, Scale = 60, LossGradient = 65536 },
            new() { Tokens = 4, Vocabulary = 0, IgnoreEvery = 1 },
        ];
        return from device in TestDevices.WithNative from @case in cases select new TheoryDataRow<string, CrossEntropyCase>(device, @case);
    }

    [Theory, MemberData(nameof(Cases))]
    public void AgreesWithTheReference(string deviceName, CrossEntropyCase @case)
    {
        using Device device = TestDevices.Open(deviceName);
        @case.Check(device);
    }

    [Fact]
    public void TheReferencesGradientIsTheDerivative()
    {
        const int Vocabulary = 7;
        int[] targets = [3, -1, 0, 6];
        double[] logits = Samples.As<double>(Samples.Normal(1, 4 * Vocabulary, 2));
        double[] gradient = LossReference<double>.CrossEntropyGradient(logits, targets, Vocabulary, -1, 0.02, 5, 1.5);
        Agreement.CheckFiniteDifferences("logits", x => 1.5 * LossReference<double>.CrossEntropy(x, targets, Vocabulary, -1, 0.02, 5).Loss, logits, gradient);
    }

    /// <summary>The bits of a token do not depend on the tokens beside it, on threads, on padding, nor on a repetition.</summary>
    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void ATokenIsTheSameBitsAmongAnyOthers(string first, string second)
    {
        var many = new CrossEntropyCase { Tokens = 700, Vocabulary = 333, ZLossWeight = 0.001f, Denominator = 50, IgnoreEvery = 7 };
        using Device one = TestDevices.Open(first), two = TestDevices.Open(second);
        Dictionary<string, float[]> expected = many.Run(one);
        LossResults.CheckBitwise("repeated", many.Run(one), expected);
        LossResults.CheckBitwise("threads", many.Run(two), expected);
        LossResults.CheckBitwise("in place, padded", (many with { InPlace = true, Padding = 5 }).Run(two), expected);
        foreach (int token in new[] { 0, 1, 6, 350, 699 })
        {
            Dictionary<string, float[]> single = (many with { Tokens = 1 }).Run(two, many.Logits()[(token * 333)..((token + 1) * 333)], [many.Targets()[token]]);
            Agreement.CheckBitwise("log-sum-exp alone", single["log-sum-exp"], expected["log-sum-exp"].AsSpan(token, 1));
            Agreement.CheckBitwise("loss alone", single["token losses"], expected["token losses"].AsSpan(token, 1));
            Agreement.CheckBitwise("gradient alone", single["logits gradient"], expected["logits gradient"].AsSpan(token * 333, 333));
        }
    }

    [Theory, MemberData(nameof(AllDevices))]
    public void MaskedLogitsHaveNoShareAndBadOnesShow(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (int vocabulary in new[] { 5, 16, 37, 200 })
        {
            var @case = new CrossEntropyCase { Tokens = 1, Vocabulary = vocabulary };
            float[] logits = @case.Logits();
            for (int i = 1; i < vocabulary; i += 2) logits[i] = float.NegativeInfinity;
            float[] dense = [.. logits.Where(float.IsFinite)];
            Dictionary<string, float[]> masked = @case.Run(device, logits, [0]);
            Dictionary<string, float[]> smaller = (@case with { Vocabulary = dense.Length }).Run(device, dense, [0]);
            Assert.Equal(smaller["loss"][0], masked["loss"][0], 1e-5);
            for (int i = 0; i < vocabulary; i++)
                Assert.Equal(i % 2 == 1 ? 0 : smaller["logits gradient"][i / 2], masked["logits gradient"][i], 1e-6);

            for (int i = 0; i < vocabulary; i++)
            {
                float[] bad = @case.Logits();
                bad[i] = float.NaN;
                Assert.True(float.IsNaN(@case.Run(device, bad, [0])["loss"][0]));
                bad[i] = float.PositiveInfinity;
                Assert.False(float.IsFinite(@case.Run(device, bad, [1])["loss"][0]));
            }
        }
    }

    /// <summary>Subnormal gradients would slow down every product that reads them a hundredfold.</summary>
    [Theory, MemberData(nameof(AllDevices))]
    public void NoGradientIsSubnormal(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        var @case = new CrossEntropyCase { Tokens = 1, Vocabulary = 150, LossGradient = 1f / 4096 };
        Dictionary<string, float[]> results = @case.Run(device, [.. Enumerable.Range(0, 150).Select(i => -(float)i)], [0]);
        float[] gradient = results["logits gradient"];
        Assert.DoesNotContain(gradient, float.IsSubnormal);
        for (int i = 1; i < 45; i++) Assert.Equal(Math.Exp(-i) * (1 - Math.Exp(-1)) / 4096, gradient[i], 1e-6 * Math.Exp(-i) / 4096 * 4);
    }

    [Theory, MemberData(nameof(Devices))]
    public void BrokenArgumentsAreNamed(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        var @case = new CrossEntropyCase { Tokens = 3, Vocabulary = 5 };
        Assert.Contains("Targets[1] is 5; it must lie in [0, 5) or be IgnoreIndex -100.", Fails(() => @case.Run(device, null, [0, 5, 1])), StringComparison.Ordinal);
        Assert.Contains("Targets[2] is -1;", Fails(() => @case.Run(device, null, [0, 4, -1])), StringComparison.Ordinal);
        using var ten = new DeviceBuffer(device, 2, 5);
        using DeviceBuffer targets = DeviceBuffer.From<int>(device, [0, 9], 1, 2);
        var forward = new CrossEntropyForwardArgs { Tokens = 2, Vocabulary = 5, Logits = ten, Targets = targets, Loss = ten };
        Expect(forward with { Tokens = -1 }, "Tokens is -1");
        Expect(forward with { Vocabulary = -1 }, "Vocabulary is -1");
        Expect(forward with { Logits = default }, "Logits is missing");
        Expect(forward with { Logits = ten.Operand with { RowStride = 4 } }, "Logits has row stride 4");
        Expect(forward with { Targets = ten }, "Targets has dtype Float32");
        Expect(forward with { Loss = default }, "Loss is missing");
        Expect(forward with { TokenLosses = targets }, "TokenLosses has dtype Int32");
        Expect(forward with { LogSumExp = targets }, "LogSumExp has dtype Int32");
        Expect(forward, "the workspace has 0 bytes; CrossEntropyForwardWorkspaceBytes asks for 8.");
        var backward = new CrossEntropyBackwardArgs { Tokens = 2, Vocabulary = 5, Logits = ten, Targets = targets, LogSumExp = ten, LogitsGradient = ten };
        ExpectBackward(backward with { LogSumExp = default }, "LogSumExp is missing");
        ExpectBackward(backward with { LossGradient = targets }, "LossGradient has dtype Int32");
        ExpectBackward(backward with { LogitsGradient = default }, "LogitsGradient is missing");
        ExpectBackward(backward with { LogitsGradient = ten.Operand with { RowStride = 6 } }, "LogitsGradient may be Logits only with the same row stride");
        ExpectBackward(backward, "CrossEntropyBackward: Targets[1] is 9");
        Assert.All(ten.Download(), value => Assert.True(float.IsNaN(value))); // nothing was written

        void Expect(CrossEntropyForwardArgs args, string message) =>
            Assert.Contains(message, Fails(() => device.Kernels.CrossEntropyForward(default, args)), StringComparison.Ordinal);
        void ExpectBackward(CrossEntropyBackwardArgs args, string message) =>
            Assert.Contains(message, Fails(() => device.Kernels.CrossEntropyBackward(default, args)), StringComparison.Ordinal);
    }

    internal static string Fails(Action action) => Assert.Throws<KernelArgumentException>(action).Message;
}
