using System.Diagnostics;
using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.IlgpuBaseline;

/// <summary>The engine's own float32 kernels on the same inputs.</summary>
internal sealed class EngineRunner(Device device)
{
    /// <summary>As <see cref="BaselineRunner.Gemm"/>.</summary>
    public (float[] Output, double Seconds) Gemm(float[] a, float[] b, int m, int n, int k, int rounds)
    {
        using DeviceMemory first = Upload(a), second = Upload(b), output = device.Allocate((long)m * n * sizeof(float));
        var args = new GemmArgs
        {
            M = m,
            N = n,
            K = k,
            A = new Operand(first.Address, DType.Float32, k),
            B = new Operand(second.Address, DType.Float32, n),
            Output = new Operand(output.Address, DType.Float32, n),
        };
        double seconds = Time(() => device.Kernels.Gemm(device.Launch(device.Kernels.GemmWorkspaceBytes(args)), args), rounds);
        return (Download(output, m * n), seconds);
    }

    /// <summary>As <see cref="BaselineRunner.Softmax"/>.</summary>
    public (float[] Output, double Seconds) Softmax(float[] x, int rows, int columns, int rounds)
    {
        using DeviceMemory input = Upload(x), output = device.Allocate((long)x.Length * sizeof(float));
        var args = new SoftmaxForwardArgs
        {
            Rows = rows,
            Columns = columns,
            X = new Operand(input.Address, DType.Float32, columns),
            Output = new Operand(output.Address, DType.Float32, columns),
        };
        double seconds = Time(() => device.Kernels.SoftmaxForward(device.Launch(), args), rounds);
        return (Download(output, x.Length), seconds);
    }

    private DeviceMemory Upload(float[] values)
    {
        DeviceMemory memory = device.Allocate((long)values.Length * sizeof(float));
        device.CopyFromHost(memory.Address, MemoryMarshal.AsBytes<float>(values));
        return memory;
    }

    private float[] Download(DeviceMemory memory, int count)
    {
        var values = new float[count];
        device.CopyToHost(MemoryMarshal.AsBytes(values.AsSpan()), memory.Address);
        return values;
    }

    private double Time(Action launch, int rounds)
    {
        launch();
        device.Synchronize();
        var seconds = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            launch();
            device.Synchronize();
            seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(seconds);
        return seconds[rounds / 2];
    }
}
