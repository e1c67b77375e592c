using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>Activations and gated activations, both ways, against float64.</summary>
public sealed class ActivationTests
{
    public static TheoryData<string, Activation, int, int, int> Cases()
    {
        var data = new TheoryData<string, Activation, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach (Activation activation in Enum.GetValues<Activation>())
            {
                data.Add(device, activation, 3, 77, 0);
                data.Add(device, activation, 13, 31, 5);
            }
            data.Add(device, Activation.Silu, 0, 8, 0);
            data.Add(device, Activation.Silu, 8, 0, 0);
            data.Add(device, Activation.Gelu, 1, 1, 0);
            data.Add(device, Activation.Silu, 90, 1001, 0);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward(string device, Activation activation, int rows, int columns, int padding)
    {
        float[] x = Samples.Normal(1, rows * columns, 3);
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(rows, columns, padding), inPlace = bench.Input(x, rows, columns, padding)!;
        var args = new ActivationForwardArgs { Activation = activation, Rows = rows, Columns = columns, X = bench.Input(x, rows, columns, padding), Output = output };
        bench.Kernels.ActivationForward(default, args);
        bench.Kernels.ActivationForward(default, args with { X = inPlace, Output = inPlace });
        bench.CheckGuards();
        Agreement.Check($"{activation}", output.Download(), Map(x, v => ElementwiseReference.Activate<double>(activation, v)), Map(x, v => ElementwiseReference.Activate(activation, v)));
        Agreement.CheckBitwise("in place", inPlace.Download(), output.Download());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Backward(string device, Activation activation, int rows, int columns, int padding)
    {
        float[] x = Samples.Normal(1, rows * columns, 3), dy = Samples.Normal(2, rows * columns), old = Samples.Normal(3, rows * columns);
        foreach (float beta in new[] { 0f, -1.5f })
        {
            using var bench = new KernelBench(device);
            DeviceBuffer gradient = bench.Output(rows, columns, padding, beta == 0 ? null : old);
            var args = new ActivationBackwardArgs
            {
                Activation = activation,
                Beta = beta,
                Rows = rows,
                Columns = columns,
                OutputGradient = bench.Input(dy, rows, columns, padding),
                X = bench.Input(x, rows, columns, padding),
                InputGradient = gradient,
            };
            bench.Kernels.ActivationBackward(default, args);
            bench.CheckGuards();
            Agreement.Check($"{activation} gradient", gradient.Download(),
                Zip(x, (v, i) => dy[i] * ElementwiseReference.Derivative<double>(activation, v) + (beta == 0 ? 0 : (double)beta * old[i])),
                Zip(x, (v, i) => dy[i] * ElementwiseReference.Derivative(activation, v) + (beta == 0 ? 0 : beta * old[i])));
            if (beta != 0) continue;
            DeviceBuffer inPlace = bench.Input(dy, rows, columns, padding)!;
            bench.Kernels.ActivationBackward(default, args with { OutputGradient = inPlace, InputGradient = inPlace });
            Agreement.CheckBitwise("in place", inPlace.Download(), gradient.Download());
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void GatedBothWays(string device, Activation activation, int rows, int columns, int padding)
    {
        float[] gate = Samples.Normal(1, rows * columns, 2), up = Samples.Normal(2, rows * columns), dy = Samples.Normal(3, rows * columns);
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(rows, columns, padding), rebuilt = bench.Output(rows, columns, padding);
        DeviceBuffer gateGradient = bench.Output(rows, columns, padding), upGradient = bench.Output(rows, columns, padding);
        DeviceBuffer? gates = bench.Input(gate, rows, columns, padding), ups = bench.Input(up, rows, columns, padding), gradients = bench.Input(dy, rows, columns, padding);
        bench.Kernels.GatedActivationForward(default, new GatedActivationForwardArgs { Activation = activation, Rows = rows, Columns = columns, Gate = gates, Up = ups, Output = output });
        var args = new GatedActivationBackwardArgs
        {
            Activation = activation,
            Rows = rows,
            Columns = columns,
            OutputGradient = gradients,
            Gate = gates,
            Up = ups,
            GateGradient = gateGradient,
            UpGradient = upGradient,
        };
        bench.Kernels.GatedActivationBackward(default, args);
        float[] dGate = gateGradient.Download(), dUp = upGradient.Download();
        bench.Kernels.GatedActivationBackward(default, args with { Output = rebuilt });
        bench.CheckGuards();
        Agreement.Check("output", output.Download(), Zip(gate, (v, i) => ElementwiseReference.Activate<double>(activation, v) * up[i]), Zip(gate, (v, i) => ElementwiseReference.Activate(activation, v) * up[i]));
        Agreement.Check("gate gradient", dGate, Zip(gate, (v, i) => (double)dy[i] * up[i] * ElementwiseReference.Derivative<double>(activation, v)),
            Zip(gate, (v, i) => dy[i] * up[i] * ElementwiseReference.Derivative(activation, v)));
        Agreement.Check("up gradient", dUp, Zip(gate, (v, i) => dy[i] * ElementwiseReference.Activate<double>(activation, v)),
            Zip(gate, (v, i) => dy[i] * ElementwiseReference.Activate(activation, v)));
        Agreement.CheckBitwise("rebuilt output", rebuilt.Download(), output.Download());
        Agreement.CheckBitwise("gate gradient with the output rebuilt", gateGradient.Download(), dGate);
        // Everything over what it is the gradient of, the output over its gradient.
        bench.Kernels.GatedActivationBackward(default, args with { GateGradient = gates, UpGradient = ups, Output = gradients });
        Agreement.CheckBitwise("gate gradient in place", gates!.Download(), dGate);
        Agreement.CheckBitwise("up gradient in place", ups!.Download(), dUp);
        Agreement.CheckBitwise("output over its gradient", gradients!.Download(), output.Download());
    }

    [Fact]
    public void GateAndUpMayLieInOneBuffer()
    {
        const int rows = 21, columns = 40;
        float[] fused = Samples.Normal(1, rows * 2 * columns), dy = Samples.Normal(2, rows * columns);
        foreach (string device in TestDevices.WithNative)
        {
            using var bench = new KernelBench(device);
            DeviceBuffer both = bench.Input(fused, rows, 2 * columns)!, gradients = bench.Output(rows, 2 * columns), output = bench.Output(rows, columns);
            Operand Half(DeviceBuffer buffer, int half) => new(buffer.Address + half * columns * sizeof(float), DType.Float32, 2 * columns);
            bench.Kernels.GatedActivationForward(default, new GatedActivationForwardArgs { Activation = Activation.Silu, Rows = rows, Columns = columns, Gate = Half(both, 0), Up = Half(both, 1), Output = output });
            bench.Kernels.GatedActivationBackward(default, new GatedActivationBackwardArgs
            {
                Activation = Activation.Silu,
                Rows = rows,
                Columns = columns,
                OutputGradient = bench.Input(dy, rows, columns),
                Gate = Half(both, 0),
                Up = Half(both, 1),
                GateGradient = Half(gradients, 0),
                UpGradient = Half(gradients, 1),
            });
            bench.CheckGuards();
            float[] gradient = gradients.Download(), result = output.Download();
            for (int i = 0; i < rows * columns; i++)
            {
                int at = i / columns * 2 * columns + i % columns;
                double gate = fused[at], up = fused[at + columns];
                Assert.Equal(ElementwiseReference.Activate(Activation.Silu, gate) * up, result[i], 1e-6);
                Assert.Equal(dy[i] * up * ElementwiseReference.Derivative(Activation.Silu, gate), gradient[at], 2e-6);
                Assert.Equal(dy[i] * ElementwiseReference.Activate(Activation.Silu, gate), gradient[at + columns], 2e-6);
            }
        }
    }

    [Fact]
    public void ReferenceDerivativesAreTheDerivatives()
    {
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            double[] x = Samples.As<double>(Samples.Normal(4, 40, 2));
            Agreement.CheckFiniteDifferences($"{activation}", values => values.Sum(value => ElementwiseReference.Activate(activation, value)), x,
                [.. x.Select(value => ElementwiseReference.Derivative(activation, value))]);
        }
    }

    [Fact]
    public void SpecialValues()
    {
        float[] x = [float.NaN, float.PositiveInfinity, -1000, 1000, 0, 1e-30f, -1e30f, 88, -88, -104];
        foreach (string device in TestDevices.WithNative)
        {
            foreach (Activation activation in Enum.GetValues<Activation>())
            {
                using var bench = new KernelBench(device);
                DeviceBuffer output = bench.Output(1, x.Length);
                bench.Kernels.ActivationForward(default, new ActivationForwardArgs { Activation = activation, Rows = 1, Columns = x.Length, X = bench.Input(x, 1, x.Length), Output = output });
                float[] y = output.Download();
                for (int i = 0; i < x.Length; i++)
                {
                    double want = ElementwiseReference.Activate<double>(activation, x[i]);
                    Assert.True(y[i].Equals((float)want) || Math.Abs(y[i] - want) <= 4e-7 * Math.Abs(want) + 1e-30, $"{activation}({x[i]}) is {y[i]:R}, not {want:R}");
                }
            }
        }
    }

    // Columns that leave a tail, contiguous: a row's elements fall into registers in one call and into the tail in another.
    [Theory]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.Silu)]
    [InlineData(Activation.Tanh)]
    [InlineData(Activation.Sigmoid)]
    public void RowsAreInvariant(Activation activation)
    {
        const int rows = 403, columns = 101;
        float[] x = Samples.Normal(1, rows * columns, 3), dy = Samples.Normal(2, rows * columns);
        Invariance.Check($"{activation}", rows, (device, first, count) =>
        {
            using var bench = new KernelBench(device);
            DeviceBuffer y = bench.Output(count, columns), dx = bench.Output(count, columns), gate = bench.Output(count, columns), up = bench.Output(count, columns);
            DeviceBuffer? input = bench.Input(Invariance.Rows(x, first, count, columns), count, columns), gradient = bench.Input(Invariance.Rows(dy, first, count, columns), count, columns);
            bench.Kernels.ActivationForward(default, new ActivationForwardArgs { Activation = activation, Rows = count, Columns = columns, X = input, Output = y });
            bench.Kernels.ActivationBackward(default, new ActivationBackwardArgs { Activation = activation, Rows = count, Columns = columns, X = input, OutputGradient = gradient, InputGradient = dx });
            bench.Kernels.GatedActivationBackward(default, new GatedActivationBackwardArgs
            {
                Activation = activation,
                Rows = count,
                Columns = columns,
                Gate = input,
                Up = gradient,
                OutputGradient = gradient,
                GateGradient = gate,
                UpGradient = up,
            });
            return [y.Download(), dx.Download(), gate.Download(), up.Download()];
        });
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[6], 2, 3)!, y = bench.Output(2, 3);
        IKernels kernels = bench.Kernels;
        Fails("Activation is 8", () => kernels.ActivationForward(default, new ActivationForwardArgs { Activation = (Activation)8, Rows = 2, Columns = 3, X = x, Output = y }));
        Fails("X is missing", () => kernels.ActivationBackward(default, new ActivationBackwardArgs { Rows = 2, Columns = 3, OutputGradient = x, InputGradient = y }));
        Fails("Up is missing", () => kernels.GatedActivationForward(default, new GatedActivationForwardArgs { Rows = 2, Columns = 3, Gate = x, Output = y }));
        Fails("Output has row stride 1", () => kernels.GatedActivationBackward(default, new GatedActivationBackwardArgs
        {
            Rows = 2,
            Columns = 3,
            OutputGradient = x,
            Gate = x,
            Up = x,
            GateGradient = y,
            UpGradient = y,
            Output = new Operand(y.Address, DType.Float32, 1),
        }));
        Assert.All(y.Download(), value => Assert.True(float.IsNaN(value)));
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);

    private static T[] Map<T>(float[] x, Func<float, T> function) => [.. x.Select(function)];

    private static T[] Zip<T>(float[] x, Func<float, int, T> function) => [.. x.Select(function)];
}
