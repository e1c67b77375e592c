using System.Runtime.Intrinsics;
using MM1.Native.Kernels.Cpu;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Normalization;

/// <summary>Sixteen rows summed at once have the bits of rows summed one by one.</summary>
public sealed unsafe class NarrowRowsTests
{
    [Fact]
    public void SumsHaveTheBitsOfRowMath()
    {
        Assert.SkipUnless(NarrowRows512.Covers(16), "this machine's registers have fewer than 512 bits");
        for (int columns = 16; NarrowRows512.Covers(columns); columns++)
        {
            float[] x = Samples.Normal(columns, NarrowRows512.Rows * columns), y = Samples.Normal(100 + columns, x.Length), weight = Samples.Normal(200 + columns, columns);
            fixed (float* rows = x, other = y, factors = weight) Check(rows, other, factors, columns);
        }
    }

    private static void Check(float* x, float* g, float* weight, int columns)
    {
        const int rows = NarrowRows512.Rows;
        float* turnedX = stackalloc float[NarrowRows512.Floats], turnedG = stackalloc float[NarrowRows512.Floats];
        nint* offsets = stackalloc nint[rows];
        for (int row = 0; row < rows; row++) offsets[row] = (rows - 1 - row) * columns; // in any order
        NarrowRows512.Turn(x, offsets, columns, turnedX);
        NarrowRows512.Turn(g, offsets, columns, turnedG);
        var center = Vector512.Create(0.3f);
        var gradient = new NarrowRows512.Gradient<On>(turnedG, weight);
        var sum = NarrowRows512.Sum(new NarrowRows512.Value(turnedX), columns);
        var squares = NarrowRows512.Sum(new NarrowRows512.Square(turnedX, center), columns);
        var gradients = NarrowRows512.SumInTurns(gradient, columns);
        var products = NarrowRows512.SumInTurns(new NarrowRows512.Product<On>(gradient, turnedX, center), columns);
        for (int row = 0; row < rows; row++)
        {
            float* ofX = x + offsets[row], ofG = g + offsets[row];
            (float expectedGradient, float expectedProduct) = InTurns(ofG, ofX, weight, columns, 0.3f);
            Agreement.CheckBitwise($"{columns} columns, row {row}", [sum[row], squares[row], gradients[row], products[row]],
                [RowMath.Sum<Simd512>(ofX, columns), RowMath.SumOfSquares<Simd512>(ofX, 0.3f, columns), expectedGradient, expectedProduct]);
        }
    }

    /// <summary>Two registers that take turns, then the tail.</summary>
    private static (float Gradient, float Product) InTurns(float* g, float* x, float* weight, int columns, float mean)
    {
        Simd512[] gradients = new Simd512[2], products = new Simd512[2];
        int i = 0;
        for (; i + Simd512.Count <= columns; i += Simd512.Count)
        {
            int turn = i / Simd512.Count % 2;
            Simd512 value = Simd512.Load(g + i) * Simd512.Load(weight + i);
            gradients[turn] += value;
            products[turn] = Simd512.MultiplyAdd(value, Simd512.Load(x + i) - Simd512.Create(mean), products[turn]);
        }
        float gradient = Simd512.Sum(gradients[0] + gradients[1]), product = Simd512.Sum(products[0] + products[1]);
        for (; i < columns; i++)
        {
            gradient += g[i] * weight[i];
            product = MathF.FusedMultiplyAdd(g[i] * weight[i], x[i] - mean, product);
        }
        return (gradient, product);
    }
}
