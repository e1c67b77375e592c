using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>What modules, parameters, tables and optimizers say about wrong descriptions.</summary>
public sealed class ModuleErrorTests
{
    [Fact]
    public void UnbuiltParametersHaveNoMemory()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginStep();
        var linear = new Linear(3, 2);
        Assert.Equal("Parameter [2, 3] has no memory: the root module's Build(device, seed) has not run, or the model was disposed.",
            Assert.Throws<InvalidOperationException>(() => linear.Forward(Tensor.Zeros([1, 3]))).Message);
        Assert.Throws<InvalidOperationException>(() => linear.Weight.Gradient);
        Assert.Throws<InvalidOperationException>(() => linear.Weight.ToArray());
        Assert.Throws<InvalidOperationException>(() => new AdamW(linear.Parameters()));
        Assert.Null(linear.Weight.Shadow);
    }

    [Fact]
    public void NamesMustFit()
    {
        using Device device = TestDevices.Open("cpu/1");
        Assert.Contains("'a.b' contains a dot, which separates names.", Assert.Throws<ArgumentException>(() => new Loose(m => m.Add("a.b"))).Message, StringComparison.Ordinal);
        Assert.Contains("This module has a part named 'a' already.", Assert.Throws<ArgumentException>(() => new Loose(m => m.Add("a"), m => m.Child("a", new Linear(1, 1)))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new Loose(m => m.Add(" ")));
        using var built = new Loose(m => m.Add("a"));
        built.Build(device, 1);
        Assert.Equal("'b' was added after the model was built.", Assert.Throws<InvalidOperationException>(() => built.Add("b")).Message);
        Assert.Equal("This module is built already.", Assert.Throws<InvalidOperationException>(() => built.Build(device, 1)).Message);
        Assert.Equal("Parameter 'child.a' was built before as 'a'; a parameter belongs to one model.",
            Assert.Throws<InvalidOperationException>(() => new Loose(m => m.Child("child", built)).Build(device, 1)).Message);
        // A list child takes the names of its elements.
        Assert.Equal("Two parameters are named 'x.0.weight'.",
            Assert.Throws<InvalidOperationException>(() => new Loose(m => m.List("x", 1), m => m.List("x", 1)).Build(device, 1)).Message);
    }

    [Fact]
    public void AModuleHasOnePlace()
    {
        using Device device = TestDevices.Open("cpu/1");
        long blocks = DeviceMemory.LiveBlocks;
        var shared = new Linear(2, 2);
        var twice = new Loose(m => m.Child("a", shared), m => m.Child("b", shared));
        Assert.Equal("Parameters 'a.weight' and 'b.weight' are one; a parameter belongs to one place of a model. To tie weights, use it in two places of Forward.",
            Assert.Throws<InvalidOperationException>(() => twice.Build(device, 1)).Message);
        Assert.Equal(blocks, DeviceMemory.LiveBlocks);
    }

    [Fact]
    public void OptionsOfLayersMustFit()
    {
        Assert.Contains("3 heads do not divide the width 16; set HeadSize.", Error(() => new Attention(new() { Width = 16, Heads = 3 })), StringComparison.Ordinal);
        Assert.Contains("3 key heads do not divide 4 query heads.", Error(() => new Attention(new() { Width = 16, Heads = 4, KeyValueHeads = 3 })), StringComparison.Ordinal);
        Assert.Contains("Width 0 and heads 4 must be positive.", Error(() => new Attention(new() { Width = 0, Heads = 4 })), StringComparison.Ordinal);
        Assert.Contains("3 groups do not divide 4 channels.", Error(() => new Conv2d(4, 4, 3, groups: 3)), StringComparison.Ordinal);
        using Device device = TestDevices.Open("cpu/1");
        Assert.Contains("A shadow is BFloat16 or Float16, not Int32.", Error(() => Build(DType.Int32)), StringComparison.Ordinal);
        Assert.Contains("The rotary size must be positive and even.", Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryTable(device, 4, 3)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryTable(device, 0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryTable(device, 4, 4, theta: 0));

        object Build(DType shadow)
        {
            var linear = new Linear(1, 1);
            linear.Build(device, 1, shadow);
            return linear;
        }

        static string Error(Func<object> make) => Assert.Throws<ArgumentException>(make).Message;
    }

    [Fact]
    public void WrongNamesFindTheNearest()
    {
        var mlp = new Mlp(2, 2);
        Assert.Equal("No parameter is named 'fc1.weights'; the nearest is 'fc1.weight'.", Assert.Throws<KeyNotFoundException>(() => mlp.Parameters()["fc1.weights"]).Message);
        Assert.Equal("No parameter is named 'f2.bias'; the nearest is 'fc2.bias'.", Assert.Throws<KeyNotFoundException>(() => mlp.Parameters()["f2.bias"]).Message);
        Assert.Equal("No parameter is named 'a'; the nearest is '(there are none)'.", Assert.Throws<KeyNotFoundException>(() => new Loose().Parameters()["a"]).Message);
        Assert.Contains("No parameter name matches 'fc3.*'.", Assert.Throws<ArgumentException>(() => mlp.Parameters().Freeze("fc3.*")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NearestNamesMindTheCaseOnlyBetweenEquals()
    {
        Assert.Equal("AdamW", NearestName.Find("adamw", ["adam", "AdamW"]));
        Assert.Equal("adamw", NearestName.Find("adamw", ["AdamW", "adamw"]));
        Assert.Null(NearestName.Find("x", []));
        Assert.Equal("weights", NearestName.FindSimilar("wieghts", ["bias", "weights"]));
        Assert.Null(NearestName.FindSimilar("colour", ["bias", "weights"]));
    }

    /// <summary>A model that is only run takes half the memory; whoever wants to train it is told why not.</summary>
    [Fact]
    public void AModelThatIsOnlyRunHasNoGradients()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Linear trained = new(64, 64), run = new(64, 64);
        long before = DeviceMemory.LiveBytes;
        trained.Build(device, 1);
        long both = DeviceMemory.LiveBytes - before;
        run.Build(device, 1, trainable: false);
        Assert.Equal(both, 2 * (DeviceMemory.LiveBytes - before - both));
        Assert.Equal(trained.Weight.ToArray(), run.Weight.ToArray());
        const string Message = "Parameter weight has no gradient: the model was built to be run only.";
        Assert.False(run.Weight.RequiresGradient);
        Assert.StartsWith(Message, Assert.Throws<InvalidOperationException>(() => run.Weight.RequiresGradient = true).Message, StringComparison.Ordinal);
        Assert.StartsWith(Message, Assert.Throws<InvalidOperationException>(() => run.Weight.Gradient).Message, StringComparison.Ordinal);
        Assert.Contains("nothing to optimize", Assert.Throws<ArgumentException>(() => new AdamW(run.Parameters())).Message, StringComparison.Ordinal);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.Full([1, 64], 0.5);
        Assert.Equal(trained.Forward(x).ToArray(), run.Forward(x).ToArray());
    }

    [Fact]
    public void LoadedValuesMustFit()
    {
        using Device device = TestDevices.Open("cpu/1");
        using var linear = new Linear(3, 2);
        linear.Build(device, 1);
        Assert.Contains("weight [2, 3] has 6 elements; 5 were given.", Assert.Throws<ArgumentException>(() => linear.Weight.Load(new float[5])).Message, StringComparison.Ordinal);
        using var adamw = new AdamW(linear.Parameters());
        Assert.Contains("Optimizer state weight.first_moment has 6 elements; 7 were given.", Assert.Throws<ArgumentException>(() => adamw.State[0].Load(new float[7])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => adamw.LoadSteps(-1));
    }

    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(-1f)]
    public void ScheduledLearningRatesMustMakeSense(float rate)
    {
        using Device device = TestDevices.Open("cpu/1");
        using var linear = new Linear(3, 2);
        linear.Build(device, 1);
        using var adamw = new AdamW(linear.Parameters(), new AdamWOptions { LearningRate = 0.5f });
        Assert.StartsWith("LearningRate must be finite and not negative.", Assert.Throws<ArgumentOutOfRangeException>(() => adamw.LearningRate = rate).Message, StringComparison.Ordinal);
        Assert.Equal(0.5f, adamw.LearningRate);
    }

    [Fact]
    public void OptimizerOptionsMustMakeSense()
    {
        using Device device = TestDevices.Open("cpu/1");
        using var linear = new Linear(3, 2);
        linear.Build(device, 1);
        Adam(new() { LearningRate = float.NaN }, "LearningRate must be finite and not negative.");
        Adam(new() { LearningRate = -1 }, "LearningRate must be finite and not negative.");
        Adam(new() { WeightDecay = -1 }, "WeightDecay must be finite and not negative.");
        Adam(new() { MaxGradientNorm = float.PositiveInfinity }, "MaxGradientNorm must be finite and not negative.");
        Adam(new() { Beta1 = 1 }, "Beta1 must lie in [0, 1).");
        Adam(new() { Beta2 = -0.1f }, "Beta2 must lie in [0, 1).");
        Adam(new() { Epsilon = 0 }, "Epsilon must be positive.");
        Adam(new() { Groups = [new() { Pattern = "*", LearningRateScale = -1 }] }, "LearningRateScale of group '*' must be finite and not negative.");
        Adam(new() { Groups = [new() { Pattern = "*", WeightDecay = float.NaN }] }, "WeightDecay of group '*' must be finite and not negative.");
        Factor(new() { Beta1 = 1 }, "Beta1 must lie in [0, 1).");
        Factor(new() { DecayExponent = 0 }, "DecayExponent must be negative.");
        Factor(new() { Epsilon = -1 }, "Epsilon must not be negative.");
        Factor(new() { EpsilonScale = float.NaN }, "EpsilonScale must not be negative.");
        Factor(new() { ClipThreshold = 0 }, "ClipThreshold must be positive.");
        Assert.Contains("The parameter group 'head.*' matches no trained parameter.",
            Assert.Throws<ArgumentException>(() => new AdamW(linear.Parameters(), new() { Groups = [new() { Pattern = "head.*" }] })).Message, StringComparison.Ordinal);
        linear.Parameters().Freeze("*");
        Assert.Contains("No parameter requires a gradient; there is nothing to optimize.", Assert.Throws<ArgumentException>(() => new AdamW(linear.Parameters())).Message, StringComparison.Ordinal);

        void Adam(AdamWOptions options, string message) => Assert.StartsWith(message, Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(linear.Parameters(), options)).Message, StringComparison.Ordinal);

        void Factor(AdafactorOptions options, string message) => Assert.StartsWith(message, Assert.Throws<ArgumentOutOfRangeException>(() => new Adafactor(linear.Parameters(), options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ParametersOfTwoDevicesHaveNoCommonOptimizer()
    {
        using Device device = TestDevices.Open("cpu/1"), other = TestDevices.Open("cpu/1");
        using Linear here = new(1, 1), there = new(1, 1);
        here.Build(device, 1);
        there.Build(other, 1);
        Assert.Contains("is on another device", Assert.Throws<ArgumentException>(() => new AdamW(here.Parameters().Concat(there.Parameters()))).Message, StringComparison.Ordinal);
        Assert.Contains("is named twice", Assert.Throws<ArgumentException>(() => new AdamW(here.Parameters().Concat(here.Parameters()))).Message, StringComparison.Ordinal);
    }

    private sealed class Loose : Module
    {
        public Loose(params ReadOnlySpan<Action<Loose>> parts)
        {
            foreach (Action<Loose> part in parts) part(this);
        }

        public void Add(string name) => AddParameter(name, [1], Initializer.Zeros);

        public void Child(string name, Module module) => AddChild(name, module);

        public void List(string name, int count) => AddChildren(name, count, _ => new Linear(1, 1));
    }
}
