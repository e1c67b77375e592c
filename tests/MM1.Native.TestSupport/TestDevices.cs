using MM1.Native.Kernels;

namespace MM1.Native.TestSupport;

/// <summary>
/// The devices that the conformance suite runs on, by name: <c>cpu/1</c> and <c>cpu/2</c> are the cpu device with that many
/// threads. <c>MM1_TEST_DEVICES</c> (comma separated) replaces the list.
/// </summary>
public static class TestDevices
{
    public static string[] Names { get; } =
        Environment.GetEnvironmentVariable("MM1_TEST_DEVICES")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        ?? ["cpu/1", "cpu/2"];

    /// <summary>Opens a device of the list; the caller disposes it.</summary>
    public static Device Open(string name)
    {
        string[] parts = name.Split('/');
        // Unpinned: test classes run side by side, and pinned pools would all sit on the same CPU.
        return Device.Parse(parts[0], new DeviceOptions { Threads = parts.Length > 1 ? int.Parse(parts[1]) : 0, PinThreads = false });
    }
}
