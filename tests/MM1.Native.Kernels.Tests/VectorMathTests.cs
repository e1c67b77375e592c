using MM1.Native.Kernels.Cpu;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class VectorMathTests
{
    private struct Exp : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorMath.Exp(x);
    }

    private struct ExpNonPositive : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorMath.ExpNonPositive(x);
    }

    private struct Log : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorMath.Log(x);
    }

    [Fact]
    public void ExpIsWithinTwoUnits() => Sweep<Exp>(Math.Exp, -86, 88.5, 2);

    [Fact]
    public void ExpNonPositiveIsWithinTwoUnits() => Sweep<ExpNonPositive>(Math.Exp, -86, 0, 2);

    [Fact]
    public void LogIsWithinTwoUnits()
    {
        Sweep<Log>(Math.Log, 1e-30, 1e-3, 2);
        Sweep<Log>(Math.Log, 0.01, 30, 2);
        Sweep<Log>(Math.Log, 30, 1e30, 2);
    }

    [Fact]
    public void SpecialValues()
    {
        float[] x = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, 1000, -1000, -0f, 1];
        VectorFunction.Expect<Exp>(x, [float.NaN, float.PositiveInfinity, 0, 1, float.PositiveInfinity, 0, 1, MathF.E]);
        float[] y = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, 1, -1, -0f, 2];
        VectorFunction.Expect<Log>(y, [float.NaN, float.PositiveInfinity, float.NaN, float.NegativeInfinity, 0, float.NaN, float.NegativeInfinity, MathF.Log(2)]);
    }

    private static void Sweep<TFunction>(Func<double, double> exact, double low, double high, double units) where TFunction : struct, IVectorFunction
    {
        float[] x = VectorFunction.Arguments(low, high);
        foreach (float[] y in VectorFunction.AllWidths<TFunction>(x))
        {
            for (int i = 0; i < x.Length; i++)
            {
                double want = exact(x[i]);
                Assert.True(Math.Abs(y[i] - want) <= units * 1.2e-7 * Math.Abs(want),
                    $"at {x[i]:R}: {y[i]:R}, exact {want:R}");
            }
        }
    }
}
