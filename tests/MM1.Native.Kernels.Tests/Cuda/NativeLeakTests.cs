using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>Tests that count what the whole process holds: nothing runs beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>Devices that come and go leave no stream, event, graph or memory behind, by the counts of this side and of the library.</summary>
[Collection(nameof(Alone))]
public sealed class NativeLeakTests
{
    [Theory, MemberData(nameof(NativeDeviceTests.Devices), MemberType = typeof(NativeDeviceTests))]
    public void ADeviceThatIsOpenedAgainAndAgainLeavesNothing(string name)
    {
        using CudaDevice watch = NativeDeviceTests.Open(name);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        (long handles, long blocks, long free) = (CudaHandle.LiveHandles, DeviceMemory.LiveBlocks, watch.FreeMemory());
        for (int i = 0; i < 20; i++)
        {
            using CudaDevice device = NativeDeviceTests.Open(name);
            using var chain = new NativeDeviceTests.Chain(device, 3);
            using CudaStream stream = new(device);
            using CudaEvent recorded = new(device);
            chain.Values[0].Upload<float>(NativeDeviceTests.Chain.Start);
            device.Synchronize();
            stream.BeginCapture();
            chain.Double(1, stream.Handle);
            using CudaGraph graph = stream.EndCapture();
            graph.Launch(stream);
            recorded.Record(stream);
            _ = device.Launch(1 << 20);
            Assert.Throws<KernelArgumentException>(() => device.Kernels.Gemm(default, new GemmArgs { M = -1 }));
            stream.Synchronize();
            Assert.True(watch.FreeMemory() < free);
        }
        Assert.Equal((handles, blocks), (CudaHandle.LiveHandles, DeviceMemory.LiveBlocks));
        // A GPU is shared with other processes; the emulator counts this one alone.
        if (watch.Kind == DeviceKind.CudaEmulated) Assert.Equal(free, watch.FreeMemory());
    }
}
