using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>CPU placement on Linux; elsewhere there are no CPUs to pin to and the pool runs unpinned.</summary>
internal static unsafe partial class Affinity
{
    private const int MaskBytes = 128; // 1024 CPUs, glibc's cpu_set_t

    /// <summary>CPUs this process may run on, ascending; empty where that cannot be told.</summary>
    public static int[] AllowedCpus()
    {
        if (!OperatingSystem.IsLinux()) return [];
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        if (GetAffinity(0, MaskBytes, mask) != 0) return [];
        var cpus = new List<int>();
        for (int cpu = 0; cpu < MaskBytes * 8; cpu++)
        {
            if ((mask[cpu >> 3] >> (cpu & 7) & 1) != 0) cpus.Add(cpu);
        }
        return [.. cpus];
    }

    /// <summary>Pins a thread by its kernel id, by default the calling one. A refusal only costs speed.</summary>
    public static void Pin(int cpu, int thread = 0)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        mask[cpu >> 3] |= (byte)(1 << (cpu & 7));
        _ = SetAffinity(thread, MaskBytes, mask);
    }

    /// <summary>If the calling thread runs on a CPU of workers 1..threads-1, moves it to <c>cpus[0]</c> and then frees it again.</summary>
    public static void LeaveCpusOf(int[] cpus, int threads)
    {
        int current = CurrentCpu();
        for (int worker = 1; worker < threads; worker++)
        {
            if (cpus[worker] != current) continue;
            byte* before = stackalloc byte[MaskBytes];
            if (GetAffinity(0, MaskBytes, before) != 0) return;
            Pin(cpus[0]);
            _ = SetAffinity(0, MaskBytes, before);
            return;
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_getcpu"), SuppressGCTransition]
    private static partial int CurrentCpu();

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nint size, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nint size, byte* mask);
}
