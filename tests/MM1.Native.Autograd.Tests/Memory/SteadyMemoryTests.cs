using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class SteadyMemoryTests
{
    private readonly TinyConfig _config = new(Width: 16, Heads: 2, Hidden: 24, Sequence: 9);

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void AThousandStepsTakeNoMoreMemoryThanThree(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var model = new TinyDecoder(_config, device, 1);
        using var adamw = new AdamW(model.Parameters());
        long blocks = 0, bytes = 0, managed = 0, allocated = 0, perStep = 0;
        // The managed side is the same for every device; an emulated one takes long for its steps.
        int steps = TestDevices.IsNative(deviceName) ? 25 : 1000;
        for (int step = 1; step <= steps; step++)
        {
            Train(device, model, adamw, _ => { });
            if (step == 3) (blocks, bytes) = (DeviceMemory.LiveBlocks, DeviceMemory.LiveBytes);
            if (step == 400) (managed, allocated) = (GC.GetTotalMemory(forceFullCollection: true), GC.GetAllocatedBytesForCurrentThread());
            if (step == 700) perStep = GC.GetAllocatedBytesForCurrentThread() - allocated;
        }
        Assert.Equal((blocks, bytes), (DeviceMemory.LiveBlocks, DeviceMemory.LiveBytes));
        if (steps < 1000) return;
        // Tiered compilation and the runtime's own tables come and go; a leak of one node a step would be tens of kilobytes.
        long grown = GC.GetTotalMemory(forceFullCollection: true) - managed;
        Assert.True(grown < 64 << 10, $"The managed heap grew by {grown} bytes in 600 steps.");
        long later = GC.GetAllocatedBytesForCurrentThread() - allocated - perStep;
        Assert.True(Math.Abs(later - perStep) < 0.1 * perStep, $"300 steps allocated {perStep} bytes, the next {later}.");
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void TheSameStepAsksForTheSameAddresses(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var model = new TinyDecoder(_config, device, 1);
        using var adamw = new AdamW(model.Parameters());
        var steps = new List<List<nint>>();
        for (int step = 0; step < 8; step++)
        {
            var addresses = new List<nint>();
            Train(device, model, adamw, tensor => addresses.Add(tensor.Address));
            steps.Add(addresses);
        }
        for (int step = 3; step < steps.Count; step++) Assert.Equal(steps[2], steps[step]);
    }

    /// <summary>Recomputed blocks and large tensors, so that chunks are added in the first step.</summary>
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void StepsOfSeveralChunksSettle(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        var steps = new List<List<nint>>();
        for (int step = 0; step < 5; step++)
        {
            var addresses = new List<nint>();
            using (device.BeginStep())
            {
                Tensor leaf = Tensor.From(new float[1 << 20], [1024, 1024], requiresGradient: true), x = leaf;
                for (int i = 0; i < 6; i++)
                {
                    x = Functional.Recompute(y => Functional.Activate(Functional.Scale(y, 0.5f), Activation.Silu), x);
                    addresses.Add(x.Address);
                    x = Functional.Scale(x, 2);
                    addresses.Add(x.Address);
                }
                Functional.Sum(x).Backward();
                addresses.Add(leaf.Gradient!.Value.Address);
            }
            steps.Add(addresses);
        }
        for (int step = 3; step < steps.Count; step++) Assert.Equal(steps[2], steps[step]);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void EverythingIsFreedAtTheEnd(string deviceName)
    {
        long blocks = DeviceMemory.LiveBlocks, bytes = DeviceMemory.LiveBytes;
        using (Device device = TestDevices.Open(deviceName))
        {
            using var model = new TinyDecoder(_config, device, 1);
            using var adamw = new AdamW(model.Parameters());
            Train(device, model, adamw, _ => { });
            Assert.True(DeviceMemory.LiveBlocks > blocks);
        }
        Assert.Equal((blocks, bytes), (DeviceMemory.LiveBlocks, DeviceMemory.LiveBytes));
    }

    private void Train(Device device, TinyDecoder model, AdamW adamw, Action<Tensor> note)
    {
        (int[] tokens, int[] targets) = CopyTask.Batch(_config, 1, 2);
        using (device.BeginStep(lossDenominator: 16))
        {
            for (int batch = 0; batch < 2; batch++)
            {
                using (device.BeginMicroBatch())
                {
                    Tensor ids = Tensor.From(tokens, [tokens.Length]), logits = model.Forward(ids);
                    note(ids);
                    note(logits);
                    Tensor loss = Loss.CrossEntropy(logits, Tensor.From(targets, [targets.Length]));
                    note(loss);
                    loss.Backward();
                    note(loss.Gradient!.Value);
                }
            }
            adamw.Step();
        }
    }
}
