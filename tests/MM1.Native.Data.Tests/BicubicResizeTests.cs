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
    [InlineData(1, 1, 7, 5, "22a79bb77f0d53f5132a0b6259b47af5c191e8c40632db65aade9cb79ad96219")]
    [InlineData(1, 64, 1, 3, "53259418804e1fa432727c142194c0f6a18bb7d098ea2766b6ece8ba786414a6")]
    [InlineData(64, 1, 3, 1, "53259418804e1fa432727c142194c0f6a18bb7d098ea2766b6ece8ba786414a6")]
    [InlineData(2, 2, 3, 3, "0ab880cf6ffee316e7c4e544f5256d90f51fcd84682cf667cd86b7077191506a")]
    [InlineData(3, 2, 1, 1, "25a4a898085d4f4445bec75601a3ad6c3c1bef10fcce13de37cb4cc0c395937f")]
    [InlineData(5, 7, 5, 3, "bf782996b5269a0032f409bfa6b059bebcf3b21f573331d6ef8734ba448e76fe")]
    [InlineData(5, 7, 9, 7, "a04cb267727e8816d2197df3e245c0d4223008ecd153206d23707d9e3c6d9f64")]
    [InlineData(7, 5, 64, 63, "66ca9d6009b26b452be7c2d9bd2917a76f9993028f5f925106ee74e70824345b")]
    [InlineData(16, 16, 15, 17, "ca233f1c2ead54dd657e9db607762f3538377425053b4fbd6e1c05c4dab1659a")]
    [InlineData(17, 19, 16, 16, "87b2acd11a2646aeb23cfcc6ee19347e09dd281acd19161811336f5056103e2b")]
    [InlineData(31, 33, 32, 32, "73c3f3b46da3770858f252bce0a7e92d167a9c0a5f66428b074a6edfc9dfa5f0")]
    [InlineData(33, 31, 336, 1, "c02659737fc6ef2291aaff646a414da054edc42f3706a9b4dc24851cf652066e")]
    [InlineData(63, 65, 20, 21, "d6f1845bb417bfffea87351ac6e081bb9c0e53be318cfb73ae602b90d262d61b")]
    [InlineData(100, 99, 99, 100, "2da607f680bc01b73b741becddf812e4f6d392471002f56ebe6fe85292b55ae5")]
    [InlineData(127, 40, 11, 77, "bee348b0e1ab05a6dc76132ac7af9e295b108b44c15fac31cd739b084371804d")]
    [InlineData(130, 131, 64, 32, "d4ece218cd1403b4231148dcece9c9970a0321c5e5d6a6873dd78346caaa654c")]
    [InlineData(255, 3, 8, 64, "aaa78dd239c745e3f03c72e1e2de0e039b3b0b05556678077be042168a85b5ba")]
    [InlineData(256, 256, 255, 257, "45c5bd27f805dfe8bf9929c68c291547cffe3de3bce12ed47acbf2dd681a4fc5")]
    [InlineData(400, 100, 224, 224, "60a93a6148cfce8f2d3c1af4b59da3ea0dea34c6f4c96afb447ac9111fa16642")]
    [InlineData(451, 300, 336, 336, "7471e116c164d40c5082d98bf511a124b85fe3843e41447a8b79a910f2e9b34b")]
    [InlineData(1000, 10, 3, 9, "19f547f820f6ea9f484660fa0083ad904c8c80273ae214f714b04a67574b2349")]
    [InlineData(1024, 768, 336, 336, "66c075862545ce7de528266c86be369b57c9eeb37242768515e08297b6945898")]
    [InlineData(1500, 41, 37, 40, "878a3ec897ba8a447a0147aec402ba0659a25d23578d3c0d32a4106ee9f4e862")]
    [InlineData(640, 480, 378, 378, "848d328100ea61c251ee2b41940b6d2c4234f9e283ed592232d6b61f7b72ea89")]
    [InlineData(64, 48, 48, 48, "bcd2b70b97cd4614675ef822f7ab0d97feda3e5c0bb7712a98270ee91a8c486f")]
    [InlineData(301, 200, 48, 48, "c071c7e1d0348baedb367b9351c205d34c82c55f2aef60a46340d0b2016f3e3b")]
    [InlineData(37, 53, 378, 336, "0403b1ee1344851abe33afe7177c9344554f2522f75a6d36df03ddf8da8c1f9d")]
    [InlineData(500, 333, 336, 224, "8c8c5259fe327df367c070628d3672580756be9c4f1f40cd9d2b5d931e092062")]
    [InlineData(1, 9, 5, 1, "dc65af2c9975fda657b5aee059369ac564dc5ab091735e7dab8c09435dad7eab")]
    [InlineData(640, 480, 14, 448, "176bbcbf1d0f7b28f180fa5186740bf21505c5d5889ff37ef648cfa5b4416187")]
    public void EveryByteIsThatOfPillow(int width, int height, int newWidth, int newHeight, string sha256) =>
        Assert.Equal(sha256, Sha256(BicubicResize.Resize(Formula(width, height), newWidth, newHeight))); // Pillow 9.4.0

    private static string Sha256(ImageData image) => Convert.ToHexStringLower(SHA256.HashData(image.Pixels));

    /// <summary>Every width of vectors, and none, gives the same bytes; parts of an image too.</summary>
    [Fact]
    public void EveryPathGivesTheSameBytes()
    {
        RandomStream random = RandomStream.For(7, "sizes");
        try
        {
            for (int i = 0; i < 150; i++)
            {
                ImageData image = Noise(1 + random.Below(90), 1 + random.Below(60), (ulong)i);
                int left = random.Below(image.Width), top = random.Below(image.Height);
                var part = new PixelRectangle(left, top, 1 + random.Below(image.Width - left), 1 + random.Below(image.Height - top));
                int width = 1 + random.Below(80), height = 1 + random.Below(80);
                int x = random.Below(width), y = random.Below(height);
                var window = new PixelRectangle(x, y, 1 + random.Below(width - x), 1 + random.Below(height - y));
                BicubicPasses.VectorBits = 0;
                ImageData expected = BicubicResize.Resize(image.Crop(part), width, height);
                foreach (int bits in (int[])[0, 128, 256, 512])
                {
                    BicubicPasses.VectorBits = bits;
                    Assert.Equal(expected.Pixels, BicubicResize.Resize(image, part, width, height).Pixels);
                    Assert.Equal(expected.Crop(window).Pixels, BicubicResize.Resample(image, part, width, height, window).Pixels);
                }
            }
        }
        finally
        {
            BicubicPasses.VectorBits = 512;
        }
    }

    [Theory] // Pillow 9.4.0: crop(box).resize(...)
    [InlineData(90, 70, 11, 7, 61, 48, 32, "51f80776b3eb6acd3ecada019c0d50f67b801f7adbd7b99ef9e69ab643b362ad")]
    [InlineData(33, 40, 1, 0, 33, 40, 32, "fcf64eefc4192064ae91a6aea8c6596caf16b7a38320200bf31f1b6c10d20fa4")]
    [InlineData(200, 50, 150, 20, 200, 50, 48, "65f3d1d19e4b08da0b3755da6c65c3bcd97d257d1ea0eb4a70c0105434c8185f")]
    [InlineData(40, 40, 3, 5, 35, 37, 32, "99639446a7c456471524e6ca57b6249a94e4204346fc7f3d5b1b58a3fdf733cf")]
    public void PartsAreThoseOfPillow(int width, int height, int left, int top, int right, int bottom, int size, string sha256) =>
        Assert.Equal(sha256, Sha256(BicubicResize.Resize(Formula(width, height), new PixelRectangle(left, top, right - left, bottom - top), size, size)));

    [Theory] // Pillow 9.4.0 with torchvision's Resize(n) and CenterCrop(n)
    [InlineData(451, 300, 224, "f92fe1ef3e5a98c7cbc766797eb94faf35899b4f4f624e7207d219e2a1206763")]
    [InlineData(57, 100, 48, "fb655d3bb637e4b655a4f4768876ad07d58300adf1876282adf288501e53bffb")]
    [InlineData(100, 57, 33, "32b3e762e0528d9b769cbfc2158b27dd1f6a7f651335e21905e519d08b123111")]
    [InlineData(33, 100, 48, "b89a8d638e0423e50300b4ab2821269ae1d11b18d32bfeb73a9034639807b745")]
    [InlineData(336, 337, 336, "58d9183fc680f0093a6076a526432a96e5e66961bc22f41c3856ee5c7ad67996")]
    [InlineData(5, 3, 2, "757f8ccae159876585f439f249b694c4565b1f8994887c5ee75b7179de4acee0")]
    public void TheMiddleIsThatOfTorchvision(int width, int height, int size, string sha256) =>
        Assert.Equal(sha256, Sha256(new BicubicResize(ImageResizeMode.CropCenter).Prepare(Formula(width, height), size)));

    [Theory] // Pillow 9.4.0: paste on a square of (122, 116, 104), CLIP's mean, and resize, as LLaVA does
    [InlineData(451, 300, 224, "1adb9eedd2875b1fef40465ab0409075ad9d83bdde6d37353c39bc83b3f45c59")]
    [InlineData(57, 100, 48, "20878cf0918206c7765a257fbb9733c16a885132ecba1f831510df7238fc1acb")]
    [InlineData(7, 4, 5, "6dd4f5b96ae3d3f87404494039872845d8c09ee2a99d2f04643a4a1e006c95b4")]
    public void PaddedImagesAreThoseOfPillow(int width, int height, int size, string sha256) =>
        Assert.Equal(sha256, Sha256(new BicubicResize(ImageResizeMode.PadSquare, ImageNormalization.ClipMean).Prepare(Formula(width, height), size)));

    [Fact]
    public void OverviewAndTilesAreThoseOfPillow()
    {
        // Pillow 9.4.0: resize to 48 x 48, and crops of a resize to 96 x 96, row by row.
        string[] expected = ["c4ba5ade2636a286f4030f1c45e3f0daa8d0951206b4f6930f1e2f0edc052ac4",
            "96cdd06bb7ab1b173c1b0ddc36e93654f3035a4ec705dfe4e885a6afd2579aae", "f6d98c0cff00c85e10a8b503545fdda3046456ea4498fcafd9a183d3b767966a",
            "9b1e803e081ad5d5aa9f883d70a55dcda124c6a9cb5bd14c875181f44d35c7fc", "335b321709e7999045e84d9cbc08d2eb393ba99bede97a5c9a532902d36c7faa"];
        ImageData image = Formula(150, 131);
        Assert.Equal(expected, SubImages.Decompose(image, 48).Select(Sha256));
        Assert.Equal([.. expected[1..], expected[0]], SubImages.Decompose(image, 48, overviewFirst: false).Select(Sha256));
        string[] row = ["b2426c95b1c810900441ad23394e9053aa24872c90cc3944aa96a52935434542", "f8adc581745d1fe269249cac9f55b954f0c80948d30f5810b9b46bef166e8034", "637df4239c5a212e6c3904a5046ca0ba1c61a199b9edd1a629b38e9e4349a1d3"];
        Assert.Equal([expected[0], .. row], SubImages.Decompose(image, 48, columns: 3, rows: 1).Select(Sha256));
        var padding = new BicubicResize(ImageResizeMode.PadSquare, ImageNormalization.ClipMean);
        ImageData whole = padding.Prepare(image, 96);
        Assert.Equal(whole.Crop(new PixelRectangle(48, 48, 48, 48)).Pixels, SubImages.Decompose(image, 48, preparation: padding)[4].Pixels);
        Assert.Throws<ArgumentException>(() => SubImages.Decompose(image, 48, 3, 1, preparation: padding));
        Assert.Throws<ArgumentOutOfRangeException>(() => SubImages.Decompose(image, 48, 0));
    }

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
