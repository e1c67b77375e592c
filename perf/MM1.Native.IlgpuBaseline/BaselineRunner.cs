using System.Diagnostics;
using ILGPU;
using ILGPU.Runtime;

namespace MM1.Native.IlgpuBaseline;

/// <summary>The baseline's kernels on one accelerator, their results on the host.</summary>
internal sealed class BaselineRunner(Accelerator accelerator)
{
    private readonly Action<KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int> _naive =
        accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int>(BaselineKernels.NaiveGemm);

    private readonly Action<KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int> _tiled =
        accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int>(BaselineKernels.TiledGemm);

    private readonly Action<KernelConfig, ArrayView<float>, ArrayView<float>, int> _softmax =
        accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(BaselineKernels.Softmax);

    /// <summary>The product of a [m, k] and b [k, n], and the median seconds of a call.</summary>
    public (float[] Output, double Seconds) Gemm(bool tiled, float[] a, float[] b, int m, int n, int k, int rounds)
    {
        using MemoryBuffer1D<float, Stride1D.Dense> first = accelerator.Allocate1D(a), second = accelerator.Allocate1D(b), output = accelerator.Allocate1D<float>((long)m * n);
        int Tiles(int extent) => (extent + BaselineKernels.Tile - 1) / BaselineKernels.Tile;
        var grid = new KernelConfig(new Index3D(Tiles(n), Tiles(m), 1), new Index3D(BaselineKernels.Tile, BaselineKernels.Tile, 1));
        double seconds = Time(() => (tiled ? _tiled : _naive)(grid, first.View, second.View, output.View, m, n, k), rounds);
        return (output.GetAsArray1D(), seconds);
    }

    /// <summary>The softmax of the rows of x, and the median seconds of a call.</summary>
    public (float[] Output, double Seconds) Softmax(float[] x, int rows, int columns, int rounds)
    {
        using MemoryBuffer1D<float, Stride1D.Dense> input = accelerator.Allocate1D(x), output = accelerator.Allocate1D<float>(x.Length);
        double seconds = Time(() => _softmax(new KernelConfig(rows, BaselineKernels.SoftmaxThreads), input.View, output.View, columns), rounds);
        return (output.GetAsArray1D(), seconds);
    }

    /// <summary>Median over rounds, after a call that compiles and warms up; each round lasts until the device is done.</summary>
    private double Time(Action launch, int rounds)
    {
        launch();
        accelerator.Synchronize();
        var seconds = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            launch();
            accelerator.Synchronize();
            seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(seconds);
        return seconds[rounds / 2];
    }
}
