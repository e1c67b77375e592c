using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>The debug switch names the first operation that makes a NaN or an infinity.</summary>
public sealed class TrapNonFiniteTests
{
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ForwardNamesTheFirstOperation(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1f, 2, 3e38f, 4], [2, 2], requiresGradient: true);
        NonFiniteException error = Trapped(() =>
        {
            Tensor fine = Functional.Scale(x, 1);
            Tensor infinite = fine * fine; // here
            return Functional.Sum(infinite - infinite);
        });
        Assert.Equal("Multiply: made Infinity in its result [2, 2] at flat index 2; everything before it was finite.", error.Message);
        Assert.Equal(("Multiply", 2L, float.PositiveInfinity), (error.Operation, error.Index, error.Value));
        // Without the switch it goes on.
        Assert.True(float.IsNaN(Functional.Sum(x * x - x * x).Item()));
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void BackwardNamesTheFirstOperation(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        // Forward 1e-20, 1, 1e20; backward 1, 1e20, 1e40.
        Tensor x = Tensor.From([1e-20f, 1e-20f], [2], requiresGradient: true);
        Tensor loss = Functional.Sum(Functional.Scale(Functional.Reshape(x * Tensor.Full([2], 1e20), [2, 1]), 1e20f));
        NonFiniteException error = Trapped(() =>
        {
            loss.Backward();
            return loss;
        });
        Assert.Equal("Multiply (backward): made Infinity in the gradient of an input [2] at flat index 0; everything before it was finite.", error.Message);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void BackwardNamesParameters(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var linear = new Linear(2, 2);
        linear.Build(device, 1);
        linear.Weight.Load([1e-20f, 1e-20f, 1e-20f, 1e-20f]);
        using Arena arena = device.BeginStep();
        Tensor loss = Functional.Sum(Functional.Scale(linear.Forward(Tensor.Full([1, 2], 1e20)), 1e19f));
        NonFiniteException error = Trapped(() =>
        {
            loss.Backward();
            return loss;
        });
        Assert.Equal("Linear (backward): made Infinity in the gradient of weight [2, 2] at flat index 0; everything before it was finite.", error.Message);
    }

    /// <summary>The sum of a fused add and norm is a result of its own: an infinity there is not blamed on the norm.</summary>
    [Theory, InlineData("AddLayerNorm"), InlineData("AddRmsNorm")]
    public void FusedSumsAreTrapped(string operation)
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1f, 3e38f], [1, 2]);
        NonFiniteException error = Trapped(() => operation == "AddRmsNorm" ? Functional.AddRmsNorm(x, x, null).Output : Functional.AddLayerNorm(x, x, null, null).Output);
        Assert.Equal($"{operation}: made Infinity in its sum [1, 2] at flat index 1; everything before it was finite.", error.Message);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void RecomputedAndCustomOperationsAreTrapped(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([3e38f], [1], requiresGradient: true);
        Assert.Equal("Multiply", Trapped(() => Functional.Recompute(y => y * y, x)).Operation);
        Assert.Equal("HostSquare", Trapped(() => Functional.Custom(new HostSquare(), x)[0]).Operation);
    }

    [Fact]
    public void TheSwitchIsOfTheThread()
    {
        GradientMode.TrapNonFinite = true;
        bool elsewhere = true;
        var thread = new Thread(() => elsewhere = GradientMode.TrapNonFinite);
        thread.Start();
        thread.Join();
        GradientMode.TrapNonFinite = false;
        Assert.False(elsewhere);
    }

    private static NonFiniteException Trapped(Func<Tensor> run)
    {
        GradientMode.TrapNonFinite = true;
        try
        {
            return Assert.Throws<NonFiniteException>(() => run());
        }
        finally
        {
            GradientMode.TrapNonFinite = false;
        }
    }

    private sealed class HostSquare : ICustomOperation
    {
        public string Name => "HostSquare";

        public Tensor[] Forward(ReadOnlySpan<Tensor> inputs, CustomContext context) =>
            [Tensor.From(inputs[0].ToArray().Select(value => value * value).ToArray(), inputs[0].Shape)];

        public Tensor?[] Backward(ReadOnlySpan<Tensor?> outputGradients, CustomContext context) => [null];
    }
}
