using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>A decoder of two layers behind a C-Abstractor, trained on the cpu device and on native ones, then decoding.</summary>
public sealed class DevicesAgreeTests
{
    private const int Steps = 20;

    public static IEnumerable<TheoryDataRow<string, Precision>> Cases() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, Precision>("", Precision.Auto) { Skip = TestDevices.NativeMissing }]
        : TestDevices.Native.SelectMany(static device => new[] { Precision.Float32, Precision.BFloat16 }, static (device, precision) => new TheoryDataRow<string, Precision>(device, precision));

    /// <summary>
    /// How far rounding carries two runs apart is measured, not guessed: twins of the cpu's run compute every step with each parameter off by up to one rounding of
    /// the precision (2^-24, or 2^-9 for bfloat16, relative, at random). A kernel rounds, beside the parameters, activations and gradients: about as many values per
    /// layer again forward, and twice on the way back, so four times what the worst of three twins has drifted by is allowed, and eight roundings of the value itself.
    /// </summary>
    [Theory, MemberData(nameof(Cases))]
    public void TwentyStepsAreThoseOfTheCpuUpToRounding(string deviceName, Precision precision)
    {
        double unit = precision == Precision.BFloat16 ? Math.Pow(2, -9) : Math.Pow(2, -24);
        Curve cpu = Train("cpu/1", Precision.Float32), native = Train(deviceName, precision);
        Curve[] twins = [.. Enumerable.Range(1, 3).Select(seed => Train("cpu/1", Precision.Float32, unit, seed))];
        double drift = 0, normDrift = 0, worst = 0;
        for (int i = 0; i < Steps; i++)
        {
            drift = Math.Max(drift, twins.Max(twin => Math.Abs(twin.Losses[i] - cpu.Losses[i])));
            normDrift = Math.Max(normDrift, twins.Max(twin => Math.Abs(twin.Norms[i] - cpu.Norms[i])));
            Check($"loss of step {i + 1}", native.Losses[i], cpu.Losses[i], drift);
            Check($"gradient norm of step {i + 1}", native.Norms[i], cpu.Norms[i], normDrift);
        }
        double parameters = Distance(native, cpu), own = twins.Max(twin => Distance(twin, cpu)), size = Math.Sqrt(cpu.Parameters.Sum(static value => (double)value * value));
        Assert.True(parameters <= 4 * own + 8 * unit * size, $"Parameters are {parameters:E2} apart, twins {own:E2}, of {size:E2}.");
        Assert.True(native.Losses[^1] < native.Losses[0]);
        TestContext.Current.TestOutputHelper?.WriteLine($"losses off by at most {worst:F2} of what is allowed; parameters {parameters:E2} apart, twins {own:E2}");

        void Check(string what, double actual, double expected, double drifted)
        {
            double allowed = 4 * drifted + 8 * unit * Math.Abs(expected);
            worst = Math.Max(worst, Math.Abs(actual - expected) / allowed);
            Assert.True(Math.Abs(actual - expected) <= allowed, $"{what} is {actual:R}, the cpu's {expected:R}, allowed {allowed:E2} (twins drifted by {drifted:E2}).");
        }
    }

    /// <summary>What the cpu trained decodes to the same tokens elsewhere in float32; in bfloat16, with a cache in bfloat16, each token is the likeliest up to rounding.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void GreedyDecodingIsTheCpus(string deviceName, Precision precision)
    {
        Curve trained = Train("cpu/1", Precision.Float32);
        TokenPrompt[] prompts = [.. Enumerable.Range(0, 3).Select(static i => new TokenPrompt([.. Enumerable.Range(0, 2 + 3 * i).Select(j => (7 * j + i) % StepModel.Vocabulary)], Key: i))];
        var options = new GenerationOptions { MaxNewTokens = 6 };
        using Device cpu = TestDevices.Open("cpu/1"), native = TestDevices.Open(deviceName);
        using Mm1Model here = Load(cpu, Precision.Float32, trained.Parameters), there = Load(native, precision, trained.Parameters);
        IReadOnlyList<IReadOnlyList<int>> expected = new TokenGenerator(here.Decoder).Generate(prompts, options), actual = new TokenGenerator(there.Decoder).Generate(prompts, options);
        Assert.Equal(precision == Precision.BFloat16 ? DType.BFloat16 : DType.Float32, there.Decoder.ComputeDType);
        if (precision == Precision.Float32)
        {
            for (int i = 0; i < prompts.Length; i++) Assert.Equal(expected[i], actual[i]);
            return;
        }
        for (int i = 0; i < prompts.Length; i++)
        {
            int[] tokens = [.. prompts[i].Tokens];
            foreach (int token in actual[i])
            {
                float[] logits = DecoderTests.Logits(cpu, here.Decoder, tokens)[^StepModel.Vocabulary..];
                float largest = logits.Max(Math.Abs);
                // About sixteen roundings a layer and token, at most 2^-8 each, of values that the logits are sums of.
                Assert.True(logits.Max() - logits[token] <= 32.0 / 256 * largest, $"prompt {i}: token {token} has {logits[token]}, the likeliest {logits.Max()}");
                tokens = [.. tokens, token];
            }
        }
    }

    [Theory, MemberData(nameof(TestDevices.NativeRows), MemberType = typeof(TestDevices))]
    public void AutoIsBFloat16WhereTheDeviceComputesInIt(string deviceName)
    {
        using Device cpu = TestDevices.Open("cpu/1"), native = TestDevices.Open(deviceName);
        Assert.Equal((DType.Float32, DType.BFloat16), (Precision.Auto.ComputeDType(cpu), Precision.Auto.ComputeDType(native)));
        Assert.Equal((DType.None, DType.BFloat16), (Precision.Auto.Shadow(cpu), Precision.Auto.Shadow(native)));
        Assert.Equal((DType.Float32, DType.None), (Precision.Float32.ComputeDType(native), Precision.Float32.Shadow(native)));
        Assert.StartsWith("Device cpu does not compute in bfloat16; use precision float32 (or auto), or a CUDA device.",
            Assert.Throws<ArgumentException>(() => Precision.BFloat16.Shadow(cpu)).Message, StringComparison.Ordinal);
    }

    private static Mm1Model Load(Device device, Precision precision, float[] values)
    {
        var model = new Mm1Model(StepModel.Config(layers: 2));
        model.Build(device, 1, precision.Shadow(device));
        int at = 0;
        foreach (Parameter parameter in model.Parameters())
        {
            parameter.Load(values.AsSpan(at, (int)parameter.Elements));
            at += (int)parameter.Elements;
        }
        return model;
    }

    private static Curve Train(string deviceName, Precision precision, double noise = 0, int seed = 0)
    {
        using Device device = TestDevices.Open(deviceName);
        using var model = new Mm1Model(StepModel.Config(layers: 2));
        model.Build(device, 7, precision.Shadow(device));
        using var optimizer = new AdamW(model.Parameters(), new AdamWOptions { LearningRate = 3e-3f, MaxGradientNorm = 1, WeightDecay = 0.1f });
        using Arena session = device.BeginSession();
        Mm1Batch inputs = StepModel.Inputs();
        Parameter[] all = [.. model.Parameters()];
        var random = new Random(seed);
        float[] losses = new float[Steps], norms = new float[Steps];
        for (int i = 0; i < Steps; i++)
        {
            int targets = StepModel.Write(inputs, i);
            float[][] masters = noise == 0 ? [] : [.. all.Select(static parameter => parameter.ToArray())];
            for (int p = 0; p < masters.Length; p++) all[p].Load([.. masters[p].Select(value => (float)(value * (1 + noise * (2 * random.NextDouble() - 1))))]);
            using (device.BeginStep(targets))
            {
                Tensor loss = model.Loss(inputs, zLossWeight: 1e-4f);
                loss.Backward();
                losses[i] = loss.Item();
            }
            for (int p = 0; p < masters.Length; p++) all[p].Load(masters[p]);
            Assert.True(optimizer.Step());
            norms[i] = optimizer.GradientNorm;
        }
        return new Curve(losses, norms, [.. all.SelectMany(static parameter => parameter.ToArray())]);
    }

    private static double Distance(Curve a, Curve b) => Math.Sqrt(a.Parameters.Zip(b.Parameters, static (x, y) => ((double)x - y) * (x - y)).Sum());

    private sealed record Curve(float[] Losses, float[] Norms, float[] Parameters);
}
