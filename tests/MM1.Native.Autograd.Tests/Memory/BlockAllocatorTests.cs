using FsCheck.Xunit;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class BlockAllocatorTests
{
    /// <summary>A random program: an even number allocates, an odd one frees one of the live blocks.</summary>
    [Property(MaxTest = 200)]
    public void BlocksNeverOverlapAndComeTogetherAgain(ushort[] program)
    {
        using Device device = TestDevices.Open("cpu/1");
        using var allocator = new BlockAllocator(device);
        var live = new List<(nint Address, long Bytes)>();
        long peak = 0;
        foreach (ushort step in program ?? [])
        {
            Step(allocator, live, step, scale: 1);
            long bytes = live.Sum(block => block.Bytes);
            peak = Math.Max(peak, bytes);
            Assert.Equal(bytes, allocator.LiveBytes);
            Assert.Equal(peak, allocator.PeakBytes);
        }
        (nint Address, long Bytes)[] sorted = [.. live.OrderBy(block => block.Address)];
        for (int i = 0; i < sorted.Length; i++)
        {
            Assert.Equal(0, sorted[i].Address % 256);
            if (i > 0) Assert.True(sorted[i - 1].Address + (nint)sorted[i - 1].Bytes <= sorted[i].Address);
        }
        foreach ((nint address, long bytes) in live) allocator.Free(address, bytes);
        Assert.Equal(0, allocator.LiveBytes);
        Assert.Equal(allocator.Chunks, allocator.FreeBlocks);
    }

    /// <summary>Large blocks: the first run may end with several chunks, which become one; from then on nothing changes.</summary>
    [Property(MaxTest = 100)]
    public void TheSameProgramGetsTheSameAddresses(ushort[] program)
    {
        using Device device = TestDevices.Open("cpu/1");
        using var allocator = new BlockAllocator(device);
        Addresses(allocator, program, scale: 64);
        allocator.Reset();
        nint[] second = Addresses(allocator, program, scale: 64);
        allocator.Reset();
        Assert.Equal(second, Addresses(allocator, program, scale: 64));
        Assert.InRange(allocator.Chunks, 0, 1);
    }

    /// <summary>Addresses depend on nothing but the calls: another allocator gives the same offsets.</summary>
    [Property(MaxTest = 100)]
    public void OffsetsDependOnTheCallsOnly(ushort[] program)
    {
        using Device device = TestDevices.Open("cpu/1");
        using BlockAllocator one = new(device), two = new(device);
        nint[] first = Addresses(one, program, scale: 1), second = Addresses(two, program, scale: 1);
        Assert.Equal(first.Select(address => address - first[0]), second.Select(address => address - second[0]));
    }

    /// <summary>Blocks that fill several chunks, written to the last byte.</summary>
    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void ChunksGrowAndSettleToOne(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var allocator = new BlockAllocator(device);
        long blocks = DeviceMemory.LiveBlocks;
        for (int i = 0; i < 10; i++)
        {
            long bytes = BlockAllocator.Round(7 << 20);
            device.SetBytes(allocator.Allocate(bytes), 0xFF, bytes);
        }
        Assert.True(allocator.Chunks > 1);
        Assert.Equal(allocator.Chunks, DeviceMemory.LiveBlocks - blocks);
        allocator.Reset();
        Assert.Equal((1, 1), (allocator.Chunks, allocator.FreeBlocks));
        for (int i = 0; i < 10; i++) allocator.Allocate(BlockAllocator.Round(7 << 20));
        Assert.Equal(1, allocator.Chunks);
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void TheBestFitIsTaken(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var allocator = new BlockAllocator(device);
        nint[] blocks = [.. new[] { 1024, 256, 512, 256, 768, 256 }.Select(bytes => allocator.Allocate(bytes))];
        allocator.Free(blocks[0], 1024);
        allocator.Free(blocks[2], 512);
        allocator.Free(blocks[4], 768);
        Assert.Equal(blocks[2], allocator.Allocate(512));
        Assert.Equal(blocks[4], allocator.Allocate(512));
        Assert.Equal(blocks[4] + 512, allocator.Allocate(256));
        Assert.Equal(blocks[0], allocator.Allocate(256));
    }

    [Property]
    public void RoundingKeepsTheAlignment(uint bytes)
    {
        long rounded = BlockAllocator.Round(bytes);
        Assert.True(rounded % 256 == 0 && rounded >= Math.Max(bytes, 256) && rounded < Math.Max(bytes, 1) + 256L);
    }

    private static nint[] Addresses(BlockAllocator allocator, ushort[]? program, int scale)
    {
        var live = new List<(nint Address, long Bytes)>();
        var addresses = new List<nint>();
        foreach (ushort step in program ?? [])
        {
            Step(allocator, live, step, scale);
            if (live.Count > 0) addresses.Add(live[^1].Address);
        }
        return [.. addresses];
    }

    private static void Step(BlockAllocator allocator, List<(nint Address, long Bytes)> live, ushort step, int scale)
    {
        if (step % 2 == 0)
        {
            long bytes = BlockAllocator.Round((long)step * scale);
            live.Add((allocator.Allocate(bytes), bytes));
        }
        else if (live.Count > 0)
        {
            int index = step / 2 % live.Count;
            allocator.Free(live[index].Address, live[index].Bytes);
            live.RemoveAt(index);
        }
    }
}
