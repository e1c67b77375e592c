using System.Runtime.CompilerServices;
using MM1.Native.Kernels.Cuda;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>How calls, refusals and objects cross the border, shown on a library made for the purpose.</summary>
public sealed class CudaDeviceTests
{
    [Fact]
    public void ACallHandsOverItsRecordStreamAndWorkspace() => OnFake("", (device, _) =>
    {
        var launch = new Launch(0, 4096, 640);
        var refused = Assert.Throws<KernelArgumentException>(() => device.Kernels.Gemm(launch, new GemmArgs { M = (int)NativeStatus.InvalidArgument }));
        Assert.Equal($"Gemm: m is 1, size {Unsafe.SizeOf<GemmArgs>()}, workspace 4096 of 640, stream {device.Stream.Handle}", refused.Message);
        Assert.Equal("Gemm", refused.Verb);
        using var stream = new CudaStream(device);
        refused = Assert.Throws<KernelArgumentException>(() => device.Kernels.Gemm(new Launch(stream.Handle, 0, 0), new GemmArgs { M = 1 }));
        Assert.EndsWith($"stream {stream.Handle}", refused.Message, StringComparison.Ordinal);
        Assert.NotEqual(stream.Handle, device.Stream.Handle);
        device.Kernels.Gemm(launch, new GemmArgs { M = (int)NativeStatus.Ok });
        Assert.Equal(640, device.Kernels.GemmWorkspaceBytes(new GemmArgs { M = 10 }));
        refused = Assert.Throws<KernelArgumentException>(() => device.Kernels.GemmWorkspaceBytes(new GemmArgs { M = -1 }));
        Assert.Equal("Gemm: m is negative", refused.Message);
    });

    [Theory]
    [InlineData(NativeStatus.InvalidArgument, typeof(KernelArgumentException))]
    [InlineData(NativeStatus.Unsupported, typeof(KernelArgumentException))]
    [InlineData(NativeStatus.WorkspaceTooSmall, typeof(KernelArgumentException))]
    [InlineData(NativeStatus.OutOfMemory, typeof(InsufficientMemoryException))]
    [InlineData(NativeStatus.DeviceError, typeof(DeviceFailureException))]
    [InlineData(NativeStatus.DeviceLost, typeof(DeviceFailureException))]
    [InlineData(NativeStatus.VersionMismatch, typeof(DeviceUnavailableException))]
    [InlineData(NativeStatus.InternalError, typeof(DeviceFailureException))]
    public void ARefusalIsAnExceptionWithTheLibrarysText(object status, Type expected) => OnFake("", (device, _) =>
    {
        Exception refused = Assert.Throws(expected, () => device.Kernels.Gemm(default, new GemmArgs { M = (int)status }));
        Assert.StartsWith($"Gemm: m is {(int)status}", refused.Message, StringComparison.Ordinal);
        refused = Assert.Throws(expected, () => device.Kernels.Gemm(default, new GemmArgs { M = (int)status, N = 7 }));
        if ((NativeStatus)status != NativeStatus.DeviceLost) Assert.Contains($"{device.Library.Description} gives {status} and no text", refused.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void ALostDeviceSaysSoAtEveryCall() => OnFake("", (device, path) =>
    {
        DeviceMemory memory = device.Allocate(16);
        Assert.True(Assert.Throws<DeviceFailureException>(() => device.Kernels.Gemm(default, new GemmArgs { M = (int)NativeStatus.DeviceLost })).IsLost);
        foreach (Action call in (Action[])[() => device.Allocate(16), () => device.CopyFromHost(memory.Address, [1]), () => device.Kernels.Gemm(default, new GemmArgs()), () => new CudaStream(device).Dispose(), device.Synchronize])
        {
            var lost = Assert.Throws<DeviceFailureException>(call);
            Assert.True(lost.IsLost);
            Assert.EndsWith("the device is lost: the first failure", lost.Message, StringComparison.Ordinal);
        }
        memory.Dispose();
        device.Dispose();
        Assert.Equal(0, FakeLibrary.Live(path));
    });

    [Fact]
    public void AVerbThatTheLibraryLacksIsNamed() => OnFake("", (device, _) =>
    {
        var missing = Assert.Throws<KernelMissingException>(() => device.Kernels.LayerNormForward(default, new LayerNormForwardArgs()));
        Assert.Equal("LayerNormForward", missing.Verb);
        Assert.StartsWith($"LayerNormForward: {LibrarySearch.FileName("mm1_kernels_emulated")} (ABI 0) has no such kernel.", missing.Message, StringComparison.Ordinal);
        missing = Assert.Throws<KernelMissingException>(() => device.Kernels.BiasGradientWorkspaceBytes(new BiasGradientArgs()));
        Assert.Equal("BiasGradient", missing.Verb);
    });

    [Fact]
    public void MemoryThatIsNotThereIsTold() => OnFake("", (device, _) =>
    {
        Exception refused = Assert.Throws<InsufficientMemoryException>(() => device.Allocate(2L << 30));
        Assert.Contains($"{2L << 30} bytes of memory of cuda-emulated: too much", refused.Message, StringComparison.Ordinal);
        using DeviceMemory empty = device.Allocate(0);
        Assert.Equal(0, empty.Address);
    });

    [Theory]
    [InlineData("DEVICES=0", "cuda:0", 0, "finds no device (device_count: no driver)")]
    [InlineData("DEVICES=1", "cuda:3", 3, "finds one device, number 0.")]
    [InlineData("DEVICES=4", "cuda:4", 4, "finds 4 devices, 0 to 3.")]
    [InlineData("MAJOR=7", "cuda:0", 0, "(made for a test) has compute capability 7.0; the kernels need 8.0 or later")]
    public void ADeviceThatIsNotThereIsTold(string define, string name, int ordinal, string part) => FakeLibrary.Use(define, path =>
    {
        var missing = Assert.Throws<DeviceUnavailableException>(() => CudaDevice.Open(KernelLibrary.Open(path), name, DeviceKind.Cuda, ordinal));
        Assert.StartsWith($"Device '{name}'", missing.Message, StringComparison.Ordinal);
        Assert.Contains(part, missing.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void CapabilitiesAreTheLibrarys() => OnFake("", (device, _) =>
    {
        Assert.Equal([DType.Float32, DType.BFloat16], Enum.GetValues<DType>().Where(device.Computes));
        Assert.Equal("made for a test", device.Properties.Name);
        Assert.False(device.Properties.SupportsTf32);
    });

    [Fact]
    public void ObjectsAreGivenBackOnceEach() => OnFake("", (device, path) =>
    {
        long own = FakeLibrary.Live(path);
        using (var stream = new CudaStream(device))
        using (var recorded = new CudaEvent(device))
        using (DeviceMemory memory = device.Allocate(100))
        using (var module = new CudaModule(device, [0]))
        {
            recorded.Record(stream);
            stream.Wait(recorded);
            stream.BeginCapture();
            using CudaGraph graph = stream.EndCapture();
            Assert.Equal(3, graph.Size);
            Assert.Equal(own + 5, FakeLibrary.Live(path));
            recorded.Dispose();
            Assert.Throws<ObjectDisposedException>(() => stream.Wait(recorded));
        }
        Assert.Equal(own, FakeLibrary.Live(path));
        _ = device.Launch(1000);
        Assert.Equal(own + 1, FakeLibrary.Live(path));
        device.Dispose();
        Assert.Equal(0, FakeLibrary.Live(path));
        Assert.Throws<ObjectDisposedException>(() => device.Allocate(4));
        Assert.Throws<ObjectDisposedException>(() => device.Kernels.Gemm(default, new GemmArgs()));
    });

    [Fact]
    public void AGraphThatCannotBeInstantiatedLeavesNothing() => OnFake("INSTANTIATE_FAILS", (device, path) =>
    {
        long own = FakeLibrary.Live(path);
        device.Stream.BeginCapture();
        Assert.Throws<DeviceFailureException>(device.Stream.EndCapture);
        Assert.Equal(own, FakeLibrary.Live(path));
    });

    [Fact]
    public void WhatIsForgottenGoesBackByTheFinalizer() => OnFake("", (device, path) =>
    {
        long own = FakeLibrary.Live(path);
        Forget(device);
        for (int i = 0; i < 20 && FakeLibrary.Live(path) > own; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.Equal(own, FakeLibrary.Live(path));
    });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(CudaDevice device)
    {
        for (int i = 0; i < 10; i++)
        {
            _ = new CudaStream(device);
            _ = device.Allocate(100);
        }
    }

    private static void OnFake(string defines, Action<CudaDevice, string> test) => FakeLibrary.Use(defines, path =>
    {
        using CudaDevice device = CudaDevice.Open(KernelLibrary.Open(path), "cuda-emulated", DeviceKind.CudaEmulated, 0);
        test(device, path);
    });
}
