using MM1.Native.Kernels.Cpu;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>Bounded functions at every register width: error against float64, and the same bits from every width.</summary>
public sealed class VectorFunctionsTests
{
    private struct Sigmoid : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.Sigmoid(x);
    }

    private struct Tanh : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.Tanh(x);
    }

    private struct Erf : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.Erf(x);
    }

    private struct NormalProbability : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.NormalProbability(x);
    }

    private struct NormalDensity : IVectorFunction
    {
        public static T Invoke<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.NormalDensity(x);
    }

    [Fact]
    public void SigmoidIsWithinThreeUnits() => Sweep<Sigmoid>(x => 1 / (1 + Math.Exp(-x)), -80, 90, 3);

    [Fact]
    public void TanhIsWithinThreeUnits()
    {
        Sweep<Tanh>(Math.Tanh, -12, 12, 3);
        Sweep<Tanh>(Math.Tanh, -0.7, 0.7, 3);
    }

    [Fact]
    public void ErfIsWithinTwoUnits()
    {
        Sweep<Erf>(ElementwiseReference.Erf, -7, 7, 2);
        Sweep<Erf>(ElementwiseReference.Erf, -1, 1, 2);
    }

    // The argument of e grows to x^2 / 2 in the tails, and its rounding with it; 1 + erf would have lost half of the digits.
    [Fact]
    public void NormalProbabilityKeepsItsLowerTail()
    {
        Sweep<NormalProbability>(x => ElementwiseReference.Erfc(-x / Math.Sqrt(2)) / 2, -1.3, 6, 4);
        Sweep<NormalProbability>(x => ElementwiseReference.Erfc(-x / Math.Sqrt(2)) / 2, -2.8, -1.3, 40);
        Sweep<NormalProbability>(x => ElementwiseReference.Erfc(-x / Math.Sqrt(2)) / 2, -12, -2.8, 0, absolute: 3e-8);
    }

    [Fact]
    public void NormalDensityIsAccurate() => Sweep<NormalDensity>(x => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI), -6, 6, 12);

    [Fact]
    public void SpecialValues()
    {
        float[] x = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, 1000, -1000];
        VectorFunction.Expect<Sigmoid>(x, [float.NaN, 1, 0, 0.5f, 1, 0]);
        VectorFunction.Expect<Tanh>(x, [float.NaN, 1, -1, 0, 1, -1]);
        VectorFunction.Expect<Erf>(x, [float.NaN, 1, -1, 0, 1, -1]);
        VectorFunction.Expect<NormalProbability>(x, [float.NaN, 1, 0, 0.5f, 1, 0]);
    }

    private static void Sweep<TFunction>(Func<double, double> exact, double low, double high, double units, double absolute = 0) where TFunction : struct, IVectorFunction
    {
        float[] x = VectorFunction.Arguments(low, high);
        float[][] widths = VectorFunction.AllWidths<TFunction>(x);
        for (int i = 0; i < x.Length; i++)
        {
            double want = exact(x[i]);
            Assert.True(Math.Abs(widths[0][i] - want) <= units * 1.2e-7 * Math.Abs(want) + absolute, $"at {x[i]:R}: {widths[0][i]:R}, exact {want:R}");
            // A tail is computed by the scalar form: it must give what the register form gives.
            for (int width = 1; width < widths.Length; width++) Assert.Equal(widths[0][i], widths[width][i]);
        }
    }
}
