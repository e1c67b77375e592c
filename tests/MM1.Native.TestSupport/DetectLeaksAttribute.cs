using System.Reflection;
using MM1.Native.Autograd;
using MM1.Native.Kernels;
using Xunit.v3;

namespace MM1.Native.TestSupport;

/// <summary>
/// Fails a test that leaves device memory or an open arena behind (after ImageSharp's memory diagnostics). The counters are
/// those of the process, so the assembly must run its tests one at a time.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly | AttributeTargets.Class | AttributeTargets.Method)]
public sealed class DetectLeaksAttribute : BeforeAfterTestAttribute
{
    private long _blocks, _bytes;
    private int _arenas;

    /// <inheritdoc/>
    public override void Before(MethodInfo methodUnderTest, IXunitTest test) => (_blocks, _bytes, _arenas) = (DeviceMemory.LiveBlocks, DeviceMemory.LiveBytes, Arena.OpenCount);

    /// <inheritdoc/>
    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        int arenas = Arena.OpenCount - _arenas;
        // What a failed test left open must not become the arena of the next one.
        while (Arena.Current is { } arena) arena.Dispose();
        long blocks = DeviceMemory.LiveBlocks - _blocks, bytes = DeviceMemory.LiveBytes - _bytes;
        if (arenas != 0 || blocks != 0)
            throw new InvalidOperationException($"{test.TestDisplayName} left {arenas} open arenas and {blocks} blocks of device memory ({bytes} bytes) behind.");
    }
}
