using MM1.Native.Kernels;
using Xunit;

namespace MM1.Native.TestSupport;

/// <summary>
/// The devices that the conformance and engine suites run on, by name: <c>cpu/1</c> and <c>cpu/2</c> are the cpu device with that many
/// threads. <c>MM1_TEST_DEVICES</c> (comma separated, for example <c>cpu/2,cuda:0</c>) replaces both lists.
/// </summary>
public static class TestDevices
{
    private static readonly string[]? Given =
        Environment.GetEnvironmentVariable("MM1_TEST_DEVICES")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static readonly Lazy<string?> Missing = new(FindMissing);

    /// <summary>The cpu device, with one thread and with two.</summary>
    public static string[] Names { get; } = Given is null ? ["cpu/1", "cpu/2"] : [.. Given.Where(static name => !IsNative(name))];

    /// <summary>Devices behind a native library: the emulated one where it was built.</summary>
    public static string[] Native { get; } = Given is not null ? [.. Given.Where(IsNative)] : Missing.Value is null ? ["cuda-emulated"] : [];

    /// <summary>Both lists.</summary>
    public static string[] WithNative => [.. Names, .. Native];

    /// <summary>
    /// Rows for a test of the engine that needs one cpu device, with <paramref name="cpu"/>'s threads, and every native one; where there is none, a skipped row
    /// says why.
    /// </summary>
    public static IEnumerable<TheoryDataRow<string>> EngineRows(string cpu) => [new(cpu), .. NativeRows()];

    /// <summary>Each of the cases on every device of both lists; where there is no native one, a skipped row says why.</summary>
    public static IEnumerable<TheoryDataRow<string, T>> Rows<T>(params T[] cases)
    {
        foreach (string device in WithNative)
        {
            foreach (T one in cases) yield return new TheoryDataRow<string, T>(device, one);
        }
        if (Native.Length == 0) yield return new TheoryDataRow<string, T>("", cases[0]) { Skip = NativeMissing };
    }

    /// <summary>Rows for a test that is about native devices; where there is none, a skipped row says why.</summary>
    public static IEnumerable<TheoryDataRow<string>> NativeRows() =>
        Native.Length == 0 ? [new TheoryDataRow<string>("") { Skip = NativeMissing }] : Native.Select(static device => new TheoryDataRow<string>(device));

    /// <summary>What a test says that is skipped because <see cref="Native"/> is empty.</summary>
    public static string NativeMissing => (Given is null ? Missing.Value : null) ?? "MM1_TEST_DEVICES names no native device";

    /// <summary>Opens a device of the lists; the caller disposes it.</summary>
    public static Device Open(string name)
    {
        string[] parts = name.Split('/');
        // Unpinned: test classes run side by side, and pinned pools would all sit on the same CPU.
        return Device.Parse(parts[0], new DeviceOptions { Threads = parts.Length > 1 ? int.Parse(parts[1]) : 0, PinThreads = false });
    }

    /// <summary>Whether the device of that name is behind a native library.</summary>
    public static bool IsNative(string name) => name.StartsWith("cuda", StringComparison.Ordinal);

    private static string? FindMissing()
    {
        DeviceProbe emulated = Device.Probe().Single(static probe => probe.Name == "cuda-emulated");
        if (emulated.IsAvailable) return null;
        // Only a library that was never built is a reason to skip; one that is there and cannot be used is a failure.
        return emulated.Advice is not null ? $"{emulated.Description}; {emulated.Advice}" : throw new InvalidOperationException(emulated.Description);
    }
}
