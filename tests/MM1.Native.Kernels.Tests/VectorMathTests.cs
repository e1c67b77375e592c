using System.Runtime.CompilerServices;
using MM1.Native.Kernels.Cpu;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed unsafe class VectorMathTests
{
    private interface IFunction
    {
        static abstract T Invoke<T>(T x) where T : unmanaged, ISimd<T>;
    }

    private struct Exp : IFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorMath.Exp(x);
    }

    private struct ExpNonPositive : IFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorMath.ExpNonPositive(x);
    }

    private struct Log : IFunction
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
        Expect<Exp>(x, [float.NaN, float.PositiveInfinity, 0, 1, float.PositiveInfinity, 0, 1, MathF.E]);
        float[] y = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, 1, -1, -0f, 2];
        Expect<Log>(y, [float.NaN, float.PositiveInfinity, float.NaN, float.NegativeInfinity, 0, float.NaN, float.NegativeInfinity, MathF.Log(2)]);
    }

    private static void Expect<TFunction>(float[] x, float[] expected) where TFunction : struct, IFunction
    {
        foreach (float[] actual in AllWidths<TFunction>(x)) Assert.Equal(expected, actual);
    }

    private static void Sweep<TFunction>(Func<double, double> exact, double low, double high, double units) where TFunction : struct, IFunction
    {
        var x = new float[16 * 4000];
        for (int i = 0; i < x.Length; i++) x[i] = (float)(low + (high - low) * i / (x.Length - 1));
        foreach (float[] y in AllWidths<TFunction>(x))
        {
            for (int i = 0; i < x.Length; i++)
            {
                double want = exact(x[i]);
                Assert.True(Math.Abs(y[i] - want) <= units * 1.2e-7 * Math.Abs(want),
                    $"at {x[i]:R}: {y[i]:R}, exact {want:R}");
            }
        }
    }

    private static float[][] AllWidths<TFunction>(float[] x) where TFunction : struct, IFunction =>
        [Map<TFunction, Simd512>(x), Map<TFunction, Simd256>(x), Map<TFunction, Simd128>(x), Map<TFunction, SimdScalar>(x)];

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float[] Map<TFunction, T>(float[] x) where TFunction : struct, IFunction where T : unmanaged, ISimd<T>
    {
        // Padded, so that eight special values fill the widest register too.
        var padded = new float[(x.Length + 15) / 16 * 16];
        x.CopyTo(padded, 0);
        var y = new float[padded.Length];
        fixed (float* source = padded, destination = y)
        {
            for (int i = 0; i < padded.Length; i += T.Count) T.Store(TFunction.Invoke(T.Load(source + i)), destination + i);
        }
        return y[..x.Length];
    }
}
