using System.Numerics;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>The contrastive loss, forward and backward, with all options; the text form names it in test output.</summary>
public sealed record ContrastiveLossCase
{
    public int Pairs { get; init; }
    public int Width { get; init; }
    public float LogScale { get; init; } = 2.6592f; // log(1 / 0.07), CLIP's initial value
    public float MaxScale { get; init; } = 100;
    public float LossGradient { get; init; } = float.NaN;
    public float BetaLogScale { get; init; }
    public bool Gradients { get; init; } = true;
    public int Padding { get; init; }

    /// <summary>Unit rows.</summary>
    public float[] Rows(int seed)
    {
        float[] values = Samples.Normal(seed, (long)Pairs * Width);
        for (int row = 0; row < Pairs; row++)
        {
            Span<float> x = values.AsSpan(row * Width, Width);
            double norm = 0;
            foreach (float value in x) norm += (double)value * value;
            for (int i = 0; i < Width; i++) x[i] = (float)(x[i] / Math.Sqrt(norm));
        }
        return values;
    }

    internal Dictionary<string, float[]> Run(Device device)
    {
        using DeviceBuffer image = LossResults.From(device, Rows(1), Pairs, Width, Padding), text = LossResults.From(device, Rows(2), Pairs, Width, 2 * Padding);
        using DeviceBuffer logScale = DeviceBuffer.From<float>(device, [LogScale], 1, 1);
        using DeviceBuffer loss = new(device, 1, 1), rows = new(device, 1, Pairs), columns = new(device, 1, Pairs);
        var forward = new ContrastiveLossForwardArgs
        {
            Pairs = Pairs,
            Width = Width,
            Image = image,
            Text = text,
            LogScale = logScale,
            Loss = loss,
            LogSumExpRows = rows,
            LogSumExpColumns = columns,
            MaxScale = MaxScale,
        };
        long bytes = device.Kernels.ContrastiveLossForwardWorkspaceBytes(forward);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        device.Kernels.ContrastiveLossForward(new Launch(0, workspace.Address, bytes), forward);
        workspace.CheckGuards();

        using DeviceBuffer? imageGradient = Gradients ? new DeviceBuffer(device, Pairs, Width, DType.Float32, Width + Padding) : null;
        using DeviceBuffer? textGradient = Gradients ? new DeviceBuffer(device, Pairs, Width, DType.Float32, Width + 3 * Padding) : null;
        using var scaleGradient = new DeviceBuffer(device, 1, 1);
        if (BetaLogScale != 0) scaleGradient.Upload<float>([3]);
        using DeviceBuffer? lossGradient = float.IsNaN(LossGradient) ? null : DeviceBuffer.From<float>(device, [LossGradient], 1, 1);
        var backward = new ContrastiveLossBackwardArgs
        {
            Pairs = Pairs,
            Width = Width,
            Image = image,
            Text = text,
            LogScale = logScale,
            LogSumExpRows = rows,
            LogSumExpColumns = columns,
            LossGradient = lossGradient,
            ImageGradient = imageGradient,
            TextGradient = textGradient,
            LogScaleGradient = scaleGradient,
            MaxScale = MaxScale,
            BetaLogScale = BetaLogScale,
        };
        bytes = device.Kernels.ContrastiveLossBackwardWorkspaceBytes(backward);
        using DeviceBuffer backwardWorkspace = LossResults.Workspace(device, bytes);
        device.Kernels.ContrastiveLossBackward(new Launch(0, backwardWorkspace.Address, bytes), backward);
        backwardWorkspace.CheckGuards();
        image.CheckGuards();
        text.CheckGuards();
        var results = new Dictionary<string, float[]>
        {
            ["loss"] = loss.Download(),
            ["row log-sum-exp"] = rows.Download(),
            ["column log-sum-exp"] = columns.Download(),
            ["log scale gradient"] = scaleGradient.Download(),
        };
        if (imageGradient is not null) results["image gradient"] = imageGradient.Download();
        if (textGradient is not null) results["text gradient"] = textGradient.Download();
        return results;
    }

    public void Check(Device device) => LossResults.Check(this, Run(device), Reference<double>(), Reference<float>());

    private Dictionary<string, T[]> Reference<T>() where T : IFloatingPointIeee754<T>
    {
        T[] image = Samples.As<T>(Rows(1)), text = Samples.As<T>(Rows(2));
        T logScale = T.CreateChecked(LogScale), maxScale = T.CreateChecked(MaxScale);
        (T loss, T[] rows, T[] columns) = LossReference<T>.Contrastive(image, text, Pairs, Width, logScale, maxScale);
        (T[] imageGradient, T[] textGradient, T scaleGradient) = LossReference<T>.ContrastiveGradient(
            image, text, Pairs, Width, logScale, maxScale, T.CreateChecked(float.IsNaN(LossGradient) ? 1 : LossGradient));
        var results = new Dictionary<string, T[]>
        {
            ["loss"] = [loss],
            ["row log-sum-exp"] = rows,
            ["column log-sum-exp"] = columns,
            ["log scale gradient"] = [scaleGradient + T.CreateChecked(3 * BetaLogScale)],
        };
        if (!Gradients) return results;
        results["image gradient"] = imageGradient;
        results["text gradient"] = textGradient;
        return results;
    }
}

public sealed class ContrastiveLossTests
{
    public static IEnumerable<TheoryDataRow<string, ContrastiveLossCase>> Cases()
    {
        ContrastiveLossCase[] cases =
        [
            .. from pairs in new[] { 1, 2, 15, 16, 17, 33, 100 }
               select new ContrastiveLossCase { Pairs = pairs, Width = 20, Padding = pairs % 3, LossGradient = pairs == 33 ? float.NaN : 1.7f },
            new() { Pairs = 0, Width = 8 },
            new() { Pairs = 5, Width = 0 },
            new() { Pairs = 300, Width = 16 },
            new() { Pairs = 530, Width = 7, Padding = 1 },
            new() { Pairs = 40, Width = 24, LogScale = 5, BetaLogScale = 0.5f },
            new() { Pairs = 40, Width = 24, LogScale = 3, MaxScale = 10 },
            new() { Pairs = 40, Width = 24, LogScale = 4.6f, BetaLogScale = 1, Gradients = false },
        ];
        return from device in TestDevices.WithNative from @case in cases select new TheoryDataRow<string, ContrastiveLossCase>(device, @case);
    }

    [Theory, MemberData(nameof(Cases))]
    public void AgreesWithTheReference(string deviceName, ContrastiveLossCase @case)
    {
        using Device device = TestDevices.Open(deviceName);
        @case.Check(device);
    }

    [Fact]
    public void TheReferencesGradientsAreTheDerivatives()
    {
        const int Pairs = 5, Width = 4;
        var @case = new ContrastiveLossCase { Pairs = Pairs, Width = Width };
        double[] image = Samples.As<double>(@case.Rows(1)), text = Samples.As<double>(@case.Rows(2)), logScale = [1.2];
        double Loss() => 1.5 * LossReference<double>.Contrastive(image, text, Pairs, Width, logScale[0], 100).Loss;
        (double[] imageGradient, double[] textGradient, double scaleGradient) = LossReference<double>.ContrastiveGradient(image, text, Pairs, Width, logScale[0], 100, 1.5);
        Agreement.CheckFiniteDifferences("image", _ => Loss(), image, imageGradient);
        Agreement.CheckFiniteDifferences("text", _ => Loss(), text, textGradient);
        Agreement.CheckFiniteDifferences("scale", _ => Loss(), logScale, [scaleGradient]);
        Assert.Equal(0, LossReference<double>.ContrastiveGradient(image, text, Pairs, Width, 1.2, 3, 1).LogScale);
    }

    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void ThreadsAndRepetitionsGiveTheSameBits(string first, string second)
    {
        using Device one = TestDevices.Open(first), two = TestDevices.Open(second);
        var @case = new ContrastiveLossCase { Pairs = 450, Width = 32 };
        Dictionary<string, float[]> expected = @case.Run(one);
        LossResults.CheckBitwise("repeated", @case.Run(one), expected);
        LossResults.CheckBitwise("threads", @case.Run(two), expected);
        LossResults.CheckBitwise("padded", (@case with { Padding = 3 }).Run(two), expected);
    }

    [Fact]
    public void BrokenArgumentsAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var six = new DeviceBuffer(device, 3, 2);
        using DeviceBuffer wrong = new(device, 3, 2, DType.Int32), workspace = LossResults.Workspace(device, 100000);
        var forward = new ContrastiveLossForwardArgs { Pairs = 3, Width = 2, Image = six, Text = six, LogScale = six, Loss = six, LogSumExpRows = six, LogSumExpColumns = six };
        Expect(forward with { Pairs = -1 }, "Pairs is -1");
        Expect(forward with { Width = -1 }, "Width is -1");
        Expect(forward with { Image = default }, "Image is missing");
        Expect(forward with { Text = wrong }, "Text has dtype Int32");
        Expect(forward with { LogScale = default }, "LogScale is missing");
        Expect(forward with { Loss = default }, "Loss is missing");
        Expect(forward with { LogSumExpRows = default }, "LogSumExpRows is missing");
        Expect(forward with { LogSumExpColumns = default }, "LogSumExpColumns is missing");
        Expect(forward with { MaxScale = 0 }, "MaxScale is 0; it must be positive.");
        Assert.Contains("the workspace has 0 bytes", CrossEntropyTests.Fails(() => device.Kernels.ContrastiveLossForward(default, forward)), StringComparison.Ordinal);
        var backward = new ContrastiveLossBackwardArgs { Pairs = 3, Width = 2, Image = six, Text = six, LogScale = six, LogSumExpRows = six, LogSumExpColumns = six };
        ExpectBackward(backward with { LossGradient = wrong }, "LossGradient has dtype Int32");
        ExpectBackward(backward with { ImageGradient = six.Operand with { RowStride = 1 } }, "ImageGradient has row stride 1");
        ExpectBackward(backward with { TextGradient = wrong }, "TextGradient has dtype Int32");
        ExpectBackward(backward with { LogScaleGradient = wrong }, "LogScaleGradient has dtype Int32");
        ExpectBackward(backward with { MaxScale = float.NaN }, "MaxScale is NaN");

        void Expect(ContrastiveLossForwardArgs args, string message) => Assert.Contains(message, CrossEntropyTests.Fails(
            () => device.Kernels.ContrastiveLossForward(new Launch(0, workspace.Address, 100000), args)), StringComparison.Ordinal);
        void ExpectBackward(ContrastiveLossBackwardArgs args, string message) => Assert.Contains(message, CrossEntropyTests.Fails(
            () => device.Kernels.ContrastiveLossBackward(new Launch(0, workspace.Address, 100000), args)), StringComparison.Ordinal);
    }
}
