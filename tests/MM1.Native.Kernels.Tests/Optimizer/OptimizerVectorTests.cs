using System.Text.Json;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>AdamW on numbers that others computed.</summary>
public sealed class OptimizerVectorTests
{
    private const string TwoSteps = "tensors/gradients/adamw_two_steps.json";

    /// <summary>A linear layer, loss = sum of its outputs, two steps of PyTorch's AdamW (the file's numbers carry errors up to 5.2e-7).</summary>
    [Fact]
    public void TwoStepsGivePyTorchsParameters()
    {
        string? path = TestData.TryPath(TwoSteps);
        if (path is null) Assert.Skip(TestData.Missing(TwoSteps));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        JsonElement vector = document.RootElement;
        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        float decay = vector.GetProperty("weight_decay").GetSingle();
        using var tensors = new OptimizerTensors(device, [new(6, 6) { WeightDecay = decay }, new(6, 1) { WeightDecay = decay }], zeroState: true);
        tensors.UploadMaster(0, Flat(vector.GetProperty("W")));
        tensors.UploadMaster(1, Flat(vector.GetProperty("b")));
        var args = new AdamWArgs
        {
            Beta1 = vector.GetProperty("beta1").GetSingle(),
            Beta2 = vector.GetProperty("beta2").GetSingle(),
            Epsilon = vector.GetProperty("eps").GetSingle(),
        };
        for (int step = 1; step <= 2; step++)
        {
            float[] x = Flat(vector.GetProperty($"x_{step}"));
            tensors.UploadGradient(0, [.. Enumerable.Range(0, 36).Select(i => x[i % 6] + x[6 + i % 6])]);
            tensors.UploadGradient(1, [2, 2, 2, 2, 2, 2]);
            AdamWTests.Run(device, tensors, args, new StepState { Step = step, LearningRate = vector.GetProperty("lr").GetSingle(), ClipFactor = 1 });
        }
        AssertClose(Flat(vector.GetProperty("W_expected")), tensors.Master(0), 8e-7);
        AssertClose(Flat(vector.GetProperty("b_expected")), tensors.Master(1), 8e-7);
    }

    /// <summary>
    /// ONNX's Adam at step T = 0 corrects no bias and adds its L2 term to the gradient; ours meets it where the step is so late that the
    /// corrections are 1, on a gradient that carries the term.
    /// </summary>
    [Fact]
    public void AdamGivesOnnxsNumbers()
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("adam");
        if (cases is null) Assert.Skip(TestData.Missing(OnnxCases.PathOf("adam")));
        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        foreach (OnnxCase vector in cases)
        {
            Assert.Equal(0, vector.Input(1)!.Values[0]);
            Assert.Equal(0, vector.Number("norm_coefficient_post", 0));
            double penalty = vector.Number("norm_coefficient", 0);
            int count = (vector.NodeInputs.Count - 2) / 4;
            for (int t = 0; t < count; t++)
            {
                float[] x = vector.Input(2 + t)!.Floats(), gradient = vector.Input(2 + count + t)!.Floats();
                float[] first = vector.Input(2 + 2 * count + t)!.Floats(), second = vector.Input(2 + 3 * count + t)!.Floats();
                using var tensors = new OptimizerTensors(device, [new(x.Length, 1)], zeroState: true);
                tensors.UploadMaster(0, x);
                tensors.UploadGradient(0, [.. gradient.Zip(x, (g, p) => (float)(g + penalty * p))]);
                tensors.UploadMoments(0, first, second);
                var args = new AdamWArgs
                {
                    Beta1 = (float)vector.Number("alpha", 0.9),
                    Beta2 = (float)vector.Number("beta", 0.999),
                    Epsilon = (float)vector.Number("epsilon", 1e-6),
                };
                AdamWTests.Run(device, tensors, args, new StepState { Step = 1_000_000, LearningRate = vector.Input(0)!.Floats()[0], ClipFactor = 1 });
                Dictionary<string, float[]> results = tensors.Download();
                AssertClose(vector.Output(t)!.Floats(), results["master 0"], 1e-6);
                AssertClose(vector.Output(count + t)!.Floats(), results["first moment 0"], 1e-6);
                AssertClose(vector.Output(2 * count + t)!.Floats(), results["second moment 0"], 1e-6);
            }
        }
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), $"[{i}]: {actual[i]:R}, expected {expected[i]:R}.");
    }

    private static float[] Flat(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? [.. element.EnumerateArray().SelectMany(Flat)] : [element.GetSingle()];
}
