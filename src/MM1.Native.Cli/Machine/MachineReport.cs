using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.Kernels;

namespace MM1.Native.Cli;

/// <summary>One finding of <c>mm1 doctor</c>.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Value">What was found.</param>
/// <param name="Ok">False where something will not work.</param>
/// <param name="Hint">What to do about it.</param>
internal sealed record Finding(string Name, string Value, bool Ok = true, string? Hint = null)
{
    /// <summary>What was probed to find it, a line each.</summary>
    public IReadOnlyList<string> Probed { get; init; } = [];
}

/// <summary>What this machine offers, probed.</summary>
internal static class MachineReport
{
    /// <summary>Probes everything.</summary>
    public static IReadOnlyList<Finding> Probe()
    {
        var findings = new List<Finding>
        {
            new("mm1", typeof(MachineReport).Assembly.GetName().Version?.ToString(3) ?? "unknown"),
            new("system", $"{RuntimeInformation.OSDescription.Trim()} ({RuntimeInformation.ProcessArchitecture})"),
            new(".NET", RuntimeInformation.FrameworkDescription),
            new("processor", Processor()),
            new("SIMD", Simd()),
            Cores(),
            Memory(),
        };
        findings.AddRange(Devices());
        findings.Add(Images());
        findings.Add(Text());
        findings.Add(Disk());
        findings.AddRange(OwnEnvironment());
        return findings;
    }

    /// <summary>Bytes that this process may use: physical memory, or the container's limit.</summary>
    public static long AvailableMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>As JSON: <c>ok</c>, what builds the native libraries, and the findings by name.</summary>
    public static JsonObject ToJson(IReadOnlyList<Finding> findings)
    {
        var json = new JsonObject { ["ok"] = findings.All(static finding => finding.Ok), ["native_build"] = DeviceProbe.BuildLine };
        var list = new JsonArray();
        foreach (Finding finding in findings)
        {
            var entry = new JsonObject { ["name"] = finding.Name, ["value"] = finding.Value, ["ok"] = finding.Ok, ["hint"] = finding.Hint };
            if (finding.Probed.Count > 0) entry["probed"] = new JsonArray([.. finding.Probed.Select(static line => (JsonNode)line)]);
            list.Add((JsonNode)entry);
        }
        json["findings"] = list;
        return json;
    }

    private static string Processor()
    {
        if (OperatingSystem.IsLinux() && File.Exists("/proc/cpuinfo"))
        {
            foreach (string line in File.ReadLines("/proc/cpuinfo"))
                if (line.StartsWith("model name", StringComparison.Ordinal)) return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }
        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string Simd()
    {
        int bits = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 32;
        return bits == 32 ? "none: one element at a time, slow" : $"{bits} bits ({bits / 32} float32 at once)";
    }

    private static Finding Cores()
    {
        string limit = CgroupCpus() is { } cpus ? $", the container allows {cpus.ToString("0.##", CultureInfo.InvariantCulture)}" : "";
        return new Finding("cores", $"{Environment.ProcessorCount} usable{limit}");
    }

    private static double? CgroupCpus()
    {
        try
        {
            if (!File.Exists("/sys/fs/cgroup/cpu.max")) return null;
            string[] words = File.ReadAllText("/sys/fs/cgroup/cpu.max").Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return words.Length == 2 && words[0] != "max" && double.TryParse(words[0], CultureInfo.InvariantCulture, out double quota) && double.TryParse(words[1], CultureInfo.InvariantCulture, out double period)
                ? quota / period : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Finding Memory()
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo();
        string free = FreeMemory() is { } bytes ? $", {Quantity.Bytes(Math.Min(bytes, info.TotalAvailableMemoryBytes))} free" : "";
        return new Finding("memory", Quantity.Bytes(info.TotalAvailableMemoryBytes) + free);
    }

    /// <summary>What Linux could give away now; null on other systems.</summary>
    private static long? FreeMemory()
    {
        if (!File.Exists("/proc/meminfo")) return null;
        foreach (string line in File.ReadLines("/proc/meminfo"))
        {
            if (!line.StartsWith("MemAvailable:", StringComparison.Ordinal)) continue;
            return long.TryParse(line["MemAvailable:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture, out long kibibytes) ? kibibytes * 1024 : null;
        }
        return null;
    }

    /// <summary>A device that is not there is no fault of the machine: the CPU device is complete.</summary>
    private static IEnumerable<Finding> Devices() => Device.Probe().Select(static probe =>
        new Finding("device " + probe.Name, $"{(probe.IsAvailable ? "yes" : "no")}: {probe.Description}", Hint: probe.Advice) { Probed = probe.Probed });

    private static Finding Images()
    {
        try
        {
            var square = new ImageData(2, 2, [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7]);
            bool same = ImageCodec.Decode(ImageCodec.EncodePng(square)).Pixels.AsSpan().SequenceEqual(square.Pixels);
            return new Finding("images", same ? $"SkiaSharp {typeof(SkiaSharp.SKBitmap).Assembly.GetName().Version?.ToString(3)} encodes and decodes" : "SkiaSharp changes pixels", same);
        }
        catch (Exception exception) when (exception is DllNotFoundException or TypeInitializationException or InvalidOperationException)
        {
            return new Finding("images", $"no: {exception.GetBaseException().Message}", false, "the native SkiaSharp library of this system is missing beside mm1.dll");
        }
    }

    private static Finding Text()
    {
        try
        {
            return new Finding("fonts", $"{EmbeddedFont.Typeface.FamilyName}, embedded; none of the system is needed");
        }
        catch (Exception exception) when (exception is DllNotFoundException or TypeInitializationException or InvalidOperationException)
        {
            return new Finding("fonts", $"no: {exception.GetBaseException().Message}", false, "plots and sample sheets need the native SkiaSharp library");
        }
    }

    private static Finding Disk()
    {
        string folder = Directory.GetCurrentDirectory();
        try
        {
            long free = new DriveInfo(folder).AvailableFreeSpace;
            return new Finding("disk", $"{Quantity.Bytes(free)} free for {folder}", free > 1L << 28, free > 1L << 28 ? null : "checkpoints and logs need room; --out names another folder");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new Finding("disk", $"unknown: {exception.Message}");
        }
    }

    private static IEnumerable<Finding> OwnEnvironment()
    {
        foreach (string name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(static name => name.StartsWith("MM1_", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            yield return new Finding(name, Environment.GetEnvironmentVariable(name) ?? "");
    }
}
