using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class ArenaTests
{
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void WithoutAnArenaTensorsHaveNoOwner(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        Assert.Null(Arena.Current);
        Assert.Equal("Tensor.Empty: no arena is open on this thread, so a new tensor would have no owner. Open one: using (device.BeginStep()) { ... } or using (device.BeginSession()) { ... }.",
            Assert.Throws<InvalidOperationException>(() => Tensor.Zeros([2])).Message);
        using var module = new Bag([2]);
        module.Build(device, 1);
        Assert.StartsWith("Scale: no arena is open", Assert.Throws<InvalidOperationException>(() => Functional.Scale(module.All[0], 2)).Message, StringComparison.Ordinal);
        Assert.StartsWith("Tensor.Detach: no arena is open", Assert.Throws<InvalidOperationException>(() => module.All[0].Value.Detach()).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ArenasBelongToTheirThread(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor tensor = Tensor.Zeros([2]);
        int mine = Environment.CurrentManagedThreadId, other = 0;
        Exception? current = null, make = null, end = null;
        var thread = new Thread(() =>
        {
            other = Environment.CurrentManagedThreadId;
            current = Record.Exception(() => tensor + tensor);
            make = Record.Exception(() => tensor.CopyTo(arena));
            end = Record.Exception(arena.Dispose);
        });
        thread.Start();
        thread.Join();
        Assert.Contains("no arena is open on this thread", current!.Message, StringComparison.Ordinal);
        Assert.Equal($"This Step arena belongs to thread {mine}; thread {other} cannot make tensors in it.", Assert.IsType<InvalidOperationException>(make).Message);
        Assert.Equal($"This Step arena belongs to thread {mine}; it must end there.", Assert.IsType<InvalidOperationException>(end).Message);
        Assert.Same(arena, Arena.Current);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ArenasEndInReverseOrder(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        Arena session = device.BeginSession(), step = device.BeginStep(), batch = device.BeginMicroBatch();
        Assert.Equal("This Session arena cannot end before the MicroBatch arena that was opened inside it.", Assert.Throws<InvalidOperationException>(session.Dispose).Message);
        Assert.Equal("This Step arena cannot end before the MicroBatch arena that was opened inside it.", Assert.Throws<InvalidOperationException>(step.Dispose).Message);
        batch.Dispose();
        batch.Dispose(); // again is nothing
        Assert.Same(step, Arena.Current);
        step.Dispose();
        session.Dispose();
        Assert.Null(Arena.Current);
        Assert.Equal(0, Arena.OpenCount);
        Assert.Contains("This arena has ended", Assert.Throws<ObjectDisposedException>(() => step.LiveBytes).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AMicroBatchNeedsAStep(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        const string Message = "A micro-batch must be opened inside a step of its device: call device.BeginStep() first.";
        Assert.Equal(Message, Assert.Throws<InvalidOperationException>(() => device.BeginMicroBatch()).Message);
        using (device.BeginSession()) Assert.Equal(Message, Assert.Throws<InvalidOperationException>(() => device.BeginMicroBatch()).Message);
        Assert.Equal(0, Arena.OpenCount);
        using (device.BeginInference())
        {
            using (device.BeginMicroBatch())
            {
                using (device.BeginMicroBatch()) Assert.Equal(ArenaKind.MicroBatch, Arena.Current!.Kind);
            }
        }
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void LiveBytesCountTensors(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena session = device.BeginSession();
        Assert.Equal((0, device, ArenaKind.Session), (session.LiveBytes, session.Device, session.Kind));
        Tensor.Zeros([100]);
        Assert.Equal(512, session.LiveBytes);
        using (Arena step = device.BeginStep())
        {
            Tensor.Zeros([1]);
            Assert.Equal((256, 512), (step.LiveBytes, session.LiveBytes));
        }
        using (Arena step = device.BeginStep()) Assert.Equal((0, 256), (step.LiveBytes, step.PeakBytes));
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void TensorsOfOuterArenasOutliveInnerOnes(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using Arena session = device.BeginSession();
        Tensor kept = Tensor.From([1f, 2], [2]), copy = default;
        for (int i = 0; i < 5; i++)
        {
            using (device.BeginStep())
            {
                Tensor twice = kept + kept;
                using (device.BeginMicroBatch()) copy = (twice + twice).CopyTo(session);
            }
        }
        Assert.Equal([4f, 8], copy.ToArray());
        Assert.Equal([1f, 2], kept.ToArray());
        Assert.Equal(6 * 256, session.LiveBytes);
    }

    [Fact]
    public void TensorsMoveToNoOtherDevice()
    {
        using Device device = TestDevices.Open("cpu/1"), other = TestDevices.Open("cpu/1");
        using Arena session = device.BeginSession();
        Tensor tensor = Tensor.Zeros([2]);
        using Arena elsewhere = other.BeginSession();
        Assert.Equal("Tensor.CopyTo: the tensor is on cpu, the arena on cpu.", Assert.Throws<OperationException>(() => tensor.CopyTo(elsewhere)).Message);
        Assert.Equal("Scale: a tensor [2] is on device cpu, the current arena on cpu; copy the tensor over first.", Assert.Throws<OperationException>(() => Functional.Scale(tensor, 2)).Message);
        Assert.Throws<OperationException>(() => Tensor.Zeros([2]) + tensor);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ADeviceMayGoBeforeItsArena(string deviceName)
    {
        long blocks = DeviceMemory.LiveBlocks;
        Device device = TestDevices.Open(deviceName);
        Arena arena = device.BeginStep();
        Tensor.Zeros([2]);
        device.Dispose();
        arena.Dispose();
        Assert.Equal(blocks, DeviceMemory.LiveBlocks);
        Assert.Null(Arena.Current);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void TheMemoryOfAnArenaIsKeptForTheNextOfItsDepth(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        nint outer, inner;
        using (device.BeginStep())
        {
            outer = Tensor.Zeros([1000]).Address;
            using (device.BeginMicroBatch()) inner = Tensor.Zeros([1000]).Address;
        }
        for (int i = 0; i < 3; i++)
        {
            using (device.BeginStep())
            {
                Assert.Equal(outer, Tensor.Zeros([10]).Address);
                for (int j = 0; j < 3; j++)
                {
                    using (device.BeginMicroBatch()) Assert.Equal(inner, Tensor.Zeros([10]).Address);
                }
            }
        }
    }
}
