using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class TapeTests
{
    private readonly float[] _values = Samples.Normal(1, 12);

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ASecondBackwardThrows(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), loss = Functional.Sum(x * x);
        loss.Backward();
        Assert.Contains("Backward() ran once in this step", Assert.Throws<OperationException>(loss.Backward).Message, StringComparison.Ordinal);
        arena.Dispose();
        // The next step has the same tape again, unused.
        using Arena next = device.BeginStep();
        Assert.Contains("nothing on the tape leads to this tensor", Assert.Throws<OperationException>(Functional.Sum(Tensor.Zeros([2])).Backward).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ALossMadeAfterBackwardStartsAnew(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf();
        Functional.Sum(x * x).Backward();
        Functional.Sum(2 * x).Backward();
        Close.Check("gradient", x.Gradient!.Value.ToArray(), [.. _values.Select(value => 2 * value + 2)]);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ALossMadeBeforeAnotherBackwardIsReleased(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), first = Functional.Sum(x * x), second = Functional.Sum(2 * x);
        first.Backward();
        Assert.Equal("This Float32 tensor [] was released by Backward(), which gives memory back as it goes. Call Keep() on it before Backward(), or read it before.",
            Assert.Throws<InvalidOperationException>(() => second.Item()).Message);
        Assert.True(float.IsFinite(first.Item()));
        Assert.Equal(1, first.Gradient!.Value.Item());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void KeptTensorsStayReadable(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), kept = Functional.Scale(x, 2).Keep(), gone = Functional.Scale(kept, 3);
        Functional.Sum(gone).Backward();
        Assert.Equal(_values.Select(value => 2 * value), kept.ToArray());
        Assert.Contains("released by Backward()", Assert.Throws<InvalidOperationException>(() => gone.ToArray()).Message, StringComparison.Ordinal);
        Assert.Equal(_values, x.ToArray());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void RetainedGradientsStayReadable(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), middle = Functional.Scale(x, 2);
        Assert.Null(middle.Gradient);
        Assert.Null(x.Gradient);
        Assert.Equal(middle, middle.RetainGradient());
        Functional.Sum(middle * middle).Backward();
        Close.Check("middle", middle.Gradient!.Value.ToArray(), [.. _values.Select(value => 4 * value)]);
        Close.Check("leaf", x.Gradient!.Value.ToArray(), [.. _values.Select(value => 8 * value)]);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void BranchesThatDoNotLeadToTheLossGetNothing(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), y = Leaf(), aside = Functional.Sum(y * x);
        Functional.Sum(x).Backward();
        Assert.Null(y.Gradient);
        Assert.Equal(Enumerable.Repeat(1f, 12), x.Gradient!.Value.ToArray());
        Assert.Throws<InvalidOperationException>(() => aside.Item());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void DetachAndNoGradCutTheTape(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), cut = x.Detach();
        Assert.False(cut.RequiresGradient);
        Assert.Equal(x.Address, cut.Address);
        Tensor quiet;
        using (GradientMode.NoGrad())
        {
            Assert.False(GradientMode.Records);
            using (GradientMode.NoGrad()) quiet = x * x;
            Assert.False(GradientMode.Records);
        }
        Assert.True(GradientMode.Records);
        Assert.False(quiet.RequiresGradient);
        Assert.Equal(0, arena.Tape.Count);
        Functional.Sum(x * cut + quiet).Backward();
        Close.Check("gradient", x.Gradient!.Value.ToArray(), _values);
        Assert.Null(cut.Gradient);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void NothingIsRecordedWhereNothingNeedsAGradient(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From(_values, [3, 4]);
        Tensor y = Functional.Softmax(x * x + x);
        Assert.False(y.RequiresGradient);
        Assert.Equal(0, arena.Tape.Count);
        Assert.Contains("nothing on the tape leads to this tensor", Assert.Throws<OperationException>(Functional.Sum(y).Backward).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void SessionsAndInferenceDoNotRecord(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        Assert.False(GradientMode.Records);
        using (device.BeginSession())
        {
            Assert.False(GradientMode.Records);
            using (device.BeginStep())
            {
                Assert.True(GradientMode.Records);
                using (device.BeginInference()) Assert.False(GradientMode.Records);
                using (device.BeginMicroBatch()) Assert.True(GradientMode.Records);
                Assert.True(GradientMode.Records);
            }
            Assert.False(GradientMode.Records);
        }
        Assert.False(GradientMode.Records);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void TiedWeightsGetTheSumOfTheirUses(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([6, 4], [6, 4]);
        module.Build(device, 3);
        module.All[1].Load(module.All[0].ToArray());
        int[] ids = [0, 5, 2, 2], targets = [5, 2, 2, 1];
        foreach ((Parameter embedding, Parameter head) in new[] { (module.All[0], module.All[1]), (module.All[0], module.All[0]) })
        {
            float[] apart = [.. module.All[0].HasGradient ? Sum(module.All[0].Gradient.ToArray(), module.All[1].Gradient.ToArray()) : []];
            foreach (Parameter parameter in module.All) parameter.ZeroGradient();
            using (device.BeginStep())
            {
                Tensor x = Functional.Embedding(Tensor.From(ids, [4]), embedding);
                Loss.LinearCrossEntropy(Functional.Activate(x, Activation.Tanh), head, Tensor.From(targets, [4])).Backward();
            }
            if (apart.Length > 0) Close.Check("tied gradient", module.All[0].Gradient.ToArray(), apart);
        }
        Assert.False(module.All[1].HasGradient);

        static float[] Sum(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void FrozenParametersGetNothing(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4, 4], [4, 4]);
        module.Build(device, 3);
        module.All[0].RequiresGradient = false;
        using (Arena arena = device.BeginStep())
        {
            Tensor x = Tensor.From(_values, [3, 4]);
            Tensor hidden = Functional.Linear(x, module.All[0]);
            Assert.Equal(0, arena.Tape.Count);
            Functional.Sum(Functional.Linear(hidden, module.All[1])).Backward();
        }
        Assert.False(module.All[0].HasGradient);
        Assert.Null(module.All[0].Value.Gradient);
        Assert.True(module.All[1].HasGradient);
        Assert.NotNull(module.All[1].Value.Gradient);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void LeavesOfAStepKeepTheirGradientWhenAMicroBatchEnds(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor a = Leaf(), b = Leaf();
        for (int batch = 1; batch <= 3; batch++)
        {
            float[] weights = Samples.Normal(batch, 12);
            using (device.BeginMicroBatch()) Dual.Product(a + b, weights).Backward();
            // Another micro-batch gets the same memory.
            using (device.BeginMicroBatch())
            {
                for (int i = 0; i < 8; i++) Tensor.Full([12], float.NaN);
            }
            if (batch == 1) Agreement.CheckBitwise("gradient after one micro-batch", a.Gradient!.Value.ToArray(), weights);
        }
        float[] expected = new float[12];
        for (int batch = 1; batch <= 3; batch++)
        {
            float[] weights = Samples.Normal(batch, 12);
            for (int i = 0; i < 12; i++) expected[i] += weights[i];
        }
        Agreement.CheckBitwise("a", a.Gradient!.Value.ToArray(), expected);
        Agreement.CheckBitwise("b", b.Gradient!.Value.ToArray(), expected);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void LogitsOfAStepServeSeveralMicroBatches(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), logits = Functional.Scale(x, 2);
        float[] before = logits.ToArray();
        using (device.BeginMicroBatch()) Loss.CrossEntropy(logits, Tensor.From([0, 1, 2], [3])).Backward();
        Agreement.CheckBitwise("logits", logits.ToArray(), before);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AnArenaThatEndsWithoutBackwardGivesUpWhatItSaved(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4, 4]);
        module.Build(device, 1);
        float[] values = Samples.Normal(9, 16);
        using Arena session = device.BeginSession();
        Tensor x = Tensor.From(_values, [3, 4]);
        using (device.BeginStep())
        {
            Functional.Linear(x, module.All[0]);
            Assert.Contains("saved by an operation", Assert.Throws<OperationException>(() => module.All[0].Load(values)).Message, StringComparison.Ordinal);
        }
        module.All[0].Load(values);
        x.Write<float>(new float[12]);
        Agreement.CheckBitwise("parameter", module.All[0].ToArray(), values);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void SavedTensorsCannotBeWrittenBeforeBackward(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), view = Functional.Reshape(x, [12]), loss = Functional.Sum(x * x);
        Assert.StartsWith("Tensor.Write: the tensor [3, 4] is saved by an operation on the tape", Assert.Throws<OperationException>(() => x.Write(_values.AsSpan())).Message, StringComparison.Ordinal);
        Assert.Throws<OperationException>(() => view.Write(_values.AsSpan()));
        loss.Backward();
        x.Write(new float[12].AsSpan());
        Assert.Equal(new float[12], x.ToArray());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ViewsOfOuterTensorsEndWithTheInnerArena(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), y = Functional.Scale(x, 2);
        for (int i = 0; i < 3; i++)
        {
            using (device.BeginMicroBatch()) Functional.Reshape(y, [12]).ToArray();
        }
        Assert.Equal(1, y.State.References);
        long live = arena.LiveBytes;
        Functional.Sum(y).Backward();
        // The loss, its view's source and its seed came; y went, and x got a gradient.
        Assert.Equal(live - 256 + 256 + 2 * 256, arena.LiveBytes);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void BackwardGivesActivationsBack(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([.. Enumerable.Repeat(new Shape(64, 64), 8)]);
        module.Build(device, 1);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From(Samples.Normal(3, 32 * 64), [32, 64]);
        long start = arena.LiveBytes;
        Tensor y = x;
        foreach (Parameter weight in module.All) y = Functional.Linear(y, weight, null, Activation.Gelu);
        Tensor loss = Functional.Sum(y);
        long forward = arena.LiveBytes - start;
        loss.Backward();
        Assert.True(forward >= 16 * 32 * 64 * 4);
        // What is left: the loss and its seed.
        Assert.Equal(start + 2 * 256, arena.LiveBytes);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void HandlesOfEndedArenasSaySo(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        Tensor tensor;
        using (device.BeginStep()) tensor = Leaf();
        Assert.StartsWith("This tensor's arena (step, micro-batch or session) has ended.", Assert.Throws<InvalidOperationException>(() => tensor.Shape).Message, StringComparison.Ordinal);
        using (device.BeginStep())
        {
            Tensor next = Leaf(); // takes the place of the first
            Assert.Throws<InvalidOperationException>(() => tensor.ToArray());
            Assert.NotEqual(tensor, next);
            Assert.Throws<InvalidOperationException>(() => next + tensor);
        }
        Assert.StartsWith("This tensor handle is empty (default)", Assert.Throws<InvalidOperationException>(() => default(Tensor).Shape).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void BackwardMayRunInsideAnInnerArena(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Leaf(), loss = Functional.Sum(x * x);
        using (device.BeginMicroBatch()) loss.Backward();
        using (device.BeginMicroBatch())
        {
            for (int i = 0; i < 8; i++) Tensor.Full([12], float.NaN);
        }
        Close.Check("gradient", x.Gradient!.Value.ToArray(), [.. _values.Select(value => 2 * value)]);
        Assert.Equal(1, loss.Gradient!.Value.Item());
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void BackwardThroughTwentyThousandOperations(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1f], [1], requiresGradient: true), y = x;
        for (int i = 0; i < 20000; i++) y = y + x;
        Functional.Sum(y).Backward();
        Assert.Equal(20001, x.Gradient!.Value.Item());
    }

    private Tensor Leaf() => Tensor.From(_values, [3, 4], requiresGradient: true);
}
