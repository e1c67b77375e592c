using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class ImageTokenPlacementTests
{
    /// <summary>Device, tokens, image tokens, width, whether the placements ascend.</summary>
    public static TheoryData<string, int, int, int, bool> Cases()
    {
        var cases = new TheoryData<string, int, int, int, bool>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach ((int tokens, int image, int width) in new[]
            {
                (0, 3, 4), (5, 0, 4), (4, 2, 0), (1, 1, 1), (30, 9, 17), (500, 144, 300), (70000, 66000, 1),
            })
            {
                // What looks for rows in windows of 32,768 is the CPU's.
                if (tokens > 1000 && TestDevices.Native.Contains(device)) continue;
                cases.Add(device, tokens, image, width, true);
                cases.Add(device, tokens, image, width, false);
            }
        }
        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void ForwardPlacesRows(string deviceName, int tokens, int imageTokens, int width, bool ascending)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] placement = Placement(tokens, imageTokens, ascending);
        float[] text = Samples.Normal(1, tokens * width), image = Samples.Normal(2, imageTokens * width);
        float[] expected = EmbeddingReference.Place(placement, text, image, width);
        foreach (bool inPlace in new[] { false, true })
        {
            using var placementBuffer = DeviceBuffer.From<int>(device, placement, 1, tokens);
            using var textBuffer = DeviceBuffer.From<float>(device, text, tokens, width, width + 2);
            using var imageBuffer = DeviceBuffer.From<float>(device, image, imageTokens, width, width + 1);
            using var output = new DeviceBuffer(device, tokens, width, DType.Float32, width + 3);
            DeviceBuffer target = inPlace ? textBuffer : output;
            var args = new ImageTokenPlacementForwardArgs
            {
                Tokens = tokens,
                ImageTokens = imageTokens,
                Width = width,
                Placement = placementBuffer,
                Text = textBuffer,
                Image = imageBuffer,
                Output = target,
            };
            device.Kernels.ImageTokenPlacementForward(device.Launch(), args);
            Agreement.CheckBitwise("Output", target.Download(), expected);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void BackwardSplitsRows(string deviceName, int tokens, int imageTokens, int width, bool ascending)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] placement = Placement(tokens, imageTokens, ascending);
        float[] gradient = Samples.Normal(3, tokens * width);
        (float[] expectedText, float[] expectedImage) = EmbeddingReference.PlaceBackward(placement, gradient, imageTokens, width);
        foreach (string outputs in new[] { "both", "in place", "text", "image" })
        {
            using var placementBuffer = DeviceBuffer.From<int>(device, placement, 1, tokens);
            using var gradientBuffer = DeviceBuffer.From<float>(device, gradient, tokens, width, width + 2);
            using var text = new DeviceBuffer(device, tokens, width, DType.Float32, width + 3);
            using var image = new DeviceBuffer(device, imageTokens, width, DType.Float32, width + 1);
            DeviceBuffer? textTarget = outputs switch { "image" => null, "in place" => gradientBuffer, _ => text };
            DeviceBuffer? imageTarget = outputs == "text" ? null : image;
            var args = new ImageTokenPlacementBackwardArgs
            {
                Tokens = tokens,
                ImageTokens = imageTokens,
                Width = width,
                Placement = placementBuffer,
                OutputGradient = gradientBuffer,
                TextGradient = textTarget,
                ImageGradient = imageTarget,
            };
            device.Kernels.ImageTokenPlacementBackward(device.Launch(), args);
            if (textTarget is not null) Agreement.CheckBitwise("TextGradient", textTarget.Download(), expectedText);
            if (imageTarget is not null) Agreement.CheckBitwise("ImageGradient", imageTarget.Download(), expectedImage);
        }
    }

    [Fact]
    public void ReferenceGradient()
    {
        int[] placement = [-1, 2, 0, -1, -1];
        const int Width = 2, ImageTokens = 4;
        double[] weights = Samples.As<double>(Samples.Normal(4, placement.Length * Width));
        double[] text = Samples.As<double>(Samples.Normal(5, placement.Length * Width)), image = Samples.As<double>(Samples.Normal(6, ImageTokens * Width));
        (double[] textGradient, double[] imageGradient) = EmbeddingReference.PlaceBackward(placement, weights, ImageTokens, Width);
        double Loss(double[] t, double[] i) => EmbeddingReference.Place(placement, t, i, Width).Zip(weights, (x, w) => x * w).Sum();
        Agreement.CheckFiniteDifferences("TextGradient", t => Loss(t, image), text, textGradient);
        Agreement.CheckFiniteDifferences("ImageGradient", i => Loss(text, i), image, imageGradient);
    }

    [Fact]
    public void BrokenRulesAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var placement = DeviceBuffer.From<int>(device, [-1, 1, 0], 1, 3);
        using var rows = DeviceBuffer.From<float>(device, new float[3 * 4], 3, 4);
        using var other = DeviceBuffer.From<float>(device, new float[3 * 4], 3, 4);
        using var image = DeviceBuffer.From<float>(device, new float[2 * 4], 2, 4);
        Launch launch = device.Launch();
        IKernels kernels = device.Kernels;
        var forward = new ImageTokenPlacementForwardArgs { Tokens = 3, ImageTokens = 2, Width = 4, Placement = placement, Text = rows, Image = image, Output = other };
        var backward = new ImageTokenPlacementBackwardArgs { Tokens = 3, ImageTokens = 2, Width = 4, Placement = placement, OutputGradient = rows, TextGradient = other, ImageGradient = image };
        const string Forward = "ImageTokenPlacementForward: ", Backward = "ImageTokenPlacementBackward: ";
        EmbeddingTests.Expect(Forward + "Tokens is -1", () => kernels.ImageTokenPlacementForward(launch, forward with { Tokens = -1 }));
        EmbeddingTests.Expect(Forward + "ImageTokens is -1", () => kernels.ImageTokenPlacementForward(launch, forward with { ImageTokens = -1 }));
        EmbeddingTests.Expect(Forward + "Width is -1", () => kernels.ImageTokenPlacementForward(launch, forward with { Width = -1 }));
        EmbeddingTests.Expect(Forward + "Placement has dtype Float32", () => kernels.ImageTokenPlacementForward(launch, forward with { Placement = rows }));
        EmbeddingTests.Expect(Forward + "Text is missing", () => kernels.ImageTokenPlacementForward(launch, forward with { Text = default }));
        EmbeddingTests.Expect(Forward + "Image is missing", () => kernels.ImageTokenPlacementForward(launch, forward with { Image = default }));
        EmbeddingTests.Expect(Forward + "Output is missing", () => kernels.ImageTokenPlacementForward(launch, forward with { Output = default }));
        EmbeddingTests.Expect(Backward + "OutputGradient is missing", () => kernels.ImageTokenPlacementBackward(launch, backward with { OutputGradient = default }));
        EmbeddingTests.Expect(Backward + "TextGradient has row stride 3", () => kernels.ImageTokenPlacementBackward(launch, backward with { TextGradient = rows.Operand with { RowStride = 3 } }));
        EmbeddingTests.Expect(Backward + "ImageGradient has dtype Int32", () => kernels.ImageTokenPlacementBackward(launch, backward with { ImageGradient = placement }));
        EmbeddingTests.Expect(Forward + "Placement[1] is 1, outside the 1 rows", () => kernels.ImageTokenPlacementForward(launch, forward with { ImageTokens = 1 }));
        EmbeddingTests.Expect(Backward + "Placement[1] is 1, outside the 1 rows", () => kernels.ImageTokenPlacementBackward(launch, backward with { ImageTokens = 1 }));
    }

    [Theory, InlineData(3, 0, 2), InlineData(70000, 69990, 69999)]
    public void TwoTokensCannotNameOneRow(int tokens, int first, int second)
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        var places = new int[tokens];
        Array.Fill(places, -1);
        places[first] = places[second] = tokens - 1;
        using var placement = DeviceBuffer.From<int>(device, places, 1, tokens);
        using var rows = DeviceBuffer.From<float>(device, new float[tokens], tokens, 1);
        using var image = DeviceBuffer.From<float>(device, new float[tokens], tokens, 1);
        var forward = new ImageTokenPlacementForwardArgs { Tokens = tokens, ImageTokens = tokens, Width = 1, Placement = placement, Text = rows, Image = image, Output = rows };
        var backward = new ImageTokenPlacementBackwardArgs { Tokens = tokens, ImageTokens = tokens, Width = 1, Placement = placement, OutputGradient = rows, ImageGradient = image };
        EmbeddingTests.Expect($"ImageTokenPlacementForward: Placement[{second}] is {tokens - 1}, which an earlier token names too",
            () => device.Kernels.ImageTokenPlacementForward(device.Launch(), forward));
        EmbeddingTests.Expect($"ImageTokenPlacementBackward: Placement[{second}] is {tokens - 1}, which an earlier token names too",
            () => device.Kernels.ImageTokenPlacementBackward(device.Launch(), backward));
    }

    /// <summary>About half of the image rows named, at random tokens.</summary>
    private static int[] Placement(int tokens, int imageTokens, bool ascending)
    {
        var random = new Random(7);
        var placement = new int[tokens];
        Array.Fill(placement, -1);
        int named = Math.Min(tokens, (imageTokens + 1) / 2);
        int[] rows = Enumerable.Range(0, imageTokens).OrderBy(_ => random.Next()).Take(named).ToArray();
        int[] places = Enumerable.Range(0, tokens).OrderBy(_ => random.Next()).Take(named).ToArray();
        if (ascending)
        {
            Array.Sort(rows);
            Array.Sort(places);
        }
        for (int i = 0; i < named; i++) placement[places[i]] = rows[i];
        return placement;
    }
}
