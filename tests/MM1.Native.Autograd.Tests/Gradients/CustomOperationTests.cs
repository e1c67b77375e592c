using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>Custom operations beside those of <see cref="OperationGradientTests"/>: on the host, with integers, and against the rules.</summary>
public sealed class CustomOperationTests
{
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AnOperationOnTheHostHasGradients(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        float[] values = Samples.Normal(1, 6);
        Tensor x = Tensor.From(values, [2, 3], requiresGradient: true);
        var cube = new Delegated("Cube",
            (inputs, context) =>
            {
                Assert.False(GradientMode.Records);
                context.Save(inputs[0]);
                return [Tensor.From(inputs[0].ToArray().Select(value => value * value * value).ToArray(), inputs[0].Shape)];
            },
            (gradients, context) =>
            {
                Assert.False(GradientMode.Records);
                float[] upstream = gradients[0]!.Value.ToArray(), at = context.Saved[0].ToArray();
                return [Tensor.From(at.Select((value, i) => 3 * value * value * upstream[i]).ToArray(), context.Saved[0].Shape)];
            });
        Tensor y = Assert.Single(Functional.Custom(cube, x));
        Assert.True(y.RequiresGradient);
        Assert.Throws<OperationException>(() => x.Write(values.AsSpan()));
        Functional.Sum(y).Backward();
        Close.Check("gradient", x.Gradient!.Value.ToArray(), [.. values.Select(value => 3 * value * value)]);
        x.Write(values.AsSpan());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void IntegerOutputsRequireNoGradient(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([3f, 1, 2], [1, 3], requiresGradient: true);
        Tensor[] outputs = Functional.Custom(new Delegated("Largest",
            (inputs, _) =>
            {
                (Tensor values, Tensor indices) = Functional.TopK(inputs[0], 1);
                return [values, indices];
            },
            (gradients, _) =>
            {
                Assert.Null(gradients[1]);
                return [Tensor.From([gradients[0]!.Value.Item(), 0, 0], [1, 3])];
            }), x);
        Assert.True(outputs[0].RequiresGradient);
        Assert.False(outputs[1].RequiresGradient);
        Functional.Sum(outputs[0]).Backward();
        Assert.Equal([1f, 0, 0], x.Gradient!.Value.ToArray());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void InputsMayGetNoGradient(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([3f], [1], requiresGradient: true), y = Tensor.From([4f], [1], requiresGradient: true);
        Tensor output = Functional.Custom(new Delegated("First", (inputs, _) => [Functional.Scale(inputs[0], 1)], (gradients, _) => [gradients[0], null]), x, y)[0];
        Functional.Sum(output).Backward();
        Assert.Equal([1f], x.Gradient!.Value.ToArray());
        Assert.Null(y.Gradient);
    }

    /// <summary>A gradient that backward takes from what it saved must not be added into.</summary>
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void SavedTensorsMayBeGradients(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([3f, 4], [2], requiresGradient: true), factors = Tensor.From([5f, 6], [2]);
        var dot = new Delegated("Dot",
            (inputs, context) =>
            {
                context.Save(inputs[1]);
                return [Functional.Sum(inputs[0] * inputs[1])];
            },
            (_, context) => [context.Saved[0], null]);
        (Functional.Sum(x * x) + Functional.Custom(dot, x, factors)[0] + Functional.Sum(x)).Backward();
        Assert.Equal([12f, 15], x.Gradient!.Value.ToArray());
        Assert.Equal([5f, 6], factors.ToArray());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void WithoutGradientsNothingIsRecorded(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        var operation = new Delegated("Copy", (inputs, _) => [Functional.Scale(inputs[0], 1)], (_, _) => throw new InvalidOperationException("Backward ran."));
        Assert.False(Functional.Custom(operation, Tensor.Zeros([2]))[0].RequiresGradient);
        Assert.Equal(0, arena.Tape.Count);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AnErrorInsideRestoresRecording(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([3f], [1], requiresGradient: true);
        Assert.Throws<NotSupportedException>(() => Functional.Custom(new Delegated("Bad", (_, _) => throw new NotSupportedException(), (_, _) => []), x));
        Assert.True(GradientMode.Records);
        Tensor loss = Functional.Sum(Functional.Custom(new Delegated("Bad", (inputs, _) => [Functional.Scale(inputs[0], 1)], (_, _) => throw new NotSupportedException()), x)[0]);
        Assert.Throws<NotSupportedException>(loss.Backward);
        Assert.True(GradientMode.Records);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void WrongResultsOfForwardThrow(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena session = device.BeginSession();
        Tensor older = Tensor.Zeros([2]);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([3f, 4], [2], requiresGradient: true);
        Assert.Equal("Mine: Forward returned no tensors.", Error((_, _) => []));
        Assert.Equal($"Mine: Forward must return new tensors of the current arena; Float32 [2] on {device} is an input or older.", Error((inputs, _) => [inputs[0]]));
        Assert.Equal($"Mine: Forward must return new tensors of the current arena; Float32 [2] on {device} is an input or older.", Error((_, _) => [older]));

        string Error(Func<Tensor[], CustomContext, Tensor[]> forward) =>
            Assert.Throws<OperationException>(() => Functional.Custom(new Delegated("Mine", forward, (_, _) => []), x)).Message;
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void WrongResultsOfBackwardThrow(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        Assert.Equal("Mine: Backward returned 2 gradients for 1 inputs.", Error(gradients => [gradients[0], null]));
        Assert.Equal("Mine: Backward returned a gradient [1] for input 0 of shape [2].", Error(_ => [Tensor.Zeros([1])]));
        Assert.Equal("Mine: Backward returned a gradient of Int32 for input 0; gradients have a floating-point dtype.", Error(_ => [Tensor.Zeros([2], DType.Int32)]));

        string Error(Func<Tensor?[], Tensor?[]> backward)
        {
            using Arena arena = device.BeginStep();
            Tensor x = Tensor.From([3f, 4], [2], requiresGradient: true);
            Tensor loss = Functional.Sum(Functional.Custom(new Delegated("Mine", (inputs, _) => [Functional.Scale(inputs[0], 1)], (gradients, _) => backward(gradients)), x)[0]);
            return Assert.Throws<OperationException>(loss.Backward).Message;
        }
    }

    private sealed class Delegated(string name, Func<Tensor[], CustomContext, Tensor[]> forward, Func<Tensor?[], CustomContext, Tensor?[]> backward) : ICustomOperation
    {
        public string Name => name;

        public Tensor[] Forward(ReadOnlySpan<Tensor> inputs, CustomContext context) => forward(inputs.ToArray(), context);

        public Tensor?[] Backward(ReadOnlySpan<Tensor?> outputGradients, CustomContext context) => backward(outputGradients.ToArray(), context);
    }
}
