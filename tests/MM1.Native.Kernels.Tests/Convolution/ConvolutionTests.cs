using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class ConvolutionTests
{
    internal static readonly ConvolutionCase[] All =
    [
        new("1x1", 2, 5, 7, 19, 33, 1, 1, 1, 0),
        new("1x1 wide", 1, 12, 12, 64, 128, 1, 1, 1, 0),
        new("1x1 stride 2", 2, 7, 6, 9, 5, 1, 1, 2, 0),
        new("1x1 padding 1", 1, 3, 4, 5, 6, 1, 1, 1, 1),
        new("3x3", 2, 6, 5, 17, 13, 3, 3, 1, 1),
        new("3x3 one pixel", 1, 1, 1, 3, 4, 3, 3, 1, 1),
        new("3x3 several blocks", 9, 12, 12, 48, 8, 3, 3, 1, 1),
        new("3x3 stride 2", 2, 9, 8, 7, 6, 3, 3, 2, 1),
        new("3x3 no padding", 2, 7, 5, 4, 9, 3, 3, 1, 0),
        new("3x3 no output", 2, 2, 1, 4, 9, 3, 3, 2, 0),
        new("2x5 stride 3 padding 4", 1, 6, 11, 3, 2, 2, 5, 3, 4),
        new("patch 4", 3, 12, 12, 3, 64, 4, 4, 4, 0),
        new("patch 4 with a rest", 2, 11, 14, 3, 10, 4, 4, 4, 0),
        new("patch 14", 1, 28, 28, 3, 32, 14, 14, 14, 0),
        new("no images", 0, 4, 4, 3, 5, 3, 3, 1, 1),
        new("no input channels", 1, 4, 4, 0, 5, 3, 3, 1, 1),
        new("no output channels", 1, 4, 4, 3, 0, 3, 3, 1, 1),
        new("one channel", 1, 5, 5, 1, 1, 3, 3, 1, 1),
        new("depthwise 3x3", 2, 6, 7, 37, 37, 3, 3, 1, 1, 37),
        new("depthwise 3x3 large", 3, 24, 24, 32, 32, 3, 3, 1, 1, 32),
        new("depthwise 3x3 wide rows", 1, 3, 300, 2, 2, 3, 3, 1, 1, 2),
        new("depthwise 3x3 one pixel", 2, 1, 1, 18, 18, 3, 3, 1, 1, 18),
        new("depthwise 3x3 one column", 2, 5, 1, 18, 18, 3, 3, 1, 1, 18),
        new("depthwise 3x3 stride 2", 2, 9, 8, 21, 21, 3, 3, 2, 1, 21),
        new("depthwise 3x3 no padding", 2, 5, 6, 16, 16, 3, 3, 1, 0, 16),
        new("depthwise 5x2 padding 3", 2, 5, 6, 9, 9, 5, 2, 2, 3, 9),
        new("depthwise no output", 2, 2, 6, 9, 9, 3, 3, 1, 0, 9),
        new("depthwise no images", 0, 2, 6, 9, 9, 3, 3, 1, 1, 9),
    ];

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (string device in TestDevices.Names.Concat(TestDevices.Native))
            foreach (ConvolutionCase c in All) cases.Add(device, c.Name);
        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void Forward(string deviceName, string name)
    {
        using Device device = TestDevices.Open(deviceName);
        ConvolutionCase c = Find(name);
        float[] x = Samples.Normal(1, c.InputPixels * c.InputChannels), weight = Samples.Normal(2, c.OutputChannels * c.PatchLength, 0.2);
        float[] bias = Samples.Normal(3, c.OutputChannels);
        double[] exact = ConvolutionReference.Forward(c, Samples.As<double>(x), Samples.As<double>(weight));
        float[] plain = ConvolutionReference.Forward(c, x, weight);
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            foreach (bool withBias in new[] { true, false })
            {
                if (!withBias && activation is not (Activation.None or Activation.Gelu)) continue;
                // An emulated device is slow; tests/kernels/convolution goes through all of them there.
                if (TestDevices.Native.Contains(deviceName) && activation is not (Activation.None or Activation.Silu)) continue;
                int pad = activation == Activation.None ? 0 : 5;
                float[] actual = ConvolutionRunner.Forward(device, c, x, weight, withBias ? bias : null, activation, pad);
                Agreement.Check($"Output ({activation})", actual,
                    ConvolutionReference.Finish(exact, withBias ? Samples.As<double>(bias) : null, activation),
                    ConvolutionReference.Finish(plain, withBias ? bias : null, activation));
                Agreement.CheckBitwise("Output again", ConvolutionRunner.Forward(device, c, x, weight, withBias ? bias : null, activation, 2), actual);
            }
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void BackwardData(string deviceName, string name)
    {
        using Device device = TestDevices.Open(deviceName);
        ConvolutionCase c = Find(name);
        float[] gradient = Samples.Normal(4, c.OutputPixels * c.OutputChannels), weight = Samples.Normal(5, c.OutputChannels * c.PatchLength, 0.2);
        float[] old = Samples.Normal(6, c.InputPixels * c.InputChannels);
        double[] exact = ConvolutionReference.BackwardData(c, Samples.As<double>(gradient), Samples.As<double>(weight));
        float[] plain = ConvolutionReference.BackwardData(c, gradient, weight);
        foreach (float beta in new[] { 0f, 1f, -0.5f })
        {
            float[] actual = ConvolutionRunner.BackwardData(device, c, gradient, weight, old, beta, 0);
            Agreement.Check($"InputGradient (Beta {beta})", actual, ConvolutionReference.Accumulate(exact, Samples.As<double>(old), beta),
                ConvolutionReference.Accumulate(plain, old, beta));
            Agreement.CheckBitwise("InputGradient again", ConvolutionRunner.BackwardData(device, c, gradient, weight, old, beta, 3), actual);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void BackwardWeight(string deviceName, string name)
    {
        using Device device = TestDevices.Open(deviceName);
        ConvolutionCase c = Find(name);
        float[] x = Samples.Normal(7, c.InputPixels * c.InputChannels), gradient = Samples.Normal(8, c.OutputPixels * c.OutputChannels);
        float[] oldWeight = Samples.Normal(9, c.OutputChannels * c.PatchLength), oldBias = Samples.Normal(10, c.OutputChannels);
        (double[] exactWeight, double[] exactBias) = ConvolutionReference.BackwardWeight(c, Samples.As<double>(x), Samples.As<double>(gradient));
        (float[] plainWeight, float[] plainBias) = ConvolutionReference.BackwardWeight(c, x, gradient);
        // An emulated device is slow; tests/kernels/convolution goes through the rest there.
        bool isNative = TestDevices.Native.Contains(deviceName);
        foreach (float beta in isNative ? [-0.5f] : new[] { 0f, 1f, -0.5f })
        {
            (float[]? weight, float[]? bias) = ConvolutionRunner.BackwardWeight(device, c, x, gradient, oldWeight, oldBias, beta, "both", 0);
            Agreement.Check($"WeightGradient (Beta {beta})", weight, ConvolutionReference.Accumulate(exactWeight, Samples.As<double>(oldWeight), beta),
                ConvolutionReference.Accumulate(plainWeight, oldWeight, beta));
            Agreement.Check($"BiasGradient (Beta {beta})", bias, ConvolutionReference.Accumulate(exactBias, Samples.As<double>(oldBias), beta),
                ConvolutionReference.Accumulate(plainBias, oldBias, beta));
            if (isNative) continue;
            (float[]? alone, _) = ConvolutionRunner.BackwardWeight(device, c, x, gradient, oldWeight, oldBias, beta, "weight", 3);
            Agreement.CheckBitwise("WeightGradient alone", alone, weight);
            (_, alone) = ConvolutionRunner.BackwardWeight(device, c, x, gradient, oldWeight, oldBias, beta, "bias", 3);
            Agreement.CheckBitwise("BiasGradient alone", alone, bias);
            Assert.Equal((null, null), ConvolutionRunner.BackwardWeight(device, c, x, gradient, oldWeight, oldBias, beta, "none", 0));
        }
    }

    [Theory, InlineData("3x3 several blocks"), InlineData("3x3 stride 2"), InlineData("1x1"), InlineData("patch 4"), InlineData("depthwise 3x3 large"), InlineData("depthwise 5x2 padding 3")]
    public void OtherImagesAndThreadsDoNotChangeAnImage(string name)
    {
        ConvolutionCase c = Find(name), one = c with { Batch = 1 };
        float[] x = Samples.Normal(11, c.InputPixels * c.InputChannels), weight = Samples.Normal(12, c.OutputChannels * c.PatchLength);
        float[] gradient = Samples.Normal(13, c.OutputPixels * c.OutputChannels), bias = Samples.Normal(14, c.OutputChannels);
        float[]? output = null, inputGradient = null, weightGradient = null;
        foreach (string deviceName in TestDevices.Names)
        {
            using Device device = TestDevices.Open(deviceName);
            float[] many = ConvolutionRunner.Forward(device, c, x, weight, bias, Activation.Silu, 0);
            float[] manyGradients = ConvolutionRunner.BackwardData(device, c, gradient, weight, x, 0.5f, 0);
            Agreement.CheckBitwise($"Output on {deviceName}", many, output ??= many);
            Agreement.CheckBitwise($"InputGradient on {deviceName}", manyGradients, inputGradient ??= manyGradients);
            float[] sums = ConvolutionRunner.BackwardWeight(device, c, x, gradient, weight, bias, 0, "both", 0).Weight!;
            Agreement.CheckBitwise($"WeightGradient on {deviceName}", sums, weightGradient ??= sums);
            int inputs = one.InputPixels * c.InputChannels, outputs = one.OutputPixels * c.OutputChannels;
            for (int n = 0; n < c.Batch; n++)
            {
                float[] alone = ConvolutionRunner.Forward(device, one, x[(n * inputs)..((n + 1) * inputs)], weight, bias, Activation.Silu, 0);
                Agreement.CheckBitwise($"image {n}", many.AsSpan(n * outputs, outputs), alone);
                alone = ConvolutionRunner.BackwardData(device, one, gradient[(n * outputs)..((n + 1) * outputs)], weight, x[(n * inputs)..((n + 1) * inputs)], 0.5f, 0);
                Agreement.CheckBitwise($"gradient of image {n}", manyGradients.AsSpan(n * inputs, inputs), alone);
            }
        }
    }

    [Theory, InlineData("3x3 stride 2"), InlineData("2x5 stride 3 padding 4"), InlineData("depthwise 5x2 padding 3"), InlineData("patch 4 with a rest")]
    public void ReferenceGradients(string name)
    {
        ConvolutionCase c = Find(name);
        double[] x = Samples.As<double>(Samples.Normal(15, c.InputPixels * c.InputChannels)), weight = Samples.As<double>(Samples.Normal(16, c.OutputChannels * c.PatchLength));
        double[] bias = Samples.As<double>(Samples.Normal(17, c.OutputChannels)), gradient = Samples.As<double>(Samples.Normal(18, c.OutputPixels * c.OutputChannels));
        double Loss(double[] x, double[] w, double[] b) => ConvolutionReference.Finish(ConvolutionReference.Forward(c, x, w), b, Activation.None).Zip(gradient, (y, g) => y * g).Sum();
        Agreement.CheckFiniteDifferences("InputGradient", v => Loss(v, weight, bias), x,
            ConvolutionReference.BackwardData(c, gradient, weight), 16);
        (double[] weightGradient, double[] biasGradient) = ConvolutionReference.BackwardWeight(c, x, gradient);
        Agreement.CheckFiniteDifferences("WeightGradient", v => Loss(x, v, bias), weight, weightGradient, 16);
        Agreement.CheckFiniteDifferences("BiasGradient", v => Loss(x, weight, v), bias, biasGradient, 16);
    }

    [Fact]
    public void OnnxConvolutions()
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("conv");
        if (cases is null)
        {
            Assert.Skip(TestData.Missing(OnnxCases.PathOf("conv")));
            return;
        }
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        var outside = new List<string>();
        foreach (OnnxCase test in cases)
        {
            long[] pads = test.Integers("pads");
            if (pads.Distinct().Count() > 1)
            {
                outside.Add(test.Name); // the contract pads all sides alike
                continue;
            }
            OnnxTensor x = test.Input(0)!, weight = test.Input(1)!, y = test.Output(0)!;
            long[] strides = test.Integers("strides");
            var c = new ConvolutionCase(test.Name, (int)x.Shape[0], (int)x.Shape[2], (int)x.Shape[3], (int)x.Shape[1], (int)weight.Shape[0],
                (int)weight.Shape[2], (int)weight.Shape[3], strides.Length == 0 ? 1 : (int)strides[0], (int)pads[0]);
            float[] actual = ConvolutionRunner.Forward(device, c, Nhwc.From(x), Nhwc.From(weight), null, Activation.None, 0);
            Agreement.CheckBitwise(test.Name, actual, Nhwc.From(y)); // sums of small integers: exact
        }
        Assert.Equal(4, cases.Count);
        Assert.Equal(["test_conv_with_strides_and_asymmetric_padding"], outside);
    }

    [Fact]
    public void BrokenRulesAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        IKernels kernels = device.Kernels;
        var c = new ConvolutionCase("rules", 1, 3, 3, 4, 4, 3, 3, 1, 1);
        using var rows = DeviceBuffer.From<float>(device, new float[9 * 4], 9, 4);
        using var weight = DeviceBuffer.From<float>(device, new float[4 * 36], 4, 36);
        using var integers = new DeviceBuffer(device, 9, 36, DType.Int32);
        Operand narrow = rows.Operand with { RowStride = 3 };
        Launch launch = device.Launch(1 << 20);
        ConvolutionForwardArgs forward = ConvolutionRunner.ForwardArgs(c) with { X = rows, Weight = weight, Output = rows };
        ConvolutionBackwardDataArgs data = ConvolutionRunner.BackwardDataArgs(c) with { OutputGradient = rows, Weight = weight, InputGradient = rows };
        ConvolutionBackwardWeightArgs weights = ConvolutionRunner.BackwardWeightArgs(c) with { X = rows, OutputGradient = rows, WeightGradient = weight };
        void Forward(string rule, ConvolutionForwardArgs args) => EmbeddingTests.Expect("ConvolutionForward: " + rule, () => kernels.ConvolutionForward(launch, args));
        void Data(string rule, ConvolutionBackwardDataArgs args) => EmbeddingTests.Expect("ConvolutionBackwardData: " + rule, () => kernels.ConvolutionBackwardData(launch, args));
        void Weights(string rule, ConvolutionBackwardWeightArgs args) => EmbeddingTests.Expect("ConvolutionBackwardWeight: " + rule, () => kernels.ConvolutionBackwardWeight(launch, args));
        Forward("Batch is -1", forward with { Batch = -1 });
        Forward("InputHeight is -1", forward with { InputHeight = -1 });
        Forward("InputWidth is -1", forward with { InputWidth = -1 });
        Forward("InputChannels is -1", forward with { InputChannels = -1 });
        Forward("OutputChannels is -1", forward with { OutputChannels = -1 });
        Forward("Padding is -1", forward with { Padding = -1 });
        Forward("KernelHeight and KernelWidth must be at least 1", forward with { KernelWidth = 0 });
        Forward("Stride must be at least 1", forward with { Stride = 0 });
        Forward("Groups is 2 for 4 input and 4 output channels", forward with { Groups = 2 });
        Forward("Groups is 0", forward with { Groups = 0 });
        Forward("OutputHeight is 4; (InputHeight + 2 * Padding - KernelHeight) / Stride + 1 is 3", forward with { OutputHeight = 4 });
        Forward("OutputWidth is 2; (InputWidth + 2 * Padding - KernelWidth) / Stride + 1 is 3", forward with { OutputWidth = 2 });
        Forward("X is missing", forward with { X = default });
        Forward("Weight has dtype Int32", forward with { Weight = integers });
        Forward("Weight has row stride 4, less than its 36 columns", forward with { Weight = weight.Operand with { RowStride = 4 } });
        Forward("Bias has dtype Int32", forward with { Bias = integers });
        Forward("Output has row stride 3", forward with { Output = narrow });
        Forward("Activation 99 is not known", forward with { Activation = (Activation)99 });
        EmbeddingTests.Expect("ConvolutionForward: the workspace has 0 bytes", () => kernels.ConvolutionForward(default, forward));
        Data("Batch is -1", data with { Batch = -1 });
        Data("OutputHeight is 4", data with { OutputHeight = 4 });
        Data("OutputGradient is missing", data with { OutputGradient = default });
        Data("Weight is missing", data with { Weight = default });
        Data("InputGradient has dtype Int32", data with { InputGradient = integers });
        EmbeddingTests.Expect("ConvolutionBackwardData: the workspace has 0 bytes", () => kernels.ConvolutionBackwardData(default, data));
        Weights("Batch is -1", weights with { Batch = -1 });
        Weights("OutputWidth is 4", weights with { OutputWidth = 4 });
        Weights("X is missing", weights with { X = default });
        Weights("OutputGradient has row stride 3", weights with { OutputGradient = narrow });
        Weights("WeightGradient has dtype Int32", weights with { WeightGradient = integers });
        Weights("BiasGradient has dtype Int32", weights with { BiasGradient = integers });
        EmbeddingTests.Expect("ConvolutionBackwardWeight: the workspace has 0 bytes", () => kernels.ConvolutionBackwardWeight(default, weights));
    }

    private static ConvolutionCase Find(string name) => All.Single(c => c.Name == name);
}
