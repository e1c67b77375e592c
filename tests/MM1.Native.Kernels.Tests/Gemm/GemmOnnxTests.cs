using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>The operator vectors of the ONNX standard.</summary>
public sealed class GemmOnnxTests
{
    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.Names.Concat(TestDevices.Native).Select(name => new TheoryDataRow<string>(name));

    /// <summary>C of ONNX is a bias where it is one row, and else, scaled by beta, the old output.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void Gemm(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (OnnxCase @case in Read("gemm"))
        {
            OnnxTensor a = @case.Input(0)!, b = @case.Input(1)!, expected = @case.Output(0)!;
            bool turnA = @case.Integer("transA", 0) != 0, turnB = @case.Integer("transB", 0) != 0;
            int m = (int)expected.Shape[0], n = (int)expected.Shape[1], k = (int)a.Shape[turnA ? 0 : 1];
            float beta = (float)@case.Number("beta", 1);
            OnnxTensor? c = @case.Input(2);
            float[]? old = null;
            if (c is not null)
            {
                old = new float[m * n];
                float[] values = c.Floats();
                bool byRow = c.Shape.Length > 0 && c.Shape[^1] == n, byColumn = c.Shape.Length > 1 && c.Shape[0] == m;
                int stride = byRow ? n : 1;
                for (int i = 0; i < old.Length; i++) old[i] = values[(byColumn ? i / n * stride : 0) + (byRow ? i % n : 0)];
            }
            Product(device, @case.Name, a.Floats(), b.Floats(), turnA, turnB, 1, m, n, k, (float)@case.Number("alpha", 1), old is null ? 0 : beta, old, 0, 0, expected.Floats());
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void MatMul(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        int run = 0;
        foreach (OnnxCase @case in Read("matmul").Where(@case => @case.Operator == "MatMul"))
        {
            OnnxTensor a = @case.Input(0)!, b = @case.Input(1)!, expected = @case.Output(0)!;
            long[] left = a.Shape.Length == 1 ? [1, .. a.Shape] : a.Shape, right = b.Shape.Length == 1 ? [.. b.Shape, 1] : b.Shape;
            int m = (int)left[^2], k = (int)left[^1], n = (int)right[^1];
            int batchA = (int)(a.Count / (m * k)), batchB = (int)(b.Count / (k * n)), batch = (int)(expected.Count / (m * n));
            // One batch stride cannot express two broadcasts that cross: those run problem by problem.
            if ((batchA != batch && batchA != 1) || (batchB != batch && batchB != 1))
            {
                int inner = (int)(right.Length > 2 ? right[^3] : 1);
                for (int index = 0; index < batch; index++)
                {
                    Product(device, @case.Name, Slice(a.Floats(), index / inner % batchA, m * k), Slice(b.Floats(), index % batchB, k * n), false, false, 1, m, n, k, 1, 0, null, 0, 0,
                        Slice(expected.Floats(), index, m * n));
                }
            }
            else
            {
                Product(device, @case.Name, a.Floats(), b.Floats(), false, false, batch, m, n, k, 1, 0, null, batchA == 1 ? 0 : m * k, batchB == 1 ? 0 : k * n, expected.Floats());
            }
            run++;
        }
        Assert.Equal(5, run);
    }

    private static float[] Slice(float[] values, int index, int size) => values[(index * size)..((index + 1) * size)];

    private static IReadOnlyList<OnnxCase> Read(string family)
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead(family);
        if (cases is null) Assert.Skip(TestData.Missing(OnnxCases.PathOf(family)));
        return cases;
    }

    private static void Product(Device device, string name, float[] aValues, float[] bValues, bool turnA, bool turnB, int batch, int m, int n, int k,
        float alpha, float beta, float[]? old, long strideA, long strideB, float[] expected)
    {
        using DeviceBuffer a = DeviceBuffer.From<float>(device, aValues, aValues.Length / (turnA ? m : k), turnA ? m : k);
        using DeviceBuffer b = DeviceBuffer.From<float>(device, bValues, bValues.Length / (turnB ? k : n), turnB ? k : n);
        using var output = new DeviceBuffer(device, (long)batch * m, n);
        if (old is not null) output.Upload<float>(old);
        device.Kernels.Gemm(default, new GemmArgs
        {
            TransposeA = turnA ? Transpose.Transposed : Transpose.None,
            TransposeB = turnB ? Transpose.Transposed : Transpose.None,
            M = m,
            N = n,
            K = k,
            Batch = batch,
            A = a,
            B = b,
            Output = output,
            Alpha = alpha,
            Beta = beta,
            BatchStrideA = strideA,
            BatchStrideB = strideB,
            BatchStrideOutput = (long)m * n,
        });
        float[] result = output.Download();
        Assert.Equal(expected.Length, result.Length);
        for (int i = 0; i < result.Length; i++)
            Assert.True(Math.Abs(result[i] - expected[i]) <= 1e-5 * (1 + Math.Abs(expected[i])), $"{name}: element {i} is {result[i]}, not {expected[i]}.");
    }
}
