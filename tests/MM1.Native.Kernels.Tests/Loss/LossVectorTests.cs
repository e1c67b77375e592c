using System.Text.Json;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>The losses on operator vectors of the ONNX standard and on gradients that PyTorch gave.</summary>
public sealed class LossVectorTests
{
    private const string Gradients = "tensors/gradients/autodiff_small.json";

    /// <summary>
    /// All of ONNX's softmax cross-entropy: classes on axis 1 of any rank, ignored targets, log-probabilities (logits - log-sum-exp) and
    /// reductions. Class weights are the test's own: the contract has none, so it weighs the losses of the tokens.
    /// </summary>
    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void SoftmaxCrossEntropyGivesOnnxsNumbers(string _, string deviceName)
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("softmax_cross_entropy_loss");
        if (cases is null) Assert.Skip(TestData.Missing(OnnxCases.PathOf("softmax_cross_entropy_loss")));
        using Device device = TestDevices.Open(deviceName);
        foreach (OnnxCase vector in cases)
        {
            (CrossEntropyCase @case, float[] logits, int[] targets, double[] weights) = Arrange(vector);
            bool mean = vector.Text("reduction", "mean") == "mean", none = vector.Text("reduction", "mean") == "none";
            Dictionary<string, float[]> results = (@case with { Denominator = mean ? 0 : 1 }).Run(device, logits, targets);
            double[] losses = [.. results["token losses"].Select((loss, t) => loss * weights[t])];
            double sum = losses.Sum();
            double[] expected = vector.Output(0)!.Values;
            if (none) AssertClose(vector, expected, losses);
            else AssertClose(vector, expected, [mean ? sum / weights.Sum() : sum]);
            if (!none && vector.Input(2) is null) AssertClose(vector, expected, [results["loss"][0]]);
            if (vector.Output(1) is not { } logProbabilities) continue;
            float[] classLast = ClassesLast(logProbabilities);
            for (int t = 0; t < targets.Length; t++)
            {
                if (targets[t] == @case.IgnoreIndex) continue; // no log-sum-exp is made for a token that does not count
                for (int c = 0; c < @case.Vocabulary; c++)
                    Assert.Equal(classLast[t * @case.Vocabulary + c], logits[t * @case.Vocabulary + c] - results["log-sum-exp"][t], 1e-5f);
            }
        }
    }

    /// <summary>-input[target] is the cross-entropy less the log-sum-exp.</summary>
    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void NegativeLogLikelihoodGivesOnnxsNumbers(string _, string deviceName)
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("nllloss");
        if (cases is null) Assert.Skip(TestData.Missing(OnnxCases.PathOf("nllloss")));
        using Device device = TestDevices.Open(deviceName);
        foreach (OnnxCase vector in cases)
        {
            (CrossEntropyCase @case, float[] logits, int[] targets, double[] weights) = Arrange(vector);
            Dictionary<string, float[]> results = @case.Run(device, logits, targets);
            double[] losses = [.. results["token losses"].Select((loss, t) => (loss - results["log-sum-exp"][t]) * weights[t])];
            AssertClose(vector, vector.Output(0)!.Values, vector.Text("reduction", "mean") switch
            {
                "none" => losses,
                "sum" => [losses.Sum()],
                _ => [losses.Sum() / weights.Sum()],
            });
        }
    }

    /// <summary>
    /// Sums of log-probabilities are sums of cross-entropies, one for each class as the target: gradients accumulate over calls (Beta)
    /// with the class's share as LossGradient.
    /// </summary>
    [Theory, InlineData("cross_entropy_soft_targets"), InlineData("log_softmax")]
    public void SoftTargetsGivePyTorchsGradients(string name)
    {
        string? path = TestData.TryPath(Gradients);
        if (path is null) Assert.Skip(TestData.Missing(Gradients));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        JsonElement vector = document.RootElement.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name);
        float[][] a = Matrix(vector, "A"), b = Matrix(vector, "B"), gradientA = Matrix(vector, "grad_A"), gradientB = Matrix(vector, "grad_B");
        bool soft = name == "cross_entropy_soft_targets";
        // Soft targets: mean over two rows of -T log p, as the file says. Else: sum of log p times B, so log p of class j weighs the sum of B's row j.
        float Share(int row, int c) => soft ? new[] { 0.8f, 0.2f, 0.9f, 0.1f }[row * 2 + c] / 2 : -b[c].Sum();

        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        using DeviceBuffer weight = DeviceBuffer.From<float>(device, [b[0][0], b[1][0], b[0][1], b[1][1]], 2, 2); // [class, width] is B^T
        using var weightGradient = new DeviceBuffer(device, 2, 2);
        using DeviceBuffer state = LossResults.Upload(device, new StepState { LossDenominator = 1 });
        var logProbabilitySums = new double[2];
        // The log-sum-exp lies in float32: half a unit in its last place changes every softmax by that fraction. Listed figures have errors up to 6e-5.
        double largestB = b.Max(row => row.Max()), weightTolerance = 6e-5;
        for (int row = 0; row < 2; row++)
        {
            using DeviceBuffer x = DeviceBuffer.From<float>(device, a[row], 1, 2);
            using var inputGradient = new DeviceBuffer(device, 1, 2);
            double roundoff = 0;
            for (int c = 0; c < 2; c++)
            {
                using DeviceBuffer target = DeviceBuffer.From<int>(device, [c], 1, 1), share = DeviceBuffer.From<float>(device, [Share(row, c)], 1, 1);
                using DeviceBuffer loss = new(device, 1, 1), logSumExp = new(device, 1, 1);
                var forward = new LinearCrossEntropyForwardArgs
                {
                    Tokens = 1,
                    Width = 2,
                    Vocabulary = 2,
                    X = x,
                    Weight = weight,
                    Targets = target,
                    Loss = loss,
                    LogSumExp = logSumExp,
                    StepState = state.Address,
                };
                long bytes = device.Kernels.LinearCrossEntropyForwardWorkspaceBytes(forward);
                using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
                device.Kernels.LinearCrossEntropyForward(new Launch(0, workspace.Address, bytes), forward);
                logProbabilitySums[c] -= loss.Download()[0];
                float stored = logSumExp.Download()[0];
                roundoff += Math.Abs(Share(row, c)) * (MathF.BitIncrement(stored) - stored) / 2;
                var backward = new LinearCrossEntropyBackwardArgs
                {
                    Tokens = 1,
                    Width = 2,
                    Vocabulary = 2,
                    X = x,
                    Weight = weight,
                    Targets = target,
                    LogSumExp = logSumExp,
                    LossGradient = share,
                    InputGradient = inputGradient,
                    WeightGradient = weightGradient,
                    StepState = state.Address,
                    BetaInput = c,
                    BetaWeight = row + c == 0 ? 0 : 1,
                };
                bytes = device.Kernels.LinearCrossEntropyBackwardWorkspaceBytes(backward);
                using DeviceBuffer backwardWorkspace = LossResults.Workspace(device, bytes);
                device.Kernels.LinearCrossEntropyBackward(new Launch(0, backwardWorkspace.Address, bytes), backward);
            }
            for (int i = 0; i < 2; i++) Assert.Equal(gradientA[row][i], inputGradient.Download()[i], 6e-5 + 1.1 * roundoff * largestB); // 10 % for all other roundings
            weightTolerance += 1.1 * roundoff * a[row].Max();
        }
        float[] gradient = weightGradient.Download();
        for (int i = 0; i < 2; i++)
        {
            for (int c = 0; c < 2; c++)
            {
                // B also stands outside of the logarithm in log_softmax's loss: B[c, i] meets the summed log-probabilities of class c.
                double direct = soft ? 0 : logProbabilitySums[i];
                Assert.Equal(gradientB[i][c], gradient[c * 2 + i] + direct, weightTolerance);
            }
        }
    }

    private static (CrossEntropyCase Case, float[] Logits, int[] Targets, double[] Weights) Arrange(OnnxCase vector)
    {
        OnnxTensor input = vector.Input(0)!;
        int[] targets = vector.Input(1)!.Integers();
        int ignoreIndex = (int)vector.Integer("ignore_index", -100);
        double[]? classWeights = vector.Input(2)?.Values;
        double[] weights = [.. targets.Select(target => target == ignoreIndex ? 0 : classWeights?[target] ?? 1)];
        var @case = new CrossEntropyCase { Tokens = targets.Length, Vocabulary = (int)input.Shape[1], IgnoreIndex = ignoreIndex };
        return (@case, ClassesLast(input), targets, weights);
    }

    /// <summary>[N, C, d...] as [N d..., C].</summary>
    private static float[] ClassesLast(OnnxTensor tensor)
    {
        float[] values = tensor.Floats();
        int outer = (int)tensor.Shape[0], classes = (int)tensor.Shape[1], inner = (int)tensor.Extent(2, tensor.Shape.Length);
        var result = new float[values.Length];
        for (int n = 0; n < outer; n++)
        {
            for (int c = 0; c < classes; c++)
            {
                for (int d = 0; d < inner; d++) result[(n * inner + d) * classes + c] = values[(n * classes + c) * inner + d];
            }
        }
        return result;
    }

    private static void AssertClose(OnnxCase vector, double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 2e-6 * Math.Max(1, Math.Abs(expected[i])), $"{vector}[{i}]: {actual[i]}, ONNX has {expected[i]}.");
    }

    private static float[][] Matrix(JsonElement vector, string name) =>
        [.. vector.GetProperty(name).EnumerateArray().Select(row => row.EnumerateArray().Select(x => x.GetSingle()).ToArray())];
}
