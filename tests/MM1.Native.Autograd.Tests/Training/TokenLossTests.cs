using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class TokenLossTests
{
    private const int Rows = 23, Width = 9, Vocabulary = 31;

    public static TheoryData<string, bool> Cases()
    {
        var cases = new TheoryData<string, bool>();
        foreach (string device in TestDevices.Names)
        {
            cases.Add(device, true);
            cases.Add(device, false);
        }
        return cases;
    }

    /// <summary>Each target's own cross-entropy, beside a loss and gradients that do not notice.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void TokenLossesStandBesideTheLoss(string deviceName, bool linear)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] targets = Samples.Integers(1, Rows, Vocabulary);
        for (int i = 2; i < Rows; i += 5) targets[i] = Loss.IgnoreIndex;
        (float plain, float[][] plainGradients, _) = Run(withTokenLosses: false);
        (float loss, float[][] gradients, float[] tokenLosses) = Run(withTokenLosses: true);
        Agreement.CheckBitwise("loss", [loss], [plain]);
        for (int i = 0; i < gradients.Length; i++) Agreement.CheckBitwise($"gradient {i}", gradients[i], plainGradients[i]);

        double sum = 0;
        for (int token = 0; token < Rows; token++)
        {
            double expected = targets[token] == Loss.IgnoreIndex ? 0 : CrossEntropy(token);
            Assert.Equal(expected, tokenLosses[token], 1e-5);
            Assert.Equal(targets[token] == Loss.IgnoreIndex, tokenLosses[token] == 0);
            sum += expected;
        }
        Assert.True(loss * targets.Count(target => target != Loss.IgnoreIndex) > sum + 1, "The loss holds the z-loss, the token losses do not.");

        (float, float[][], float[]) Run(bool withTokenLosses)
        {
            using (device.BeginStep())
            {
                Tensor x = Tensor.From(X, [1, Rows, Width], requiresGradient: true), weight = Tensor.From(Weight, [Vocabulary, Width], requiresGradient: true);
                Tensor labels = Tensor.From(targets, [1, Rows]), tokenLosses = default;
                Tensor loss = (linear, withTokenLosses) switch
                {
                    (true, true) => Loss.LinearCrossEntropy(x, weight, labels, out tokenLosses, zLossWeight: 0.125f),
                    (true, false) => Loss.LinearCrossEntropy(x, weight, labels, zLossWeight: 0.125f),
                    (false, true) => Loss.CrossEntropy(Functional.Linear(x, weight), labels, out tokenLosses, zLossWeight: 0.125f),
                    _ => Loss.CrossEntropy(Functional.Linear(x, weight), labels, zLossWeight: 0.125f),
                };
                float value = loss.Item();
                loss.Backward();
                if (withTokenLosses) Assert.Equal([1, Rows], tokenLosses.Shape);
                return (value, [x.Gradient!.Value.ToArray(), weight.Gradient!.Value.ToArray()], withTokenLosses ? tokenLosses.ToArray() : []);
            }
        }

        double CrossEntropy(int token)
        {
            double[] logits = [.. Enumerable.Range(0, Vocabulary).Select(row => Enumerable.Range(0, Width).Sum(i => (double)X[token * Width + i] * Weight[row * Width + i]))];
            return Math.Log(logits.Sum(Math.Exp)) - logits[targets[token]];
        }
    }

    private static readonly float[] X = Samples.Normal(2, Rows * Width), Weight = Samples.Normal(3, Vocabulary * Width);
}
