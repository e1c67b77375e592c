using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Host memory for the CPU device. Blocks of 2 MiB and more are aligned to, and offered as, huge pages: packing and
/// element-wise passes over activations otherwise miss the TLB on every row.
/// </summary>
internal sealed unsafe partial class CpuMemory : DeviceMemory
{
    private const nuint HugePage = 2 << 20;
    private const nuint Alignment = 256;
    private const int AdviseHugePages = 14; // MADV_HUGEPAGE

    private CpuMemory(nint address, long length) : base(address, length) { }

    public static CpuMemory Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes == 0) return new CpuMemory(0, 0);
        bool huge = (nuint)bytes >= HugePage && OperatingSystem.IsLinux();
        void* address = NativeMemory.AlignedAlloc((nuint)bytes, huge ? HugePage : Alignment);
        // Advice only: where the kernel refuses, the pages are just small.
        if (huge) _ = Advise((nint)address, (nuint)bytes, AdviseHugePages);
        return new CpuMemory((nint)address, bytes);
    }

    protected override bool Free()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
