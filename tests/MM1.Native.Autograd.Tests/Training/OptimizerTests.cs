using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class OptimizerTests
{
    private const double Epsilon = 5.96e-8;

    public static TheoryData<string, float, float, float> Settings()
    {
        var cases = new TheoryData<string, float, float, float>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach ((float decay, float maxNorm, float beta1) in new[] { (0f, 0f, 0.9f), (0.1f, 0f, 0.9f), (0.1f, 2f, 0.9f), (0.1f, 1000f, 0f) }) cases.Add(device, decay, maxNorm, beta1);
        }
        return cases;
    }

    /// <summary>
    /// Against plain float64 AdamW. A step rounds the parameter once or twice (2 epsilon |p|) and the update, at most about 4
    /// learning rates, in some twenty operations; the errors of t steps add.
    /// </summary>
    [Theory, MemberData(nameof(Settings))]
    public void AdamWIsTheAlgorithm(string deviceName, float decay, float maxNorm, float beta1)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([5, 7], [3]);
        module.Build(device, 1);
        var options = new AdamWOptions
        {
            LearningRate = 1e-2f,
            WeightDecay = decay,
            MaxGradientNorm = maxNorm,
            Beta1 = beta1,
            Groups = [new ParameterGroup { Pattern = "p1", LearningRateScale = 0.5f, WeightDecay = 0 }],
        };
        using var adamw = new AdamW(module.Parameters(), options);
        Plain[] plain = [.. module.All.Select(parameter => new Plain(parameter.ToArray()))];
        for (int step = 1; step <= 12; step++)
        {
            adamw.LearningRate = 1e-2f / step;
            float[][] gradients = [Samples.Normal(step, 35, 3), Samples.Normal(100 + step, 3, 3)];
            Backward(device, module, gradients);
            double norm = Math.Sqrt(gradients.Sum(gradient => gradient.Sum(value => (double)value * value)));
            double clip = maxNorm == 0 ? 1 : Math.Min(1, maxNorm / (norm + 1e-6));
            Assert.True(adamw.Step());
            Assert.Equal(step, adamw.Steps);
            Assert.Equal(norm, adamw.GradientNorm, 1e-6 * norm);
            for (int i = 0; i < plain.Length; i++)
            {
                plain[i].Step(gradients[i], step, (i == 0 ? 1 : 0.5) * adamw.LearningRate, i == 0 ? decay : 0, clip, beta1, options.Beta2, options.Epsilon);
                float[] actual = module.All[i].ToArray();
                for (int j = 0; j < actual.Length; j++)
                {
                    double allowed = step * Epsilon * (2 * Math.Abs(plain[i].Values[j]) + 4 * 20 * 1e-2);
                    Assert.True(Math.Abs(actual[j] - plain[i].Values[j]) <= allowed, $"step {step}, p{i}[{j}]: {actual[j]:R} against {plain[i].Values[j]:R}, allowed {allowed:E2}.");
                }
            }
        }
    }

    public static TheoryData<string, string> Kinds()
    {
        var data = new TheoryData<string, string>();
        foreach (string device in TestDevices.Native.Prepend("cpu/2"))
        {
            foreach (string kind in new[] { "adamw", "adafactor", "adafactor with momentum" }) data.Add(device, kind);
        }
        return data;
    }

    /// <summary>Parameters, state tensors and the step count are all there is: a copy of them continues with the same bits.</summary>
    [Theory, MemberData(nameof(Kinds))]
    public void SavedStateContinuesBitwise(string deviceName, string kind)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([5, 7], [3], [2, 3, 4]);
        module.Build(device, 1);
        using Optimizer optimizer = Make(kind, module);
        for (int step = 1; step <= 4; step++) Train(device, module, optimizer, step);
        using var other = new Bag([5, 7], [3], [2, 3, 4]);
        other.Build(device, 2);
        using Optimizer restored = Make(kind, other);
        for (int i = 0; i < module.All.Length; i++) other.All[i].Load(module.All[i].ToArray());
        Assert.Equal(optimizer.State.Select(state => state.Name), restored.State.Select(state => state.Name));
        for (int i = 0; i < optimizer.State.Count; i++) restored.State[i].Load(optimizer.State[i].ToArray());
        restored.LoadSteps(optimizer.Steps);
        for (int step = 5; step <= 8; step++)
        {
            Train(device, module, optimizer, step);
            Train(device, other, restored, step);
            for (int i = 0; i < module.All.Length; i++) Agreement.CheckBitwise($"parameter {i} after step {step}", other.All[i].ToArray(), module.All[i].ToArray());
        }
        for (int i = 0; i < optimizer.State.Count; i++) Agreement.CheckBitwise(optimizer.State[i].Name, restored.State[i].ToArray(), optimizer.State[i].ToArray());
        Assert.Equal(8, restored.Steps);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void NonFiniteGradientsSkipTheStep(string deviceName, string kind)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([5, 7], [3]);
        using var twin = new Bag([5, 7], [3]);
        module.Build(device, 1);
        twin.Build(device, 1);
        using Optimizer optimizer = Make(kind, module), never = Make(kind, twin);
        int skipped = 0;
        for (int step = 1; step <= 3; step++)
        {
            float[][] before = Everything(module, optimizer);
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
            {
                float[] gradient = Samples.Normal(step, 35);
                gradient[34] = bad;
                Backward(device, module, [gradient, Samples.Normal(9, 3)]);
                Assert.False(optimizer.Step());
                Assert.Equal(++skipped, optimizer.SkippedSteps);
                Assert.Equal(step - 1, optimizer.Steps);
                Assert.False(float.IsFinite(optimizer.GradientNorm));
                Assert.All(module.All, parameter => Assert.False(parameter.HasGradient));
                float[][] after = Everything(module, optimizer);
                for (int i = 0; i < before.Length; i++) Agreement.CheckBitwise($"tensor {i} after a skipped step", after[i], before[i]);
            }
            Train(device, module, optimizer, step);
            Train(device, twin, never, step);
        }
        // As if the bad ones had not been.
        for (int i = 0; i < 2; i++) Agreement.CheckBitwise($"parameter {i}", module.All[i].ToArray(), twin.All[i].ToArray());
    }

    /// <summary>A guard against spikes: the limit can be set before any step, and what it skips leaves no trace.</summary>
    [Theory, MemberData(nameof(Kinds))]
    public void GradientsAboveTheLimitSkipTheStep(string deviceName, string kind)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([5, 7], [3]);
        using var twin = new Bag([5, 7], [3]);
        module.Build(device, 1);
        twin.Build(device, 1);
        using Optimizer optimizer = Make(kind, module), never = Make(kind, twin);
        for (int step = 1; step <= 3; step++)
        {
            optimizer.SkipAboveGradientNorm = 50;
            float[][] before = Everything(module, optimizer);
            Backward(device, module, [Samples.Normal(step, 35, 100), Samples.Normal(9, 3)]);
            Assert.False(optimizer.Step());
            Assert.True(optimizer.GradientNorm > 50);
            Assert.Equal((step - 1, step), (optimizer.Steps, optimizer.SkippedSteps));
            Assert.All(module.All, parameter => Assert.False(parameter.HasGradient));
            float[][] after = Everything(module, optimizer);
            for (int i = 0; i < before.Length; i++) Agreement.CheckBitwise($"tensor {i} after a skipped step", after[i], before[i]);
            if (step == 3) optimizer.SkipAboveGradientNorm = 0;
            Train(device, module, optimizer, step);
            Train(device, twin, never, step);
        }
        for (int i = 0; i < 2; i++) Agreement.CheckBitwise($"parameter {i}", module.All[i].ToArray(), twin.All[i].ToArray());
        foreach (float bad in new[] { -1, float.NaN, float.PositiveInfinity })
            Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.SkipAboveGradientNorm = bad);
        Backward(device, module, [Samples.Normal(4, 35, 100), Samples.Normal(9, 3)]);
        Assert.True(optimizer.Step());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void SkippingCanBeSwitchedOff(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([3]);
        module.Build(device, 1);
        using var adamw = new AdamW(module.Parameters(), new AdamWOptions { SkipNonFinite = false });
        Backward(device, module, [[1, float.NaN, 1]]);
        Assert.True(adamw.Step());
        Assert.Equal((1, 0), (adamw.Steps, adamw.SkippedSteps));
        Assert.True(float.IsNaN(module.All[0].ToArray()[1]));
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ParametersWithoutGradientAreLeftAlone(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4], [4]);
        module.Build(device, 1);
        using var adamw = new AdamW(module.Parameters(), new AdamWOptions { WeightDecay = 0.5f });
        float[] before = module.All[1].ToArray();
        using (device.BeginStep()) Dual.Product(module.All[0], [1, 2, 3, 4]).Backward();
        adamw.Step();
        Agreement.CheckBitwise("the other", module.All[1].ToArray(), before);
        Assert.Equal(Math.Sqrt(30), adamw.GradientNorm, 1e-5);
        Assert.Equal("Optimizer.Step: no parameter has a gradient; call Backward() on a loss first.", Assert.Throws<OperationException>(() => adamw.Step()).Message);
        Assert.Equal(1, adamw.Steps);
    }

    /// <summary>A forward pass whose backward is still to come has saved the parameters; a step in between would falsify it.</summary>
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AParameterThatTheTapeStillNeedsIsNotUpdated(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4]);
        module.Build(device, 1);
        using var adamw = new AdamW(module.Parameters());
        float[] before = module.All[0].ToArray();
        using (device.BeginStep())
        {
            Dual.Product(module.All[0], [1, 2, 3, 4]).Backward();
            Tensor pending = Functional.Sum(module.All[0].Value * module.All[0].Value);
            Assert.StartsWith("Optimizer.Step: the tensor [4] is saved by an operation on the tape for its backward", Assert.Throws<OperationException>(() => adamw.Step()).Message, StringComparison.Ordinal);
            Agreement.CheckBitwise("parameter", module.All[0].ToArray(), before);
            pending.Backward();
            Assert.True(adamw.Step());
        }
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void FrozenParametersStay(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4], [4], [4]);
        module.Build(device, 1);
        Assert.Equal(1, module.Parameters().Freeze("p1"));
        using var adamw = new AdamW(module.Parameters(), new AdamWOptions { WeightDecay = 0.5f });
        Assert.Equal(["p0.first_moment", "p0.second_moment", "p2.first_moment", "p2.second_moment"], adamw.State.Select(state => state.Name));
        float[][] before = [.. module.All.Select(parameter => parameter.ToArray())];
        Backward(device, module, [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]);
        module.Parameters().Freeze("p2"); // after its gradient came
        adamw.Step();
        Assert.NotEqual(before[0], module.All[0].ToArray());
        Agreement.CheckBitwise("frozen before", module.All[1].ToArray(), before[1]);
        Agreement.CheckBitwise("frozen late", module.All[2].ToArray(), before[2]);
        module.Parameters().Freeze("p2", frozen: false);
        Backward(device, module, [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]);
        adamw.Step();
        Assert.NotEqual(before[2], module.All[2].ToArray());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void TheFirstGroupThatMatchesDecides(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([2], [2]);
        module.Build(device, 1);
        foreach (Parameter parameter in module.All) parameter.Load([1, 1]);
        using var adamw = new AdamW(module.Parameters(), new AdamWOptions
        {
            LearningRate = 0.125f,
            WeightDecay = 1,
            Groups = [new() { Pattern = "p0", WeightDecay = 2, LearningRateScale = 2 }, new() { Pattern = "*", WeightDecay = 0, LearningRateScale = 0 }],
        });
        Backward(device, module, [[0, 0], [0, 0]]);
        adamw.Step();
        // Only decay acts on a zero gradient: 1 - 0.25 * 2.
        Assert.Equal([0.5f, 0.5f], module.All[0].ToArray());
        Assert.Equal([1f, 1], module.All[1].ToArray());
    }

    /// <summary>A later step arena, with another denominator, does not change what is reported of the last step.</summary>
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void TheGradientNormIsThatOfTheLastStep(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([2]);
        module.Build(device, 1);
        using var adamw = new AdamW(module.Parameters());
        Backward(device, module, [[3, 4]]);
        adamw.Step();
        using (device.BeginStep(lossDenominator: 17)) Assert.Equal(5, adamw.GradientNorm);
        Assert.Equal(5, adamw.GradientNorm);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void ShadowsFollowTheirMasters(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([5, 7]);
        module.Build(device, 1, DType.BFloat16);
        Check();
        using var adamw = new AdamW(module.Parameters());
        Train(device, module, adamw, 1);
        Check();
        module.All[0].Load(Samples.Normal(3, 35));
        Check();

        void Check() => Assert.Equal(module.All[0].ToArray().Select(value => (BFloat16)value), module.All[0].Shadow!.Value.ToArray<BFloat16>());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AdafactorKeepsRowsAndColumns(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([5, 7], [3], [2, 3, 4]);
        module.Build(device, 1);
        using var adafactor = new Adafactor(module.Parameters());
        Assert.Equal([("p0.second_moment_row", 5L), ("p0.second_moment_column", 7), ("p1.second_moment", 3), ("p2.second_moment_row", 2), ("p2.second_moment_column", 12)],
            adafactor.State.Select(state => (state.Name, state.Elements)));
        float[] target = Samples.Normal(4, 35);
        double first = 0, last = 0;
        for (int step = 0; step < 200; step++)
        {
            adafactor.LearningRate = 0.05f;
            using (device.BeginStep())
            {
                Tensor error = module.All[0] - Tensor.From(target, [5, 7]), loss = Functional.Mean(error * error);
                loss.Backward();
                last = loss.Item();
            }
            if (step == 0) first = last;
            adafactor.Step();
        }
        Assert.True(last < 0.05 * first, $"{first} to {last}");
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ADisposedOptimizerThrows(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([2]);
        module.Build(device, 1);
        var adamw = new AdamW(module.Parameters());
        adamw.Dispose();
        adamw.Dispose();
        Assert.Throws<ObjectDisposedException>(() => adamw.Step());
    }

    private static Optimizer Make(string kind, Bag module) => kind switch
    {
        "adamw" => new AdamW(module.Parameters(), new AdamWOptions { LearningRate = 1e-2f, WeightDecay = 0.1f, MaxGradientNorm = 1 }),
        "adafactor" => new Adafactor(module.Parameters(), new AdafactorOptions { LearningRate = 1e-2f }),
        _ => new Adafactor(module.Parameters(), new AdafactorOptions { LearningRate = 1e-2f, Beta1 = 0.9f, WeightDecay = 0.1f, ScaleParameter = false, MaxGradientNorm = 1 }),
    };

    private static void Train(Device device, Bag module, Optimizer optimizer, int seed)
    {
        Backward(device, module, [.. module.All.Select((parameter, i) => Samples.Normal(100 * seed + i, parameter.Elements))]);
        Assert.True(optimizer.Step());
    }

    /// <summary>Gives every parameter that gradient, to the bit.</summary>
    private static void Backward(Device device, Bag module, float[][] gradients)
    {
        using (device.BeginStep())
        {
            Tensor loss = Dual.Product(module.All[0], gradients[0]);
            for (int i = 1; i < gradients.Length; i++) loss += Dual.Product(module.All[i], gradients[i]);
            loss.Backward();
        }
    }

    private static float[][] Everything(Bag module, Optimizer optimizer) =>
        [.. module.All.Select(parameter => parameter.ToArray()), .. optimizer.State.Select(state => state.ToArray())];

    /// <summary>AdamW as in the paper, in float64.</summary>
    private sealed class Plain(float[] values)
    {
        private readonly double[] _first = new double[values.Length], _second = new double[values.Length];

        public double[] Values { get; } = Samples.As<double>(values);

        public void Step(float[] gradient, int t, double rate, double decay, double clip, double beta1, double beta2, double epsilon)
        {
            for (int i = 0; i < Values.Length; i++)
            {
                double g = clip * gradient[i];
                _first[i] = beta1 * _first[i] + (1 - beta1) * g;
                _second[i] = beta2 * _second[i] + (1 - beta2) * g * g;
                double mean = _first[i] / (1 - Math.Pow(beta1, t)), deviation = Math.Sqrt(_second[i] / (1 - Math.Pow(beta2, t)));
                Values[i] -= rate * decay * Values[i] + rate * mean / (deviation + epsilon);
            }
        }
    }
}
