using System.Runtime.InteropServices;
using MM1.Native.Kernels;
using MM1.Native.Kernels.Cpu;

namespace MM1.Native.Benchmarks;

/// <summary>What a result needs said about where it was measured: the first line of every mode.</summary>
internal sealed record BenchmarkMachine(string Cpu, int Cpus, int SimdBits, string System, string Runtime, string Version, string Date)
{
    public static BenchmarkMachine Current { get; } = new(
        CpuName(), Affinity.AllowedCpus() is { Length: > 0 } cpus ? cpus.Length : Environment.ProcessorCount, SimdWidth.Bits,
        RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription,
        typeof(Device).Assembly.GetName().Version?.ToString(3) ?? "unknown", DateTime.UtcNow.ToString("yyyy-MM-dd"));

    private static string CpuName()
    {
        const string Information = "/proc/cpuinfo";
        string? line = File.Exists(Information) ? File.ReadLines(Information).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
