using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class CopyTaskTests
{
    [Fact]
    public void ADecoderLearnsToCopyWithoutAMistake()
    {
        var config = new TinyConfig(Width: 64, Hidden: 128);
        using Device device = TestDevices.Open("cpu/2");
        using var model = new TinyDecoder(config, device, seed: 1);
        using var adamw = new AdamW(model.Parameters(), new AdamWOptions { LearningRate = 3e-3f, WeightDecay = 0.01f, MaxGradientNorm = 1 });
        int right = 0, asked = 0;
        for (int step = 1; step <= 1500; step++)
        {
            (int[] tokens, int[] targets) = CopyTask.Batch(config, step, 32);
            using (device.BeginStep())
            {
                Tensor logits = model.Forward(Tensor.From(tokens, [tokens.Length]));
                Loss.CrossEntropy(logits, Tensor.From(targets, [targets.Length])).Backward();
                Assert.True(adamw.Step());
            }
            if (step % 50 != 0) continue;
            (right, asked) = Evaluate(model, device, config);
            if (right == asked) break;
        }
        Assert.Equal(asked, right);
        Assert.Equal(64 * 8, asked);
    }

    [Theory, InlineData(DType.None), InlineData(DType.BFloat16)]
    public void LossesAreTheSameBitsOnOneAndTwoThreadsAndAgain(DType shadow)
    {
        float[] one = Losses("cpu/1", seed: 7, shadow), two = Losses("cpu/2", seed: 7, shadow), again = Losses("cpu/2", seed: 7, shadow);
        Agreement.CheckBitwise("losses on two threads", two, one);
        Agreement.CheckBitwise("losses of a second run", again, two);
        Assert.True(one[^1] < one[0]);
        Assert.NotEqual(one[0], Losses("cpu/2", seed: 8, shadow)[0]);
    }

    private static float[] Losses(string deviceName, ulong seed, DType shadow)
    {
        var config = new TinyConfig();
        using Device device = TestDevices.Open(deviceName);
        using var model = new TinyDecoder(config, device, seed, shadow);
        using var adamw = new AdamW(model.Parameters(), new AdamWOptions { LearningRate = 3e-3f, MaxGradientNorm = 1, WeightDecay = 0.1f });
        var losses = new float[20];
        for (int step = 0; step < losses.Length; step++)
        {
            (int[] tokens, int[] targets) = CopyTask.Batch(config, step, 16);
            using (device.BeginStep())
            {
                Tensor loss = Loss.CrossEntropy(model.Forward(Tensor.From(tokens, [tokens.Length])), Tensor.From(targets, [targets.Length]), zLossWeight: 1e-4f);
                loss.Backward();
                losses[step] = loss.Item();
                adamw.Step();
            }
        }
        return losses;
    }

    private static (int Right, int Asked) Evaluate(TinyDecoder model, Device device, TinyConfig config)
    {
        (int[] tokens, int[] targets) = CopyTask.Batch(config, -1, 64);
        using (device.BeginInference())
        {
            int[] best = Functional.ArgMax(model.Forward(Tensor.From(tokens, [tokens.Length]))).ToArray<int>();
            int right = 0, asked = 0;
            for (int i = 0; i < targets.Length; i++)
            {
                if (targets[i] == Loss.IgnoreIndex) continue;
                asked++;
                if (best[i] == targets[i]) right++;
            }
            return (right, asked);
        }
    }
}
