using System.Runtime.InteropServices;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>Memory, streams, events, graphs and refusals of the native devices of this machine: the emulator, as a rule.</summary>
public sealed class NativeDeviceTests
{
    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string>("") { Skip = TestDevices.NativeMissing }]
        : TestDevices.Native.Select(static name => new TheoryDataRow<string>(name));

    [Theory, MemberData(nameof(Devices))]
    public void TheDeviceSaysWhatItIs(string name)
    {
        using CudaDevice device = Open(name);
        Assert.Equal(name, device.Name);
        Assert.Equal(name == "cuda-emulated" ? DeviceKind.CudaEmulated : DeviceKind.Cuda, device.Kind);
        Assert.Equal([DType.Float32, DType.BFloat16], Enum.GetValues<DType>().Where(device.Computes));
        Assert.True(device.Properties.CapabilityMajor >= 8 && device.Properties.Multiprocessors > 0 && device.Properties.MemoryBytes > 0 && device.Properties.Name.Length > 0);
        Assert.True(File.Exists(device.LibraryPath));
        Assert.Contains(Device.Probe(), probe => probe.Name == name && probe.IsAvailable && probe.Probed[^1] == $"{device.LibraryPath}: taken");
    }

    [Theory, MemberData(nameof(Devices))]
    public void BytesGoBothWays(string name)
    {
        using CudaDevice device = Open(name);
        foreach (int length in new[] { 1, 3, 255, 4096, 1_000_003 })
        {
            byte[] sent = new byte[length], received = new byte[length];
            new Random(length).NextBytes(sent);
            using DeviceMemory memory = device.Allocate(length + 7), copy = device.Allocate(length + 7);
            Assert.Equal(0, memory.Address % 256);
            device.SetBytes(copy.Address, 0x5C, length + 7);
            device.CopyFromHost(memory.Address + 5, sent);
            device.CopyOnDevice(copy.Address + 2, memory.Address + 5, length);
            device.CopyToHost(received, copy.Address + 2);
            Assert.Equal(sent, received);
            // What lies beside the copy is as it was.
            byte[] around = new byte[length + 7];
            device.CopyToHost(around, copy.Address);
            Assert.All(around[..2].Concat(around[(length + 2)..]), value => Assert.Equal(0x5C, value));
        }
        using DeviceMemory none = device.Allocate(0);
        device.CopyFromHost(none.Address, []);
        device.CopyToHost([], none.Address);
        device.CopyOnDevice(none.Address, none.Address, 0);
        device.SetBytes(none.Address, 1, 0);
    }

    /// <summary>Copies that together are many times the staging memory, each overwritten on the host as soon as the call has returned.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void HostMemoryMayChangeOnceACopyHasReturned(string name)
    {
        using CudaDevice device = Open(name);
        int[] lengths = [9_000_001, 64, 12_345_678, 1, 8 << 20, 20_000_000];
        using DeviceMemory memory = device.Allocate(lengths.Sum());
        byte[] source = new byte[lengths.Max()], received = new byte[lengths.Max()];
        int at = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            new Random(i).NextBytes(source.AsSpan(0, lengths[i]));
            device.CopyFromHost(memory.Address + at, source.AsSpan(0, lengths[i]));
            at += lengths[i];
        }
        at = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            new Random(i).NextBytes(source.AsSpan(0, lengths[i]));
            device.CopyToHost(received.AsSpan(0, lengths[i]), memory.Address + at);
            Assert.True(source.AsSpan(0, lengths[i]).SequenceEqual(received.AsSpan(0, lengths[i])), $"copy {i}");
            at += lengths[i];
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void HostDataCannotEnterARecording(string name)
    {
        using CudaDevice device = Open(name);
        using DeviceMemory memory = device.Allocate(16);
        device.Stream.BeginCapture();
        var refused = Assert.Throws<InvalidOperationException>(() => device.CopyFromHost(memory.Address, new byte[16]));
        Assert.StartsWith($"16 bytes of host memory cannot be copied to {name} while its work is recorded: replays would not see what the host holds then.", refused.Message, StringComparison.Ordinal);
        device.SetBytes(memory.Address, 7, 16);
        using CudaGraph graph = device.Stream.EndCapture();
        Assert.False(device.Stream.IsCapturing);
        device.CopyFromHost(memory.Address, new byte[16]);
        graph.Launch(device.Stream);
        byte[] filled = new byte[16];
        device.CopyToHost(filled, memory.Address);
        Assert.All(filled, static value => Assert.Equal(7, value));
    }

    /// <summary>A copy back waits for the kernels that were launched before it, without any synchronization.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void CopiesComeAfterTheKernelsBefore(string name)
    {
        using CudaDevice device = Open(name);
        using var chain = new Chain(device, 6);
        device.CopyFromHost(chain.Values[0].Address, MemoryMarshal.AsBytes<float>(Chain.Start));
        for (int i = 1; i < chain.Values.Length; i++) chain.Double(i, 0);
        Assert.Equal(Chain.After(5), chain.Values[5].Download());
    }

    [Theory, MemberData(nameof(Devices))]
    public void AnEventOrdersTwoStreams(string name)
    {
        using CudaDevice device = Open(name);
        using CudaStream first = new(device), second = new(device);
        using CudaEvent ready = new(device), start = new(device, timed: true), end = new(device, timed: true);
        using var chain = new Chain(device, 4);
        device.CopyFromHost(chain.Values[0].Address, MemoryMarshal.AsBytes<float>(Chain.Start));
        device.Synchronize();
        start.Record(first);
        chain.Double(1, first.Handle);
        chain.Double(2, first.Handle);
        ready.Record(first);
        second.Wait(ready);
        chain.Double(3, second.Handle);
        end.Record(second);
        end.Synchronize();
        Assert.True(end.IsDone && ready.IsDone && first.IsDone);
        second.Synchronize();
        Assert.True(second.IsDone);
        Assert.Equal(Chain.After(3), chain.Values[3].Download());
        Assert.True(end.Since(start) >= TimeSpan.Zero);
        var untimed = Assert.Throws<KernelArgumentException>(() => ready.Since(start));
        Assert.StartsWith("event: ", untimed.Message, StringComparison.Ordinal);
    }

    /// <summary>What was recorded runs at each launch, with what is in memory then.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void AGraphRunsAgainOnNewValues(string name)
    {
        using CudaDevice device = Open(name);
        using var chain = new Chain(device, 3);
        using CudaStream stream = new(device);
        device.Synchronize();
        stream.BeginCapture();
        chain.Double(1, stream.Handle);
        chain.Double(2, stream.Handle);
        using CudaGraph graph = stream.EndCapture();
        Assert.Equal(2, graph.Size);
        foreach (float factor in new[] { 1f, -3f })
        {
            chain.Values[0].Upload<float>(Array.ConvertAll(Chain.Start, value => factor * value));
            device.Synchronize();
            graph.Launch(stream);
            stream.Synchronize();
            Assert.Equal(Array.ConvertAll(Chain.After(2), value => factor * value), chain.Values[2].Download());
        }
    }

    /// <summary>The same mistakes as on the CPU, the same exception; the text is the library's, which names fields as C does.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void BrokenRulesAreNamedBeforeAnythingIsWritten(string name)
    {
        using CudaDevice device = Open(name);
        using DeviceBuffer a = DeviceBuffer.From<float>(device, new float[3 * 4], 3, 4), b = DeviceBuffer.From<float>(device, new float[4 * 5], 4, 5);
        using var output = new DeviceBuffer(device, 3, 5);
        var good = new GemmArgs { M = 3, N = 5, K = 4, A = a, B = b, Output = output };
        Throws("m is -1", good with { M = -1 });
        Throws("transpose_a", good with { TransposeA = (Transpose)2 });
        Throws("activation", good with { Activation = (Activation)8 });
        Throws("a is missing", good with { A = default });
        Throws("a has row_stride 3, less than its 4 columns", good with { A = a.Operand with { RowStride = 3 } });
        Throws("output has dtype", good with { Output = output.Operand with { DType = DType.Int32 } });
        Throws("pre_activation is missing", good with { Activation = Activation.Relu, ActivationGradient = 1 });
        Throws("batch_stride_output is 0", good with { Batch = 2 });
        Throws("struct_size is 0", good with { StructSize = 0 });
        Assert.All(output.Download(), value => Assert.True(float.IsNaN(value)));
        Assert.Throws<KernelArgumentException>(() => device.Kernels.GemmWorkspaceBytes(good with { K = -1 }));
        Assert.Throws<KernelArgumentException>(() => device.Kernels.BiasGradient(default, new BiasGradientArgs { Rows = -1 }));

        void Throws(string part, GemmArgs args)
        {
            var exception = Assert.Throws<KernelArgumentException>(() => device.Kernels.Gemm(default, args));
            Assert.StartsWith("Gemm: ", exception.Message, StringComparison.Ordinal);
            Assert.Contains(part, exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TheEmulatorHasNoModules()
    {
        if (!TestDevices.Native.Contains("cuda-emulated")) Assert.Skip(TestDevices.NativeMissing);
        using CudaDevice device = Open("cuda-emulated");
        Assert.Throws<KernelArgumentException>(() => new CudaModule(device, "not PTX\0"u8).Dispose());
    }

    internal static CudaDevice Open(string name) => (CudaDevice)TestDevices.Open(name);

    /// <summary>Buffers of which each is made twice the one before by a product.</summary>
    internal sealed class Chain : IDisposable
    {
        private const int Rows = 40, Columns = 24;
        private readonly CudaDevice _device;
        private readonly DeviceBuffer _two;

        public Chain(CudaDevice device, int length)
        {
            _device = device;
            Values = [.. Enumerable.Range(0, length).Select(_ => new DeviceBuffer(device, Rows, Columns))];
            var two = new float[Columns * Columns];
            for (int i = 0; i < Columns; i++) two[i * Columns + i] = 2;
            _two = DeviceBuffer.From<float>(device, two, Columns, Columns);
        }

        public static float[] Start { get; } = Samples.Normal(11, Rows * Columns);

        public DeviceBuffer[] Values { get; }

        public static float[] After(int steps) => Array.ConvertAll(Start, value => value * (1 << steps));

        public void Double(int index, nint stream) => _device.Kernels.Gemm(new Launch(stream, 0, 0), new GemmArgs
        {
            M = Rows,
            N = Columns,
            K = Columns,
            A = Values[index - 1],
            B = _two,
            Output = Values[index],
        });

        public void Dispose()
        {
            _two.Dispose();
            foreach (DeviceBuffer buffer in Values) buffer.Dispose();
        }
    }
}
