using MM1.Native.Kernels;

namespace MM1.Native.TestSupport;

/// <summary>
/// The devices that the conformance suite runs on, by name: <c>cpu/1</c> and <c>cpu/2</c> are the cpu device with that many
/// threads. <c>MM1_TEST_DEVICES</c> (comma separated, for example <c>cpu/2,cuda:0</c>) replaces both lists.
/// </summary>
public static class TestDevices
{
    private static readonly string[]? Given =
        Environment.GetEnvironmentVariable("MM1_TEST_DEVICES")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static readonly Lazy<string?> Missing = new(FindMissing);

    /// <summary>Devices that have the kernels of every family.</summary>
    public static string[] Names { get; } = Given is null ? ["cpu/1", "cpu/2"] : [.. Given.Where(static name => !IsNative(name))];

    /// <summary>
    /// Devices behind a native library: the emulated one where it was built. They have the kernels of some families only, whose conformance tests run on
    /// <see cref="Names"/> and on these.
    /// </summary>
    public static string[] Native { get; } = Given is not null ? [.. Given.Where(IsNative)] : Missing.Value is null ? ["cuda-emulated"] : [];

    /// <summary>Both lists: for families whose kernels native libraries have.</summary>
    public static string[] WithNative => [.. Names, .. Native];

    /// <summary>What a test says that is skipped because <see cref="Native"/> is empty.</summary>
    public static string NativeMissing => (Given is null ? Missing.Value : null) ?? "MM1_TEST_DEVICES names no native device";

    /// <summary>Opens a device of the lists; the caller disposes it.</summary>
    public static Device Open(string name)
    {
        string[] parts = name.Split('/');
        // Unpinned: test classes run side by side, and pinned pools would all sit on the same CPU.
        return Device.Parse(parts[0], new DeviceOptions { Threads = parts.Length > 1 ? int.Parse(parts[1]) : 0, PinThreads = false });
    }

    private static bool IsNative(string name) => name.StartsWith("cuda", StringComparison.Ordinal);

    private static string? FindMissing()
    {
        DeviceProbe emulated = Device.Probe().Single(static probe => probe.Name == "cuda-emulated");
        if (emulated.IsAvailable) return null;
        // Only a library that was never built is a reason to skip; one that is there and cannot be used is a failure.
        return emulated.Advice is not null ? $"{emulated.Description}; {emulated.Advice}" : throw new InvalidOperationException(emulated.Description);
    }
}
