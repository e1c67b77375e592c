using System.Reflection;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;
using Xunit.v3;

namespace MM1.Native.Autograd.Tests;

/// <summary>The leak detector that watches over this assembly finds leaks.</summary>
public sealed class DetectLeaksTests
{
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void MemoryLeftBehindIsFound(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        DeviceMemory? block = null;
        string message = Leak(() => block = device.Allocate(100));
        Assert.EndsWith("left 0 open arenas and 1 blocks of device memory (100 bytes) behind.", message, StringComparison.Ordinal);
        block!.Dispose();
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AnOpenArenaIsFoundAndClosed(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        device.BeginSession().Dispose(); // its tables come with the first arena and stay with the device
        string message = Leak(() => device.BeginStep());
        Assert.EndsWith("left 1 open arenas and 0 blocks of device memory (0 bytes) behind.", message, StringComparison.Ordinal);
        Assert.Null(Arena.Current);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/2", MemberType = typeof(TestDevices))]
    public void CleanTestsPass(string deviceName)
    {
        (DetectLeaksAttribute detector, MethodInfo method, IXunitTest test) = Detector();
        detector.Before(method, test);
        using (Device device = TestDevices.Open(deviceName))
        {
            using (device.BeginStep()) Tensor.Zeros([100]);
            device.Allocate(0); // an empty block is none
        }
        detector.After(method, test);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void FreedBlocksAreCountedOnce(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        long blocks = DeviceMemory.LiveBlocks, bytes = DeviceMemory.LiveBytes;
        DeviceMemory memory = device.Allocate(1000);
        Assert.Equal((blocks + 1, bytes + 1000), (DeviceMemory.LiveBlocks, DeviceMemory.LiveBytes));
        memory.Dispose();
        memory.Dispose();
        Assert.Equal((blocks, bytes), (DeviceMemory.LiveBlocks, DeviceMemory.LiveBytes));
    }

    private static string Leak(Action leaks)
    {
        (DetectLeaksAttribute detector, MethodInfo method, IXunitTest test) = Detector();
        detector.Before(method, test);
        leaks();
        return Assert.Throws<InvalidOperationException>(() => detector.After(method, test)).Message;
    }

    private static (DetectLeaksAttribute Detector, MethodInfo Method, IXunitTest Test) Detector() =>
        (new DetectLeaksAttribute(), (MethodInfo)MethodBase.GetCurrentMethod()!, (IXunitTest)TestContext.Current.Test!);
}
