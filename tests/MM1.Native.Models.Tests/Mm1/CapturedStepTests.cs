using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>A step of the whole model, recorded once and replayed, is the step that runs operation by operation: to the bit, whatever changes from step to step.</summary>
public sealed class CapturedStepTests
{
    private const int Tokens = 40, Documents = 4, Images = 2, ImageSize = 16, Steps = 20, Skipped = 11;

    private static Mm1Config Config { get; } = new()
    {
        Vision = new VisionConfig { ImageSize = ImageSize, PatchSize = 4, Width = 16, Heads = 2, Layers = 1, Hidden = 32 },
        Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 4, Hidden = 16, Depth = 1, ReadoutDepth = 1 },
        Decoder = new DecoderConfig { Layers = 1, Width = 32, Heads = 2, Hidden = 48, Vocabulary = 50, MaxPositions = 64 },
    };

    public static IEnumerable<TheoryDataRow<string, Precision>> Cases() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, Precision>("", Precision.Auto) { Skip = TestDevices.NativeMissing }]
        : TestDevices.Native.SelectMany(static device => new[] { Precision.Float32, Precision.BFloat16 }, static (device, precision) => new TheoryDataRow<string, Precision>(device, precision));

    [Theory, MemberData(nameof(Cases))]
    public void TwentyReplayedStepsHaveTheBitsOfOrdinaryOnes(string deviceName, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        (float[] eager, float[] eagerLosses) = Train(device, precision, captured: false);
        (float[] replayed, float[] losses) = Train(device, precision, captured: true);
        Agreement.CheckBitwise("losses", losses, eagerLosses);
        Agreement.CheckBitwise("parameters", replayed, eager);
        Assert.True(losses[^1] < losses[0], $"The loss went from {losses[0]} to {losses[^1]}.");
    }

    [Fact]
    public void TheCpuRecordsNothing()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Mm1Model model = new(Config);
        model.Build(device, 1);
        using var optimizer = new AdamW(model.Parameters());
        using Arena session = device.BeginSession();
        var refused = Assert.Throws<ArgumentException>(() => new CapturedStep(optimizer, () => []));
        Assert.StartsWith("Device cpu records no work; steps are captured on cuda:N and cuda-emulated.", refused.Message, StringComparison.Ordinal);
    }

    private static (float[] Parameters, float[] Losses) Train(Device device, Precision precision, bool captured)
    {
        using Mm1Model model = new(Config);
        model.Build(device, 7, precision.Shadow(device));
        using var optimizer = new AdamW(model.Parameters(), new AdamWOptions { MaxGradientNorm = 1, WeightDecay = 0.1f });
        using Arena session = device.BeginSession();
        Mm1Batch inputs = Mm1Batch.From(new int[Tokens], new int[Tokens], new int[Tokens], new int[Tokens], new int[Documents + 1], Tokens, new float[Images * ImageSize * ImageSize * 3], ImageSize);
        using CapturedStep? step = captured ? new CapturedStep(optimizer, () => [Loss()]) : null;
        var losses = new List<float>();
        for (int i = 0; i < Steps; i++)
        {
            int targets = Write(inputs, i);
            optimizer.LearningRate = 3e-3f * (i + 1) / Steps;
            optimizer.SkipAboveGradientNorm = i == Skipped ? 1e-6f : 0;
            bool updated;
            if (step is not null)
            {
                updated = step.Run(targets);
                losses.Add(step.Outputs[0].Item());
                Assert.Equal(i >= 2, step.IsRecorded);
            }
            else
            {
                using (device.BeginStep(targets)) losses.Add(Loss().Item());
                updated = optimizer.Step();
            }
            Assert.Equal(i != Skipped, updated);
            // Other work between the steps, which wants more memory each time, must not disturb what was recorded.
            using (device.BeginInference()) Functional.MatMul(Tensor.Full([64 * (i + 1), 8], 1), Tensor.Full([8, 8], 1)).ToArray();
        }
        Assert.Equal((Steps - 1, 1), (optimizer.Steps, optimizer.SkippedSteps));
        return ([.. model.Parameters().SelectMany(static parameter => parameter.ToArray())], [.. losses]);

        Tensor Loss()
        {
            Tensor loss = model.Loss(inputs, zLossWeight: 1e-4f).Keep();
            loss.Backward();
            return loss;
        }
    }

    /// <summary>Step <paramref name="step"/>: 1 to 4 documents of other lengths each time, none or one or two of them with an image; returns the targets.</summary>
    private static int Write(Mm1Batch inputs, int step)
    {
        int[] ids = new int[Tokens], positions = new int[Tokens], targets = new int[Tokens], placement = new int[Tokens], cuSeqlens = new int[Documents + 1];
        Array.Fill(targets, Autograd.Loss.IgnoreIndex);
        Array.Fill(placement, -1);
        int documents = 1 + step % Documents, images = step % (Images + 1), at = 0, count = 0;
        for (int document = 0; document < Documents; document++)
        {
            int length = document < documents ? Math.Min(Tokens / documents - (step + document) % 3, Tokens - at) : 0;
            for (int i = 0; i < length; i++)
            {
                positions[at + i] = i;
                ids[at + i] = (7 * i + document + 3 * step) % 50;
                bool image = document < images && i is >= 1 and < 5;
                if (image) placement[at + i] = document * 4 + i - 1;
                if (image || i + 1 == length) continue;
                targets[at + i] = (7 * (i + 1) + document + 3 * step) % 50;
                count++;
            }
            at += length;
            cuSeqlens[document + 1] = at;
        }
        float[] pixels = Samples.Normal(step, Images * ImageSize * ImageSize * 3);
        pixels.AsSpan(images * ImageSize * ImageSize * 3).Clear();
        inputs.TokenIds.Write<int>(ids);
        inputs.Positions.Write<int>(positions);
        inputs.Targets!.Value.Write<int>(targets);
        inputs.Placement!.Value.Write<int>(placement);
        inputs.Layout.CuSeqlensQuery!.Value.Write<int>(cuSeqlens);
        inputs.Images!.Value.Write<float>(pixels);
        return count;
    }
}
