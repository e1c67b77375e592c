using MM1.Native.Kernels.Cpu;
using Xunit;

namespace MM1.Native.Kernels.Tests.Attention;

public sealed unsafe class Exp2Tests
{
    [Fact]
    public void WithinOneUnitAtEveryWidth()
    {
        Sweep<Simd512>();
        Sweep<Simd256>();
        Sweep<Simd128>();
        Sweep<SimdScalar>();
    }

    [Fact]
    public void FarBelowIsZero()
    {
        Assert.Equal(0f, SimdScalar.Sum(VectorMath.Exp2(new SimdScalar(-1e30f))));
        Assert.Equal(0f, Simd128.MaxLane(VectorMath.Exp2(Simd128.Create(-1e30f))));
        Assert.Equal(0f, Simd256.MaxLane(VectorMath.Exp2(Simd256.Create(-1e30f))));
        Assert.Equal(0f, Simd512.MaxLane(VectorMath.Exp2(Simd512.Create(-1e30f))));
    }

    private static void Sweep<T>() where T : unmanaged, ISimd<T>
    {
        float* x = stackalloc float[16], y = stackalloc float[16];
        for (int i = 0; i < 60_000; i += T.Count)
        {
            for (int lane = 0; lane < T.Count; lane++) x[lane] = -125 + (i + lane) * (250f / 60_000);
            T.Store(VectorMath.Exp2(T.Load(x)), y);
            for (int lane = 0; lane < T.Count; lane++)
            {
                double exact = Math.Pow(2, x[lane]);
                Assert.True(Math.Abs(y[lane] - exact) <= 1.2e-7 * exact, $"2^{x[lane]:R} is {exact:R}, not {y[lane]:R}");
            }
        }
    }
}
