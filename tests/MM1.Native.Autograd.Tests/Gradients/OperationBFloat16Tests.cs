using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>
/// Every operation in mixed precision on native devices: inputs are parameters that stand for their bfloat16 shadows, or bfloat16 results of casts. The reference is
/// the cpu device in float32 at the same values, all of which bfloat16 holds.
/// </summary>
public sealed class OperationBFloat16Tests
{
    /// <summary>
    /// Products and sums are float32 inside of a kernel, so an error comes only from what is handed from kernel to kernel in bfloat16: each rounding is at most
    /// 2^-8 of the largest value of its tensor. On the longest way of these cases (attention with norms and rotation: rotated and normalized operands, probabilities,
    /// output, three gradients) there are eight that meet in one value.
    /// </summary>
    private const double Allowed = 8.0 / 256;

    public static IEnumerable<TheoryDataRow<string, string>> Cases() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, string>("", "") { Skip = TestDevices.NativeMissing }]
        : TestDevices.Native.SelectMany(static device => OperationCases.All.Keys, static (device, name) => new TheoryDataRow<string, string>(device, name));

    [Theory, MemberData(nameof(Cases))]
    public void OutputsAndGradientsAreTheReferences(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        (float[][] expectedOutputs, float[][] expected) = Run("cpu/1", test, DType.None, cast: false);
        (float[][] outputs, float[][] shadowed) = Run(deviceName, test, DType.BFloat16, cast: false);
        (float[][] again, float[][] repeated) = Run(deviceName, test, DType.BFloat16, cast: false);
        (float[][] castOutputs, float[][] cast) = Run(deviceName, test, DType.None, cast: true);
        for (int i = 0; i < expectedOutputs.Length; i++)
        {
            Check($"output {i}", outputs[i], expectedOutputs[i]);
            Agreement.CheckBitwise($"output {i} again", again[i], outputs[i]);
            Agreement.CheckBitwise($"output {i} of casts", castOutputs[i], outputs[i]);
        }
        for (int i = 0; i < expected.Length; i++)
        {
            Check($"gradient of parameter {i}", shadowed[i], expected[i]);
            Agreement.CheckBitwise($"gradient of parameter {i} again", repeated[i], shadowed[i]);
            Check($"gradient of the master behind the cast {i}", cast[i], expected[i]);
        }
    }

    /// <summary>
    /// Parts of a parameter, and parameters joined, in bfloat16: every part's gradient lands in the float32 gradient of its parameter, with no rounding but the parts'
    /// own, whose values here are exact.
    /// </summary>
    [Theory, MemberData(nameof(TestDevices.NativeRows), MemberType = typeof(TestDevices))]
    public void PartsAndJoinsOfParametersGiveExactFloat32Gradients(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([4, 6], [2, 6]);
        module.Build(device, 1, DType.BFloat16);
        float[] weights = Rounded(Samples.Normal(3, 36)), part = Rounded(Samples.Normal(4, 12));
        using (device.BeginStep())
        {
            for (int time = 1; time <= 2; time++)
            {
                using (device.BeginMicroBatch())
                {
                    Tensor joined = Functional.Concatenate([module.All[0], module.All[1]], 0);
                    Assert.Equal(DType.BFloat16, joined.DType);
                    Tensor slice = Functional.Slice(module.All[0], 1, 2, 3);
                    (Dual.Product(joined, weights) + Dual.Product(slice, part)).Backward();
                }
                float[] first = [.. weights[..24].Select((value, i) => i % 6 is >= 2 and < 5 ? value + part[i / 6 * 3 + i % 6 - 2] : value)];
                // The sum of two uses may be rounded to bfloat16 on its way (once each time); the other parameter has one use and no rounding.
                Assert.Equal(DType.Float32, module.All[0].Gradient.DType);
                float[] actual = module.All[0].Gradient.ToArray();
                for (int i = 0; i < actual.Length; i++)
                    Assert.True(Math.Abs(actual[i] - time * first[i]) <= time * Math.Abs(first[i]) / 256 + 1e-6, $"gradient {i} is {actual[i]:R}, {time * first[i]:R} expected");
                Agreement.CheckBitwise($"gradient of the joined parameter after {time}", module.All[1].Gradient.ToArray(), [.. weights[24..].Select(value => time * value)]);
            }
        }
    }

    /// <summary>Many micro-batches add in float32: a gradient of ones counts far beyond the 256 where bfloat16 stands still.</summary>
    [Theory, MemberData(nameof(TestDevices.NativeRows), MemberType = typeof(TestDevices))]
    public void MicroBatchesAddInFloat32(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var module = new Bag([3]);
        module.Build(device, 1, DType.BFloat16);
        using (device.BeginStep())
        {
            for (int time = 0; time < 300; time++)
            {
                using (device.BeginMicroBatch()) Functional.Sum(Functional.Cast(module.All[0], DType.Float32)).Backward();
            }
        }
        Assert.Equal([300f, 300, 300], module.All[0].Gradient.ToArray());
    }

    private static (float[][] Outputs, float[][] Gradients) Run(string deviceName, OperationCase test, DType shadow, bool cast)
    {
        using var context = new CaseContext(deviceName);
        using var module = new Bag(test.Inputs);
        module.Build(context.Device, 1, shadow);
        for (int i = 0; i < test.Inputs.Length; i++) module.All[i].Load(Rounded(test.Values(i)));
        using (context.Device.BeginStep())
        {
            Tensor[] inputs = [.. module.All.Select((parameter, i) => Stays(test, i) ? parameter.Value : cast ? Functional.Cast(parameter.Value, DType.BFloat16) : parameter.Compute)];
            Tensor[] results = test.Run(context, inputs);
            Tensor total = default;
            for (int i = 0; i < results.Length; i++)
            {
                Tensor term = Dual.Product(results[i], Rounded(Dual.Weights(1 + i, results[i].Shape)));
                total = i == 0 ? term : total + term;
            }
            float[][] outputs = [.. results.Select(static result => result.ToArray())];
            total.Backward();
            Assert.All(module.All, static parameter => Assert.Equal(DType.Float32, parameter.Gradient.DType));
            return (outputs, [.. module.All.Select(static parameter => parameter.Gradient.ToArray())]);
        }
    }

    /// <summary>The contrastive loss takes its scale in float32 always.</summary>
    private static bool Stays(OperationCase test, int input) => test.Name == "Loss.Contrastive" && input == 2;

    private static float[] Rounded(float[] values) => Storage.Round(values, DType.BFloat16);

    private static void Check(string what, float[] actual, float[] expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double largest = expected.Max(static value => Math.Abs((double)value)), worst = 0;
        for (int i = 0; i < actual.Length; i++) worst = Math.Max(worst, Math.Abs(actual[i] - (double)expected[i]));
        Assert.True(worst <= Allowed * largest + 1e-6, $"{what}: off by {worst:E2}, which is {worst * 256 / largest:F2} roundings of the largest, {largest:E2}.");
    }
}
