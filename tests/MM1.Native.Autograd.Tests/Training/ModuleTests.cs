using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class ModuleTests
{
    [Theory, MemberData(nameof(Devices))]
    public void NamesAreDottedAndInOrder(string deviceName)
    {
        var mlp = new Mlp(4, 8);
        Assert.Equal(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"], mlp.Parameters().Names);
        Assert.Equal(4 * 8 + 8 + 8 * 4 + 4, mlp.ParameterCount());
        var attention = new Attention(new AttentionOptions { Width = 32, Heads = 4, KeyValueHeads = 2, Bias = true, QueryKeyNorm = true });
        Assert.Equal(["qkv.weight", "qkv.bias", "output.weight", "output.bias", "query_norm.weight", "key_norm.weight"], attention.Parameters().Names);
        Assert.Equal([64, 32], attention.Qkv.Weight.Shape);
        Assert.Equal((2, 8), (attention.KeyValueHeads, attention.HeadSize));
        using Device device = TestDevices.Open(deviceName);
        using var model = new TinyDecoder(new TinyConfig(), device, 1);
        Assert.Equal(["layers.0.attention_norm.weight", "layers.0.attention.qkv.weight", "layers.0.attention.output.weight", "layers.0.mlp_norm.weight", "layers.0.mlp.gate_up.weight", "layers.0.mlp.down.weight"],
            model.Parameters().Names.Where(name => name.StartsWith("layers.0", StringComparison.Ordinal)));
        Assert.Equal(model.Parameters().Names, model.Parameters().Select(parameter => parameter.Name));
        Assert.Equal(model.Parameters().Sum(parameter => parameter.Elements), model.ParameterCount());
        Assert.Same(device, model.Device);
    }

    [Fact]
    public void GlobsFindParameters()
    {
        using Device device = TestDevices.Open("cpu/1");
        using var model = new TinyDecoder(new TinyConfig(), device, 1);
        ParameterList parameters = model.Parameters();
        Assert.Equal(12, parameters.Matching("layers.*").Count());
        Assert.Equal(5, parameters.Matching("*norm.weight").Count());
        Assert.Equal(2, parameters.Matching("layers.?.mlp.down.weight").Count());
        Assert.Empty(parameters.Matching("Layers.*"));
        Assert.True(parameters.TryGet("norm.weight", out Parameter? norm));
        Assert.Same(parameters["norm.weight"], norm);
        Assert.False(parameters.TryGet("norms.weight", out _));
        Assert.Equal(6, parameters.Freeze("layers.0.*"));
        Assert.Equal(6, parameters.Count(parameter => !parameter.RequiresGradient));
    }

    [Theory, MemberData(nameof(Devices))]
    public void FreezingBeforeBuildHolds(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var linear = new Linear(4, 3);
        linear.Parameters().Freeze("weight");
        linear.Build(device, 1);
        Assert.False(linear.Weight.Value.RequiresGradient);
        Assert.True(linear.Bias!.Value.RequiresGradient);
    }

    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.EngineRows("cpu/2");

    [Theory, MemberData(nameof(Devices))]
    public void LayersAreTheirFunctions(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var all = new Zoo();
        all.Build(device, 1);
        foreach (Parameter parameter in all.Parameters()) parameter.Load(Samples.Normal((int)parameter.Elements, parameter.Elements));
        using Arena arena = device.BeginInference();
        Tensor x = Tensor.From(Samples.Normal(1, 6 * 16), [6, 16]), r = Tensor.From(Samples.Normal(2, 6 * 16), [6, 16]);
        Same(all.Linear.Forward(x, Activation.Silu, r), Functional.Linear(x, all.Linear.Weight, all.Linear.Bias, Activation.Silu, r));
        Same(all.Mlp.Forward(x, r), Functional.Linear(Functional.Linear(x, all.Mlp.First.Weight, all.Mlp.First.Bias, Activation.Gelu), all.Mlp.Second.Weight, all.Mlp.Second.Bias, residual: r));
        Same(all.SwiGlu.Forward(x, r), Functional.Linear(Functional.GatedActivation(Functional.Linear(x, all.SwiGlu.GateUp.Weight)), all.SwiGlu.Down.Weight, residual: r));
        Same(all.LayerNorm.Forward(x), Functional.LayerNorm(x, all.LayerNorm.Weight, all.LayerNorm.Bias, 1e-3f));
        Same(all.LayerNorm.Forward(x, Activation.Silu), Functional.LayerNorm(x, all.LayerNorm.Weight, all.LayerNorm.Bias, 1e-3f, Activation.Silu));
        Same(all.LayerNorm.Forward(x, Activation.Silu), Functional.Activate(all.LayerNorm.Forward(x), Activation.Silu));
        Same(all.RmsNorm.Forward(x), Functional.RmsNorm(x, all.RmsNorm.Weight));
        Same(all.LayerNorm.Forward(x, r).Output, Functional.LayerNorm(x + r, all.LayerNorm.Weight, all.LayerNorm.Bias, 1e-3f));
        Same(all.RmsNorm.Forward(x, r).Sum, x + r);
        Tensor ids = Tensor.From([3, 0, 3], [3]);
        Same(all.Embedding.Forward(ids), Functional.Embedding(ids, all.Embedding.Weight));
        Tensor image = Tensor.From(Samples.Normal(3, 2 * 4 * 4 * 3), [2, 4, 4, 3]);
        Same(all.Conv2d.Forward(image), Functional.Conv2d(image, all.Conv2d.Weight, all.Conv2d.Bias, stride: 2));
        AttentionLayout layout = AttentionLayout.Uniform(2, 3);
        var options = new SelfAttentionOptions { Heads = 2, KeyValueHeads = 1, HeadSize = 8, QueryNorm = all.Attention.QueryNorm!.Weight, KeyNorm = all.Attention.KeyNorm!.Weight };
        Same(all.Attention.Forward(x, layout, residual: r),
            Functional.Linear(Functional.SelfAttention(Functional.Linear(x, all.Attention.Qkv.Weight), options, layout), all.Attention.Output.Weight, residual: r));

        static void Same(Tensor actual, Tensor expected)
        {
            Assert.Equal(expected.Shape, actual.Shape);
            Agreement.CheckBitwise("layer", actual.ToArray(), expected.ToArray());
        }
    }

    /// <summary>A table beside the parameters: exact in float32, rounded to bfloat16 as a cast does, and dead with the constant.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void AConstantIsATensorOfNoArena(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        float[] values = Samples.Normal(1, 12);
        long live;
        Tensor value;
        using (var table = new Constant(device, values, [3, 4]))
        using (var halves = new Constant(device, values, [3, 4], DType.BFloat16))
        {
            value = table.Value;
            Assert.Equal(values, value.ToArray());
            using (device.BeginStep())
            {
                Assert.Equal(Tensor.From(values, [3, 4]).To(DType.BFloat16).ToArray(), halves.Value.ToArray());
                Tensor x = Tensor.From(values, [3, 4], requiresGradient: true);
                Functional.Sum(x * value).Backward();
                Assert.Equal(values, x.Gradient!.Value.ToArray());
                Assert.Null(value.Gradient);
            }
            Assert.Equal(values, table.Value.ToArray());
            live = DeviceMemory.LiveBlocks;
        }
        Assert.Equal(live - 2, DeviceMemory.LiveBlocks);
        Assert.Throws<InvalidOperationException>(() => value.ToArray());
        Assert.StartsWith("A constant is Float32 or BFloat16, not Int32.", Assert.Throws<ArgumentException>(() => new Constant(device, values, [3, 4], DType.Int32)).Message, StringComparison.Ordinal);
        Assert.StartsWith("12 values do not fill [3, 5].", Assert.Throws<ArgumentException>(() => new Constant(device, values, [3, 5])).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Devices))]
    public void ADisposedModelFreesItsParametersAndSaysSo(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        long before = DeviceMemory.LiveBlocks;
        var linear = new Linear(4, 3);
        linear.Build(device, 1, DType.Float16);
        Assert.Equal(before + 3, DeviceMemory.LiveBlocks);
        Tensor value = linear.Weight;
        linear.Dispose();
        linear.Dispose();
        Assert.Equal(before, DeviceMemory.LiveBlocks);
        Assert.Throws<InvalidOperationException>(() => value.ToArray());
        Assert.Contains("or the model was disposed", Assert.Throws<InvalidOperationException>(() => linear.Weight.ToArray()).Message, StringComparison.Ordinal);
    }

    private sealed class Zoo : Module
    {
        public Zoo()
        {
            Linear = AddChild("linear", new Linear(16, 16));
            Mlp = AddChild("mlp", new Mlp(16, 24));
            SwiGlu = AddChild("swiglu", new SwiGluMlp(16, 24));
            LayerNorm = AddChild("layer_norm", new LayerNorm(16, 1e-3f));
            RmsNorm = AddChild("rms_norm", new RmsNorm(16));
            Embedding = AddChild("embedding", new Embedding(5, 16));
            Conv2d = AddChild("conv2d", new Conv2d(3, 5, kernel: 2, stride: 2));
            Attention = AddChild("attention", new Attention(new AttentionOptions { Width = 16, Heads = 2, KeyValueHeads = 1, QueryKeyNorm = true }));
        }

        public Linear Linear { get; }

        public Mlp Mlp { get; }

        public SwiGluMlp SwiGlu { get; }

        public LayerNorm LayerNorm { get; }

        public RmsNorm RmsNorm { get; }

        public Embedding Embedding { get; }

        public Conv2d Conv2d { get; }

        public Attention Attention { get; }
    }
}
