using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>Adaptive average pooling and interpolation of position grids.</summary>
public sealed class ResamplingTests
{
    /// <summary>Batch (or prefix rows), input and output height and width, channels.</summary>
    private static readonly int[][] Sizes =
    [
        [1, 1, 1, 1, 1, 1],
        [2, 5, 7, 3, 4, 17],
        [1, 27, 27, 12, 12, 37],
        [2, 9, 6, 1, 1, 130],
        [1, 24, 24, 12, 12, 64],
        [3, 4, 3, 9, 5, 20],
        [1, 16, 16, 16, 16, 3],
        [1, 30, 2, 2, 5, 8],
        [2, 1, 6, 4, 1, 70],
        [0, 7, 7, 3, 3, 16],
        [2, 7, 7, 0, 3, 16],
        [1, 7, 7, 3, 3, 0],
        [1, 0, 4, 0, 2, 5],
    ];

    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int>();
        foreach (string device in TestDevices.Names.Concat(TestDevices.Native))
            for (int i = 0; i < Sizes.Length; i++) cases.Add(device, i);
        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void PoolingForward(string deviceName, int index)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] s = Sizes[index];
        float[] x = Samples.Normal(1, s[0] * s[1] * s[2] * s[5]);
        float[] actual = PoolForward(device, s, x, 0);
        Agreement.Check("Output", actual,
            ResamplingReference.Apply(s[0], ResamplingReference.AdaptiveAverage<double>(s[1], s[3]), ResamplingReference.AdaptiveAverage<double>(s[2], s[4]), s[5], Samples.As<double>(x)),
            ResamplingReference.Apply(s[0], ResamplingReference.AdaptiveAverage<float>(s[1], s[3]), ResamplingReference.AdaptiveAverage<float>(s[2], s[4]), s[5], x));
        Agreement.CheckBitwise("Output again", PoolForward(device, s, x, 3), actual);
    }

    [Theory, MemberData(nameof(Cases))]
    public void PoolingBackward(string deviceName, int index)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] s = Sizes[index];
        float[] gradient = Samples.Normal(2, s[0] * s[3] * s[4] * s[5]), old = Samples.Normal(3, s[0] * s[1] * s[2] * s[5]);
        double[] exact = PoolGradient(s, Samples.As<double>(gradient));
        float[] plain = PoolGradient(s, gradient);
        foreach (float beta in new[] { 0f, 1f, -0.5f })
        {
            float[] actual = PoolBackward(device, s, gradient, old, beta, 0);
            Agreement.Check($"InputGradient (Beta {beta})", actual,
                ConvolutionReference.Accumulate(exact, Samples.As<double>(old), beta), ConvolutionReference.Accumulate(plain, old, beta));
            Agreement.CheckBitwise("InputGradient again", PoolBackward(device, s, gradient, old, beta, 3), actual);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void InterpolationForward(string deviceName, int index)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] s = Sizes[index];
        float[] x = Samples.Normal(4, (s[0] + s[1] * s[2]) * s[5]);
        foreach (bool antialias in new[] { false, true })
        {
            float[] actual = Interpolate(device, s, antialias, x, 0);
            Agreement.Check($"Output (antialias {antialias})", actual, Interpolated(s, antialias, Samples.As<double>(x)), Interpolated(s, antialias, x));
            Agreement.CheckBitwise("Output again", Interpolate(device, s, antialias, x, 3), actual);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void InterpolationBackward(string deviceName, int index)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] s = Sizes[index];
        float[] gradient = Samples.Normal(5, (s[0] + s[3] * s[4]) * s[5]), old = Samples.Normal(6, (s[0] + s[1] * s[2]) * s[5]);
        foreach (bool antialias in new[] { false, true })
        {
            double[] exact = InterpolationGradient(s, antialias, Samples.As<double>(gradient));
            float[] plain = InterpolationGradient(s, antialias, gradient);
            foreach (float beta in new[] { 0f, 1f, -0.5f })
            {
                float[] actual = InterpolateBackward(device, s, antialias, gradient, old, beta, 0);
                Agreement.Check($"InputGradient (antialias {antialias}, Beta {beta})", actual,
                    ConvolutionReference.Accumulate(exact, Samples.As<double>(old), beta), ConvolutionReference.Accumulate(plain, old, beta));
                Agreement.CheckBitwise("InputGradient again", InterpolateBackward(device, s, antialias, gradient, old, beta, 3), actual);
            }
        }
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(5)]
    public void OtherImagesAndThreadsDoNotChangeAnImage(int index)
    {
        int[] s = Sizes[index], many = [4, s[1], s[2], s[3], s[4], s[5]], one = [1, s[1], s[2], s[3], s[4], s[5]];
        int inputs = s[1] * s[2] * s[5], outputs = s[3] * s[4] * s[5];
        float[] x = Samples.Normal(7, 4 * inputs), gradient = Samples.Normal(8, 4 * outputs);
        var first = new float[4][];
        foreach (string name in TestDevices.Names)
        {
            using Device device = TestDevices.Open(name);
            float[][] actual =
            [
                PoolForward(device, many, x, 0),
                PoolBackward(device, many, gradient, x, 1, 0),
                Interpolate(device, s, true, x[..((s[0] + s[1] * s[2]) * s[5])], 0),
                InterpolateBackward(device, s, false, gradient[..((s[0] + s[3] * s[4]) * s[5])], x, 0, 0),
            ];
            for (int i = 0; i < actual.Length; i++) Agreement.CheckBitwise($"{i} on {name}", actual[i], first[i] ??= actual[i]);
            for (int n = 0; n < 4; n++)
            {
                Range input = (n * inputs)..((n + 1) * inputs), output = (n * outputs)..((n + 1) * outputs);
                Agreement.CheckBitwise("Output", PoolForward(device, one, x[input], 0), actual[0][output]);
                Agreement.CheckBitwise("InputGradient", PoolBackward(device, one, gradient[output], x[input], 1, 0), actual[1][input]);
            }
        }
    }

    [Theory, InlineData(1), InlineData(5), InlineData(7)]
    public void ReferenceGradients(int index)
    {
        int[] s = Sizes[index];
        double[] x = Samples.As<double>(Samples.Normal(9, s[0] * s[1] * s[2] * s[5])), gradient = Samples.As<double>(Samples.Normal(10, s[0] * s[3] * s[4] * s[5]));
        double[,] vertical = ResamplingReference.AdaptiveAverage<double>(s[1], s[3]), horizontal = ResamplingReference.AdaptiveAverage<double>(s[2], s[4]);
        Agreement.CheckFiniteDifferences("pool", v => ResamplingReference.Apply(s[0], vertical, horizontal, s[5], v).Zip(gradient, (y, g) => y * g).Sum(),
            x, PoolGradient(s, gradient), 16);
        x = Samples.As<double>(Samples.Normal(11, (s[0] + s[1] * s[2]) * s[5]));
        gradient = Samples.As<double>(Samples.Normal(12, (s[0] + s[3] * s[4]) * s[5]));
        foreach (bool antialias in new[] { false, true })
        {
            Agreement.CheckFiniteDifferences($"interpolation {antialias}", v => Interpolated(s, antialias, v).Zip(gradient, (y, g) => y * g).Sum(),
                x, InterpolationGradient(s, antialias, gradient), 16);
        }
    }

    [Fact]
    public void OnnxPooling()
    {
        IReadOnlyList<OnnxCase>? averages = OnnxCases.TryRead("averagepool"), globals = OnnxCases.TryRead("globalaveragepool");
        if (averages is null || globals is null)
        {
            Assert.Skip(TestData.Missing(OnnxCases.PathOf("averagepool")));
            return;
        }
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        int fitting = 0, outside = 0;
        foreach (OnnxCase test in averages.Concat(globals))
        {
            OnnxTensor x = test.Input(0)!, y = test.Output(0)!;
            int[] s = [(int)x.Shape[0], (int)x.Shape[2], (int)x.Shape[3], (int)y.Shape[2], (int)y.Shape[3], (int)x.Shape[1]];
            if (!WindowsAreBins(test, s))
            {
                outside++;
                continue;
            }
            fitting++;
            Close(test.Name, PoolForward(device, s, Nhwc.From(x), 0), Nhwc.From(y), 1e-6);
        }
        // The others have padding, dilation, or windows that leave pixels out.
        Assert.Equal((2, 9), (fitting, outside));
    }

    [Fact]
    public void OnnxResize()
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("resize");
        if (cases is null)
        {
            Assert.Skip(TestData.Missing(OnnxCases.PathOf("resize")));
            return;
        }
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        int fitting = 0, outside = 0;
        foreach (OnnxCase test in cases)
        {
            OnnxTensor x = test.Input(0)!, y = test.Output(0)!;
            int[] s = [0, (int)x.Shape[2], (int)x.Shape[3], (int)y.Shape[2], (int)y.Shape[3], (int)x.Shape[1]];
            // Centres follow the sizes here; scales that do not give the sizes exactly move them. ONNX antialiases with a = -0.75 and
            // repeated borders, PyTorch (and the contract) with -0.5 and a cut-off filter.
            bool cubic = test.Text("mode", "nearest") == "cubic" && test.Integer("antialias", 0) == 0 && test.Integer("exclude_outside", 0) == 0
                && test.Text("coordinate_transformation_mode", "half_pixel") == "half_pixel" && test.Number("cubic_coeff_a", -0.75) == -0.75;
            OnnxTensor? scales = test.Input(2);
            if (!cubic || (scales is { Count: 4 } && (scales.Values[2] * s[1] != s[3] || scales.Values[3] * s[2] != s[4])))
            {
                outside++;
                continue;
            }
            fitting++;
            Close(test.Name, Interpolate(device, s, false, Nhwc.From(x), 0), Nhwc.From(y), 1e-6);
        }
        Assert.Equal((2, 22), (fitting, outside));
    }

    [Fact]
    public void BrokenRulesAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        IKernels kernels = device.Kernels;
        using var rows = DeviceBuffer.From<float>(device, new float[9 * 4], 9, 4);
        using var integers = new DeviceBuffer(device, 9, 4, DType.Int32);
        var pool = new AdaptiveAveragePoolForwardArgs { Batch = 1, InputHeight = 3, InputWidth = 3, OutputHeight = 2, OutputWidth = 2, Channels = 4, X = rows, Output = rows };
        var poolBackward = new AdaptiveAveragePoolBackwardArgs { Batch = 1, InputHeight = 3, InputWidth = 3, OutputHeight = 2, OutputWidth = 2, Channels = 4, InputGradient = rows, OutputGradient = rows };
        var grid = new GridInterpolationForwardArgs { InputHeight = 3, InputWidth = 3, OutputHeight = 2, OutputWidth = 2, Channels = 4, X = rows, Output = rows };
        var gridBackward = new GridInterpolationBackwardArgs { InputHeight = 3, InputWidth = 3, OutputHeight = 2, OutputWidth = 2, Channels = 4, InputGradient = rows, OutputGradient = rows };
        void Pool(string rule, AdaptiveAveragePoolForwardArgs args) => EmbeddingTests.Expect("AdaptiveAveragePoolForward: " + rule, () => kernels.AdaptiveAveragePoolForward(default, args));
        void PoolBack(string rule, AdaptiveAveragePoolBackwardArgs args) => EmbeddingTests.Expect("AdaptiveAveragePoolBackward: " + rule, () => kernels.AdaptiveAveragePoolBackward(default, args));
        void Grid(string rule, GridInterpolationForwardArgs args) => EmbeddingTests.Expect("GridInterpolationForward: " + rule, () => kernels.GridInterpolationForward(default, args));
        void GridBack(string rule, GridInterpolationBackwardArgs args) => EmbeddingTests.Expect("GridInterpolationBackward: " + rule, () => kernels.GridInterpolationBackward(default, args));
        Pool("Batch is -1", pool with { Batch = -1 });
        Pool("InputHeight is -1", pool with { InputHeight = -1 });
        Pool("InputWidth is -1", pool with { InputWidth = -1 });
        Pool("OutputHeight is -1", pool with { OutputHeight = -1 });
        Pool("OutputWidth is -1", pool with { OutputWidth = -1 });
        Pool("Channels is -1", pool with { Channels = -1 });
        Pool("an input without pixels has no average", pool with { InputWidth = 0 });
        Pool("X is missing", pool with { X = default });
        Pool("Output has dtype Int32", pool with { Output = integers });
        PoolBack("OutputGradient is missing", poolBackward with { OutputGradient = default });
        PoolBack("InputGradient has row stride 1", poolBackward with { InputGradient = rows.Operand with { RowStride = 1 } });
        PoolBack("an input without pixels has no average", poolBackward with { InputHeight = 0 });
        Grid("InputHeight is -1", grid with { InputHeight = -1 });
        Grid("InputWidth is -1", grid with { InputWidth = -1 });
        Grid("OutputHeight is -1", grid with { OutputHeight = -1 });
        Grid("OutputWidth is -1", grid with { OutputWidth = -1 });
        Grid("Channels is -1", grid with { Channels = -1 });
        Grid("PrefixRows is -1", grid with { PrefixRows = -1 });
        Grid("a grid without positions cannot be interpolated", grid with { InputHeight = 0 });
        Grid("X has dtype Int32", grid with { X = integers });
        Grid("Output is missing", grid with { Output = default });
        GridBack("OutputGradient is missing", gridBackward with { OutputGradient = default });
        GridBack("InputGradient is missing", gridBackward with { InputGradient = default });
    }

    /// <summary>Whether the pooling windows of the test are the bins of adaptive pooling.</summary>
    private static bool WindowsAreBins(OnnxCase test, int[] s)
    {
        if (test.Operator == "GlobalAveragePool") return true;
        if (test.Integers("pads").Any(pad => pad != 0) || test.Has("auto_pad") || test.Has("dilations")) return false;
        long[] kernel = test.Integers("kernel_shape"), strides = test.Integers("strides");
        for (int side = 0; side < 2; side++)
        {
            int input = s[1 + side], output = s[3 + side];
            for (int i = 0; i < output; i++)
            {
                long first = i * strides[side], end = Math.Min(first + kernel[side], input); // ceil_mode cuts the last window
                if (first != (long)i * input / output || end != ((long)(i + 1) * input + output - 1) / output) return false;
            }
        }
        return true;
    }

    private static void Close(string name, float[] actual, float[] expected, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < actual.Length; i++)
            Assert.True(Math.Abs(actual[i] - expected[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), $"{name}[{i}] is {actual[i]:R}, not {expected[i]:R}");
    }

    private static T[] PoolGradient<T>(int[] s, T[] gradient) where T : System.Numerics.IFloatingPointIeee754<T> => ResamplingReference.Apply(s[0],
        ResamplingReference.Transposed(ResamplingReference.AdaptiveAverage<T>(s[1], s[3])),
        ResamplingReference.Transposed(ResamplingReference.AdaptiveAverage<T>(s[2], s[4])), s[5], gradient);

    private static T[] Interpolated<T>(int[] s, bool antialias, T[] x) where T : System.Numerics.IFloatingPointIeee754<T> =>
        [.. x[..(s[0] * s[5])], .. ResamplingReference.Apply(1, ResamplingReference.Bicubic<T>(s[1], s[3], antialias),
            ResamplingReference.Bicubic<T>(s[2], s[4], antialias), s[5], x[(s[0] * s[5])..])];

    private static T[] InterpolationGradient<T>(int[] s, bool antialias, T[] gradient) where T : System.Numerics.IFloatingPointIeee754<T> =>
        [.. gradient[..(s[0] * s[5])], .. ResamplingReference.Apply(1, ResamplingReference.Transposed(ResamplingReference.Bicubic<T>(s[1], s[3], antialias)),
            ResamplingReference.Transposed(ResamplingReference.Bicubic<T>(s[2], s[4], antialias)), s[5], gradient[(s[0] * s[5])..])];

    private static float[] PoolForward(Device device, int[] s, float[] x, int pad)
    {
        using var source = DeviceBuffer.From<float>(device, x, s[0] * s[1] * s[2], s[5], s[5] + pad);
        using var output = new DeviceBuffer(device, s[0] * s[3] * s[4], s[5], DType.Float32, s[5] + pad);
        device.Kernels.AdaptiveAveragePoolForward(default, new AdaptiveAveragePoolForwardArgs
        {
            Batch = s[0],
            InputHeight = s[1],
            InputWidth = s[2],
            OutputHeight = s[3],
            OutputWidth = s[4],
            Channels = s[5],
            X = source,
            Output = output,
        });
        return output.Download();
    }

    private static float[] PoolBackward(Device device, int[] s, float[] gradient, float[] old, float beta, int pad)
    {
        using var source = DeviceBuffer.From<float>(device, gradient, s[0] * s[3] * s[4], s[5], s[5] + pad);
        using var input = new DeviceBuffer(device, s[0] * s[1] * s[2], s[5], DType.Float32, s[5] + pad);
        if (beta != 0) input.Upload<float>(old);
        device.Kernels.AdaptiveAveragePoolBackward(default, new AdaptiveAveragePoolBackwardArgs
        {
            Batch = s[0],
            InputHeight = s[1],
            InputWidth = s[2],
            OutputHeight = s[3],
            OutputWidth = s[4],
            Channels = s[5],
            OutputGradient = source,
            InputGradient = input,
            Beta = beta,
        });
        return input.Download();
    }

    private static float[] Interpolate(Device device, int[] s, bool antialias, float[] x, int pad)
    {
        using var source = DeviceBuffer.From<float>(device, x, s[0] + s[1] * s[2], s[5], s[5] + pad);
        using var output = new DeviceBuffer(device, s[0] + s[3] * s[4], s[5], DType.Float32, s[5] + pad);
        device.Kernels.GridInterpolationForward(default, new GridInterpolationForwardArgs
        {
            PrefixRows = s[0],
            InputHeight = s[1],
            InputWidth = s[2],
            OutputHeight = s[3],
            OutputWidth = s[4],
            Channels = s[5],
            Antialias = antialias ? 1 : 0,
            X = source,
            Output = output,
        });
        return output.Download();
    }

    private static float[] InterpolateBackward(Device device, int[] s, bool antialias, float[] gradient, float[] old, float beta, int pad)
    {
        using var source = DeviceBuffer.From<float>(device, gradient, s[0] + s[3] * s[4], s[5], s[5] + pad);
        using var input = new DeviceBuffer(device, s[0] + s[1] * s[2], s[5], DType.Float32, s[5] + pad);
        if (beta != 0) input.Upload<float>(old.AsSpan(0, (s[0] + s[1] * s[2]) * s[5]));
        device.Kernels.GridInterpolationBackward(default, new GridInterpolationBackwardArgs
        {
            PrefixRows = s[0],
            InputHeight = s[1],
            InputWidth = s[2],
            OutputHeight = s[3],
            OutputWidth = s[4],
            Channels = s[5],
            Antialias = antialias ? 1 : 0,
            OutputGradient = source,
            InputGradient = input,
            Beta = beta,
        });
        return input.Download();
    }
}
