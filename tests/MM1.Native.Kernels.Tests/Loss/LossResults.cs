using System.Runtime.InteropServices;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>What the cases of losses and optimizers share.</summary>
internal static class LossResults
{
    /// <summary>The error rule on each named result.</summary>
    public static void Check(object what, Dictionary<string, float[]> actual, Dictionary<string, double[]> expected, Dictionary<string, float[]> straightforward)
    {
        if (!actual.Keys.Order().SequenceEqual(expected.Keys.Order()))
            throw new InvalidOperationException($"{what}: results {string.Join(", ", actual.Keys)}; expected {string.Join(", ", expected.Keys)}.");
        foreach ((string name, float[] values) in actual) Agreement.Check($"{what} {name}", values, expected[name], straightforward[name]);
    }

    /// <summary>Two devices that give the same bits: the CPU with one thread and with more, and each native device twice.</summary>
    public static IEnumerable<TheoryDataRow<string, string>> Pairs() =>
        TestDevices.Native.Select(static name => (name, name)).Prepend((TestDevices.Names[0], TestDevices.Names[^1]))
            .Select(static pair => new TheoryDataRow<string, string>(pair.Item1, pair.Item2));

    /// <summary>The same bits in every named result.</summary>
    public static void CheckBitwise(object what, Dictionary<string, float[]> actual, Dictionary<string, float[]> expected)
    {
        foreach ((string name, float[] values) in actual) Agreement.CheckBitwise($"{what} {name}", values, expected[name]);
    }

    /// <summary>A StepState in device memory.</summary>
    public static DeviceBuffer Upload(Device device, StepState state)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<StepState>(in state));
        return DeviceBuffer.From(device, bytes, 1, bytes.Length);
    }

    public static StepState Download(DeviceBuffer buffer) => MemoryMarshal.Read<StepState>(buffer.Download<byte>());

    /// <summary>A float32 buffer with content, its rows apart by padding elements.</summary>
    public static DeviceBuffer From(Device device, float[] values, int rows, int columns, int padding) =>
        DeviceBuffer.From<float>(device, values, rows, columns, columns + padding);

    /// <summary>Poisoned scratch memory.</summary>
    public static DeviceBuffer Workspace(Device device, long bytes) => new(device, 1, bytes, DType.UInt8);
}
