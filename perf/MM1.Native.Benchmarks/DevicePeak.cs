using System.Diagnostics;
using MM1.Native.Kernels;

namespace MM1.Native.Benchmarks;

/// <summary>What a model's FLOP/s are divided by, and where the number is from.</summary>
internal sealed record DevicePeak(double Tflops, string Source)
{
    /// <summary>Dense peaks of data sheets in TFLOP/s: bfloat16 on tensor cores with float32 sums, float32 without; the first name that the device's begins with.</summary>
    private static readonly (string Name, double BFloat16, double Float32)[] DataSheets =
    [
        ("NVIDIA H200", 989.4, 66.9),
        ("NVIDIA H100 80GB HBM3", 989.4, 66.9),
        ("NVIDIA H100 PCIe", 756.0, 51.2),
        ("NVIDIA H100 NVL", 835.0, 60.0),
        ("NVIDIA A100", 312.0, 19.5),
        ("NVIDIA A30", 165.0, 10.3),
    ];

    /// <summary>As given, as the data sheet says, or the rate of the device's own matrix product.</summary>
    public static DevicePeak Of(CudaDevice device, DType dtype, string given)
    {
        if (given.Length > 0)
        {
            return double.TryParse(given, System.Globalization.CultureInfo.InvariantCulture, out double value) && value > 0
                ? new DevicePeak(value, "given")
                : throw new ArgumentException($"--peak-tflops takes a positive number, not '{given}'.");
        }
        foreach ((string name, double bfloat16, double float32) in DataSheets)
        {
            if (device.Properties.Name.StartsWith(name, StringComparison.Ordinal)) return new DevicePeak(dtype == DType.BFloat16 ? bfloat16 : float32, $"data sheet of {name}");
        }
        int size = device.Kind == DeviceKind.CudaEmulated ? 64 : 8192;
        return new DevicePeak(MeasureGemm(device, dtype, size), $"measured: mm1_gemm, {dtype} {size} x {size} x {size}");
    }

    private static double MeasureGemm(CudaDevice device, DType dtype, int size)
    {
        long count = (long)size * size;
        using DeviceMemory a = Normal(device, dtype, 1, count), b = Normal(device, dtype, 2, count), output = device.Allocate(count * sizeof(float));
        var args = new GemmArgs
        {
            TransposeB = Transpose.Transposed,
            M = size,
            N = size,
            K = size,
            A = new Operand(a.Address, dtype, size),
            B = new Operand(b.Address, dtype, size),
            Output = new Operand(output.Address, dtype, size),
        };
        const int Calls = 5, Rounds = 5;
        var seconds = new double[Rounds];
        for (int round = -1; round < Rounds; round++) // the first warms up
        {
            device.Synchronize();
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Calls; i++) device.Kernels.Gemm(device.Launch(device.Kernels.GemmWorkspaceBytes(args)), args);
            device.Synchronize();
            if (round >= 0) seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds / Calls;
        }
        Array.Sort(seconds);
        return 2e-12 * count * size / seconds[Rounds / 2];
    }

    /// <summary>Normal numbers: speed depends on the data, as zeros draw less power.</summary>
    private static DeviceMemory Normal(CudaDevice device, DType dtype, ulong seed, long count)
    {
        using DeviceMemory numbers = device.Allocate(count * sizeof(float));
        var fill = new RandomFillArgs { Distribution = Distribution.Normal, Count = count, Output = new Operand(numbers.Address, DType.Float32, count), Seed = seed, StandardDeviation = 1 };
        device.Kernels.RandomFill(device.Launch(), fill);
        DeviceMemory memory = device.Allocate(count * dtype.Size());
        if (dtype == DType.Float32) device.CopyOnDevice(memory.Address, numbers.Address, count * sizeof(float));
        else device.Kernels.Cast(device.Launch(), new CastArgs { Rows = 1, Columns = count, X = new Operand(numbers.Address, DType.Float32, count), Output = new Operand(memory.Address, dtype, count) });
        device.Synchronize();
        return memory;
    }
}
