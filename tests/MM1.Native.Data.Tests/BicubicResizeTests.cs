using System.Security.Cryptography;
using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class BicubicResizeTests
{
    private const int One = 1 << 22;

    private static ImageData Noise(int width, int height, ulong seed)
    {
        RandomStream random = RandomStream.For(seed, "noise");
        var pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)random.Below(256);
        return new ImageData(width, height, pixels);
    }

    [Fact]
    public void WeightsOfEveryPixelAddUpToOne()
    {
        for (int inputs = 1; inputs < 70; inputs += 3)
        {
            foreach (int outputs in (int[])[1, 2, 7, 48, 64, 100])
            {
                var coefficients = new BicubicCoefficients(inputs, outputs, 0, outputs);
                for (int x = 0; x < outputs; x++)
                {
                    ReadOnlySpan<int> weights = coefficients.Of(x, out int first);
                    int sum = 0;
                    foreach (int weight in weights) sum += weight;
                    Assert.InRange(first, 0, inputs - 1);
                    Assert.InRange(first + weights.Length, 1, inputs);
                    // Each weight is rounded to the nearest of 2^-22.
                    Assert.InRange(sum - One, -(weights.Length + 1) / 2, (weights.Length + 1) / 2);
                }
            }
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(48, 48)]
    [InlineData(31, 17)]
    public void TheSameSizeIsTheSameImage(int width, int height)
    {
        ImageData image = Noise(width, height, 1);
        Assert.Equal(image.Pixels, BicubicResize.Resize(image, width, height).Pixels);
        if (width == height) Assert.Same(image, new BicubicResize().Prepare(image, width));
    }

    [Theory]
    [InlineData(48, 48, 20, 20)]
    [InlineData(33, 57, 48, 48)]
    [InlineData(300, 5, 11, 64)]
    [InlineData(1, 1, 9, 3)]
    public void OneColourStaysThatColour(int width, int height, int newWidth, int newHeight)
    {
        var pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)(i % 3 == 0 ? 255 : i % 3 == 1 ? 0 : 137);
        ImageData resized = BicubicResize.Resize(new ImageData(width, height, pixels), newWidth, newHeight);
        Assert.Equal((newWidth, newHeight), (resized.Width, resized.Height));
        for (int i = 0; i < resized.Pixels.Length; i++) Assert.Equal(i % 3 == 0 ? 255 : i % 3 == 1 ? 0 : 137, resized.Pixels[i]);
    }

    /// <summary>Bytes by a formula that the Python side of the golden values shares.</summary>
    private static ImageData Formula(int width, int height) =>
        new(width, height, [.. Enumerable.Range(0, 3 * width * height).Select(static n => { ulong i = (ulong)n; return (byte)((i * i * 31 + i * 7 + (i >> 3) * 113) >> 2); })]);

    [Fact]
    public void SmallImagesAreThoseOfPillow()
    {
        // Pillow 9.4.0: Image.frombytes("RGB", (5, 4), ...).resize((3, 3), Image.BICUBIC).tobytes()
        byte[] expected = [16, 49, 85, 93, 101, 121, 165, 67, 153, 101, 102, 118, 197, 47, 146, 156, 119, 207, 135, 208, 194, 185, 170, 71, 105, 90, 96];
        Assert.Equal(expected, BicubicResize.Resize(Formula(5, 4), 3, 3).Pixels);
    }

    [Theory]
    [InlineData(64, 48, 48, 48, "bcd2b70b97cd4614675ef822f7ab0d97feda3e5c0bb7712a98270ee91a8c486f")]
    [InlineData(301, 200, 48, 48, "c071c7e1d0348baedb367b9351c205d34c82c55f2aef60a46340d0b2016f3e3b")]
    [InlineData(37, 53, 378, 336, "0403b1ee1344851abe33afe7177c9344554f2522f75a6d36df03ddf8da8c1f9d")]
    [InlineData(500, 333, 336, 224, "8c8c5259fe327df367c070628d3672580756be9c4f1f40cd9d2b5d931e092062")]
    [InlineData(1, 9, 5, 1, "dc65af2c9975fda657b5aee059369ac564dc5ab091735e7dab8c09435dad7eab")]
    [InlineData(640, 480, 14, 448, "176bbcbf1d0f7b28f180fa5186740bf21505c5d5889ff37ef648cfa5b4416187")]
    public void EveryByteIsThatOfPillow(int width, int height, int newWidth, int newHeight, string sha256) =>
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(BicubicResize.Resize(Formula(width, height), newWidth, newHeight).Pixels))); // Pillow 9.4.0

    [Theory]
    [InlineData(64, 48, 48, 48)]
    [InlineData(100, 37, 24, 24)]
    [InlineData(13, 11, 48, 32)]
    [InlineData(200, 150, 7, 3)]
    [InlineData(2, 3, 17, 19)]
    public void EveryByteIsTheRoundedFloat64Reference(int width, int height, int newWidth, int newHeight)
    {
        ImageData image = Noise(width, height, (ulong)(width * height));
        double[] horizontal = Pass(image.Pixels.Select(value => (double)value).ToArray(), image.Height, width, newWidth, rows: true);
        double[] expected = Pass(horizontal, newWidth, height, newHeight, rows: false);
        byte[] actual = BicubicResize.Resize(image, newWidth, newHeight).Pixels;
        int ties = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            if (actual[i] == (byte)expected[i]) continue;
            // Weights of 22 bits move a sum by at most count * 255 * 2^-23 before the second rounding.
            ties++;
            Assert.InRange(Math.Abs(actual[i] - expected[i]), 0, 1);
        }
        Assert.True(ties * 200 <= actual.Length, $"{ties} of {actual.Length} bytes differ");
    }

    /// <summary>One pass in float64 with rounding to bytes at its end, [height, width, 3]: the definition, pixel by pixel.</summary>
    private static double[] Pass(double[] pixels, int others, int inputs, int outputs, bool rows)
    {
        var result = new double[3 * others * outputs];
        double scale = (double)inputs / outputs, wider = Math.Max(scale, 1);
        for (int other = 0; other < others; other++)
        {
            for (int to = 0; to < outputs; to++)
            {
                double center = (to + 0.5) * scale;
                for (int channel = 0; channel < 3; channel++)
                {
                    double sum = 0, weights = 0;
                    for (int from = 0; from < inputs; from++)
                    {
                        double weight = Cubic((from + 0.5 - center) / wider);
                        sum += weight * pixels[3 * (rows ? other * inputs + from : from * others + other) + channel];
                        weights += weight;
                    }
                    result[3 * (rows ? other * outputs + to : to * others + other) + channel] = Math.Clamp(Math.Floor(sum / weights + 0.5), 0, 255);
                }
            }
        }
        return result;
    }

    /// <summary>The cubic convolution kernel with a = -1/2, expanded.</summary>
    private static double Cubic(double x)
    {
        x = Math.Abs(x);
        return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
    }

    [Fact]
    public void ModesOfPreparation()
    {
        ImageData wide = Noise(96, 48, 3);
        byte[] middle = new BicubicResize(ImageResizeMode.CropCenter).Prepare(wide, 48).Pixels;
        for (int y = 0; y < 48; y++) Assert.Equal(wide.Pixels[(3 * (96 * y + 24))..(3 * (96 * y + 72))], middle[(3 * 48 * y)..(3 * 48 * (y + 1))]);
        Assert.Equal(BicubicResize.Resize(wide, 48, 48).Pixels, new BicubicResize().Prepare(wide, 48).Pixels);
        ImageData padded = new BicubicResize(ImageResizeMode.PadSquare, [1f, 0.5f, 0f]).Prepare(wide, 96);
        Assert.Equal([255, 127, 0], padded.Pixels[..3]);
        Assert.Equal(wide.Pixels[..(3 * 96)], padded.Pixels[(3 * 96 * 24)..(3 * 96 * 25)]);
        Assert.Equal([255, 127, 0], padded.Pixels[^3..]);
        ImageData tall = Noise(33, 100, 4);
        ImageData cut = new BicubicResize(ImageResizeMode.CropCenter).Prepare(tall, 48);
        ImageData covering = BicubicResize.Resize(tall, 48, 145);
        Assert.Equal(covering.Pixels[(3 * 48 * 48)..(3 * 48 * 96)], cut.Pixels);
        Assert.Throws<ArgumentException>(() => new BicubicResize(ImageResizeMode.PadSquare, [2f, 0, 0]));
    }
}
