using MM1.Native.TestSupport;

namespace MM1.Native.Kernels.Tests;

/// <summary>A device with the buffers of one kernel call; all go at once.</summary>
internal sealed class KernelBench(string deviceName) : IDisposable
{
    private readonly List<IDisposable> _buffers = [];

    public Device Device { get; } = TestDevices.Open(deviceName);

    public IKernels Kernels => Device.Kernels;

    /// <summary>An input operand, or none for null.</summary>
    public DeviceBuffer? Input<T>(T[]? values, long rows, long columns, long padding = 0) where T : unmanaged =>
        values is null ? null : Keep(DeviceBuffer.From<T>(Device, values, rows, columns, columns + padding));

    /// <summary>An output, poisoned; or with content that is to be accumulated into.</summary>
    public DeviceBuffer Output(long rows, long columns, long padding = 0, float[]? old = null, DType dtype = DType.Float32)
    {
        DeviceBuffer buffer = Keep(new DeviceBuffer(Device, rows, columns, dtype, columns + padding));
        if (old is not null) buffer.Upload<float>(old);
        return buffer;
    }

    /// <summary>A launch with a poisoned workspace of exactly so many bytes, guarded on both sides.</summary>
    public Launch Launch(long workspaceBytes = 0) =>
        new(0, workspaceBytes == 0 ? 0 : Keep(new DeviceBuffer(Device, 1, workspaceBytes, DType.UInt8)).Address, workspaceBytes);

    /// <summary>Throws if anything outside of the buffers' elements was written.</summary>
    public void CheckGuards()
    {
        foreach (IDisposable buffer in _buffers) ((DeviceBuffer)buffer).CheckGuards();
    }

    public void Dispose()
    {
        foreach (IDisposable buffer in _buffers) buffer.Dispose();
        Device.Dispose();
    }

    private DeviceBuffer Keep(DeviceBuffer buffer)
    {
        _buffers.Add(buffer);
        return buffer;
    }
}

/// <summary>What the contract promises of row-wise outputs: same bits again, on any number of threads, and for a row among any others.</summary>
internal static class Invariance
{
    /// <summary>Runs a kernel on rows [first, first + rows) of its inputs and returns its row-wise outputs.</summary>
    public delegate float[][] RowRun(string device, int first, int rows);

    public static void Check(string what, int rows, RowRun run)
    {
        string[] names = [.. TestDevices.Names];
        foreach (string name in names)
        {
            float[][] whole = run(name, 0, rows);
            Compare($"{what}, again on {name}", run(name, 0, rows), whole, 0, rows, rows);
            foreach ((int first, int count) in new[] { (0, 1), (rows / 2, 1), (rows - 1, 1), (rows / 3, Math.Min(7, rows - rows / 3)) })
                Compare($"{what}, rows {first}..{first + count - 1} alone on {name}", run(name, first, count), whole, first, count, rows);
        }
        // Threads must not matter; kinds of device may.
        string[] cpus = [.. names.Where(name => name.StartsWith("cpu/", StringComparison.Ordinal))];
        for (int i = 1; i < cpus.Length; i++) Compare($"{what}, {cpus[i]} and {cpus[0]}", run(cpus[i], 0, rows), run(cpus[0], 0, rows), 0, rows, rows);
    }

    private static void Compare(string what, float[][] part, float[][] whole, int first, int count, int rows)
    {
        for (int output = 0; output < whole.Length; output++)
        {
            int width = whole[output].Length / rows;
            Agreement.CheckBitwise($"{what}: output {output}", part[output], whole[output].AsSpan(first * width, count * width));
        }
    }

    /// <summary>Rows [first, first + count) of a row-major array.</summary>
    public static T[]? Rows<T>(T[]? values, int first, int count, int columns) => values?[(first * columns)..((first + count) * columns)];
}
