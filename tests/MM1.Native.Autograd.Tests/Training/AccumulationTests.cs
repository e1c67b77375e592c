using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class AccumulationTests
{
    [Theory, InlineData("cpu/1"), InlineData("cpu/2")]
    public void FourMicroBatchesAreOneBatchOfFour(string deviceName)
    {
        var config = new TinyConfig();
        using Device device = TestDevices.Open(deviceName);
        using var model = new TinyDecoder(config, device, seed: 3);
        (int[] tokens, int[] targets) = CopyTask.Batch(config, 5, 4);
        // Sequences with different numbers of targets: the mean of four means would be wrong.
        for (int i = 0; i < 7; i++) targets[config.Sequence + 8 + i] = Loss.IgnoreIndex;
        int counted = targets.Count(target => target != Loss.IgnoreIndex);
        float wholeLoss, splitLoss = 0;
        float[][] whole;
        using (device.BeginStep())
        {
            Tensor loss = Of(model, tokens, targets);
            loss.Backward();
            wholeLoss = loss.Item();
            whole = Take(model);
        }
        using (device.BeginStep(lossDenominator: counted))
        {
            for (int b = 0; b < 4; b++)
            {
                using (device.BeginMicroBatch())
                {
                    Range range = (b * config.Sequence)..((b + 1) * config.Sequence);
                    Tensor loss = Of(model, tokens[range], targets[range]);
                    loss.Backward();
                    splitLoss += loss.Item();
                }
            }
        }
        Assert.Equal(wholeLoss, splitLoss, wholeLoss * 1e-6f);
        // The activations and their gradients are the same bits; only the sums over the n tokens run in another order. Two
        // orders of a sum of n terms differ by at most 2 n epsilon times the sum of the terms' sizes, which for terms of
        // random sign is about sqrt(n) times the result; roundings are as random, which takes another sqrt(n) away.
        int n = tokens.Length;
        float[][] split = Take(model);
        for (int i = 0; i < whole.Length; i++) Close.Check(model.Parameters().Names[i], split[i], whole[i], 2 * n);
        Assert.Contains(whole.Zip(split), pair => !pair.First.AsSpan().SequenceEqual(pair.Second));
    }

    [Theory, MemberData(nameof(TestDevices.EngineRows), "cpu/1", MemberType = typeof(TestDevices))]
    public void AnEvaluationInsideAStepLeavesTheLossDenominatorAlone(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        float[] logits = Samples.Normal(1, 12);
        float own, divided, after;
        using (device.BeginStep()) own = Of();
        using (device.BeginStep(lossDenominator: 12))
        {
            divided = Of();
            using (device.BeginInference()) Assert.Equal(own, Of());
            using (device.BeginStep(lossDenominator: 3)) Assert.Equal(own, Of());
            after = Of();
        }
        using (device.BeginStep()) Assert.Equal(own, Of());
        Assert.Equal(own * 3 / 12, divided, 1e-6f);
        Assert.Equal(divided, after);

        float Of() => Loss.CrossEntropy(Tensor.From(logits, [3, 4]), Tensor.From([0, 1, 2], [3])).Item();
    }

    private static Tensor Of(TinyDecoder model, int[] tokens, int[] targets) =>
        Loss.CrossEntropy(model.Forward(Tensor.From(tokens, [tokens.Length])), Tensor.From(targets, [targets.Length]));

    private static float[][] Take(TinyDecoder model) => [.. model.Parameters().Select(parameter =>
    {
        float[] gradient = parameter.Gradient.ToArray();
        parameter.ZeroGradient();
        return gradient;
    })];
}
