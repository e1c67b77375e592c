using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class RecomputeTests
{
    private const int Width = 16;

    /// <summary>A residual block whose input also goes elsewhere, before and after it, so that three gradients meet there.</summary>
    [Theory, InlineData("cpu/1"), InlineData("cpu/2")]
    public void GradientsAreTheSameBits(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4 * Width, Width], [Width, 4 * Width], [Width], [Width, Width]);
        module.Build(device, 5);
        float[][] plain = Run(block => block), recomputed = Run(block => x => Functional.Recompute(block, x)),
            nested = Run(block => x => Functional.Recompute(inner => Functional.Recompute(block, inner), x));
        for (int i = 0; i < plain.Length; i++)
        {
            Agreement.CheckBitwise($"result {i}", recomputed[i], plain[i]);
            Agreement.CheckBitwise($"result {i}, nested", nested[i], plain[i]);
        }

        float[][] Run(Func<Func<Tensor, Tensor>, Func<Tensor, Tensor>> wrap)
        {
            foreach (Parameter parameter in module.All) parameter.ZeroGradient();
            using (device.BeginStep())
            {
                Tensor leaf = Tensor.From(Samples.Normal(1, 10 * Width), [10, Width], requiresGradient: true);
                Tensor x = Functional.Linear(leaf, module.All[3]);
                Tensor before = Functional.Activate(x, Activation.Sigmoid);
                Tensor y = wrap(Block)(x);
                Tensor again = wrap(Block)(y * x);
                Tensor loss = Dual.Of(y * before, again, x);
                float value = loss.Item();
                loss.Backward();
                return [[value], leaf.Gradient!.Value.ToArray(), .. module.All.Select(parameter => parameter.Gradient.ToArray())];
            }
        }

        Tensor Block(Tensor x)
        {
            Tensor hidden = Functional.Linear(Functional.RmsNorm(x, module.All[2]), module.All[0], null, Activation.Gelu);
            return Functional.Linear(hidden, module.All[1], null, Activation.None, residual: x);
        }
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void OnlyInputsAndOutputsAreKept(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4 * Width, Width], [Width, 4 * Width]);
        module.Build(device, 5);
        using Arena arena = device.BeginStep();
        long start = arena.LiveBytes, block = 64 * Width * 4;
        Tensor leaf = Tensor.From(Samples.Normal(1, 64 * Width), [64, Width], requiresGradient: true), x = leaf;
        for (int i = 0; i < 6; i++) x = Functional.Recompute(Block, x);
        Assert.Equal(start + 7 * block, arena.LiveBytes);
        Functional.Sum(x).Backward();
        // The leaf, its gradient, the loss and its seed: everything else came back.
        Assert.Equal(start + 2 * block + 2 * 256, arena.LiveBytes);

        Tensor Block(Tensor input) => Functional.Linear(Functional.Linear(input, module.All[0], null, Activation.Gelu), module.All[1]);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void TheBlockRunsTwiceInTrainingAndOnceElse(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        int runs = 0;
        using (device.BeginInference()) Functional.Recompute(Block, Tensor.Zeros([2]));
        Assert.Equal(1, runs);
        using (device.BeginStep())
        {
            using (GradientMode.NoGrad()) Functional.Recompute(Block, Tensor.Zeros([2]));
            Assert.Equal(2, runs);
            Functional.Sum(Functional.Recompute(Block, Tensor.From(new float[2], [2], requiresGradient: true))).Backward();
            Assert.Equal(4, runs);
        }

        Tensor Block(Tensor x)
        {
            runs++;
            return Functional.Activate(x, Activation.Tanh);
        }
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ABlockThatReturnsItsInputPassesTheGradient(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1f, 2], [2], requiresGradient: true);
        Dual.Product(Functional.Recompute(input => input, x), [3, 4]).Backward();
        Assert.Equal([3f, 4], x.Gradient!.Value.ToArray());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void OtherTensorsOfTheBlockGetTheirGradients(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1f, 2], [2], requiresGradient: true), y = Tensor.From([3f, 4], [2], requiresGradient: true);
        Tensor factor = Functional.Scale(y, 10);
        Dual.Product(Functional.Recompute(input => input * factor + y, x), [5, 7]).Backward();
        Assert.Equal([150f, 280], x.Gradient!.Value.ToArray());
        Assert.Equal([55f, 147], y.Gradient!.Value.ToArray());
        // The block may even give back what it did not make.
        Dual.Product(Functional.Recompute(_ => y, x), [1, 1]).Backward();
        Assert.Equal([56f, 148], y.Gradient!.Value.ToArray());
        Assert.Equal([150f, 280], x.Gradient!.Value.ToArray());
    }

    /// <summary>A gate's projection becomes its own gradient where nobody reads it again; here the block does, later in backward.</summary>
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void WhatTheBlockReadsAgainIsStillThere(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        Agreement.CheckBitwise("gradients", Run((block, x) => Functional.Recompute(block, x)), Run((block, x) => block(x)));

        float[] Run(Func<Func<Tensor, Tensor>, Tensor, Tensor> run)
        {
            using Arena arena = device.BeginStep();
            Tensor leaf = Tensor.From(Samples.Normal(1, 4 * 2 * Width), [4, 2 * Width], requiresGradient: true);
            Tensor x = Tensor.From(Samples.Normal(2, 4 * 2 * Width), [4, 2 * Width], requiresGradient: true);
            Tensor projection = Functional.Scale(leaf, 2);
            Tensor product = run(input => input * projection, x);
            Dual.Of(product, Functional.GatedActivation(projection)).Backward();
            return [.. leaf.Gradient!.Value.ToArray(), .. x.Gradient!.Value.ToArray()];
        }
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ABlockThatChangesItsShapeThrows(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        int runs = 0;
        Tensor x = Tensor.From(new float[6], [6], requiresGradient: true);
        Tensor loss = Functional.Sum(Functional.Recompute(input => Functional.Reshape(input, runs++ == 0 ? [2, 3] : [3, 2]), x));
        Assert.Equal("Recompute: the block gave [3, 2] when it ran again, [2, 3] before; it must compute the same.", Assert.Throws<OperationException>(loss.Backward).Message);
        Assert.Same(arena, Arena.Current);
    }
}
