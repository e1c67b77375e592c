using System.Security.Cryptography;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Augmentation: true to captions, the same with any number of workers, nothing where it is off.</summary>
public sealed class ImageAugmentationTests
{
    private static ImageData Noise(int width, int height)
    {
        RandomStream random = RandomStream.For(5, "noise");
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)random.Below(256);
        return new ImageData(width, height, pixels);
    }

    private static ImageData Apply(ImageAugmentation augmentation, ImageData image, long number = 0, bool mayFlip = true, int size = 32)
    {
        RandomStream random = ImageAugmentation.StreamOf(1, 0, (int)number);
        return augmentation.Apply(image, size, new BicubicResize(), mayFlip, ref random);
    }

    [Theory]
    [InlineData("a cat on the left", true)]
    [InlineData("Left of the box there is a triangle.", true)]
    [InlineData("the RIGHTMOST circle", true)]
    [InlineData("a right-handed player", true)]
    [InlineData("the lefthand door", true)]
    [InlineData("turning counterclockwise", true)]
    [InlineData("on the left-side, upright", true)]
    [InlineData("a bright cleft in the rock", false)]
    [InlineData("an upright piano and leftovers", false)]
    [InlineData("copyright frightens the righteous", false)]
    [InlineData("", false)]
    public void TextsThatNameSidesAreKnown(string text, bool says)
    {
        Assert.Equal(says, SideWords.In(text));
        WordTokenizer tokenizer = WorldWords.CreateTokenizer();
        var document = new Document("s", "1", [new ImageSegment(Noise(2, 2)), new TextSegment("a", LossRole.Context), new TextSegment("circle")]);
        Assert.False(EncodedDocument.Encode(document, tokenizer, 1).SaysSides);
        Assert.True(EncodedDocument.Encode(document with { Segments = [new TextSegment("left of", LossRole.Context), .. document.Segments] }, tokenizer, 1).SaysSides);
    }

    [Fact]
    public void OffIsOffAndSettingsAreChecked()
    {
        ImageData image = Noise(32, 32);
        Assert.False(new ImageAugmentation().IsOn);
        Assert.Same(image, Apply(new ImageAugmentation(), image));
        foreach (ImageAugmentation wrong in (ImageAugmentation[])[
            new() { CropMinimumScale = 0 }, new() { CropMinimumScale = 0.9, CropMaximumScale = 0.8 }, new() { CropMaximumScale = 1.5 }, new() { CropMinimumRatio = -1 },
            new() { CropMinimumRatio = 2, CropMaximumRatio = 1 }, new() { PadCrop = -1 }, new() { HorizontalFlip = 1.1 }, new() { Brightness = double.NaN }, new() { Contrast = -0.1 }, new() { Saturation = 2 }])
            Assert.Throws<ArgumentException>(wrong.Check);
    }

    [Fact]
    public void FlippingMirrorsRowsUnlessTheTextForbids()
    {
        ImageData image = Noise(32, 32);
        var flip = new ImageAugmentation { HorizontalFlip = 1 };
        ImageData flipped = Apply(flip, image);
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) Assert.Equal(image.Pixels.AsSpan(3 * (32 * y + x), 3), flipped.Pixels.AsSpan(3 * (32 * y + 31 - x), 3));
        Assert.Same(image, Apply(flip, image, mayFlip: false));
        int half = Enumerable.Range(0, 1000).Count(number => !ReferenceEquals(image, Apply(new ImageAugmentation { HorizontalFlip = 0.5 }, image, number)));
        Assert.InRange(half, 430, 570);
    }

    [Fact]
    public void MovedImagesRepeatTheirEdges()
    {
        ImageData image = Noise(9, 9);
        var seen = new HashSet<(int, int)>();
        for (int number = 0; number < 500; number++)
        {
            byte[] moved = Apply(new ImageAugmentation { PadCrop = 2 }, image, number, size: 9).Pixels;
            (int, int)? found = null;
            for (int right = -2; right <= 2; right++)
                for (int down = -2; down <= 2; down++)
                    if (moved.AsSpan().SequenceEqual(Shifted(right, down))) found = (right, down);
            Assert.NotNull(found);
            seen.Add(found.Value);
        }
        Assert.Equal(25, seen.Count);

        byte[] Shifted(int right, int down)
        {
            byte[] pixels = new byte[3 * 81];
            for (int y = 0; y < 9; y++)
                for (int x = 0; x < 9; x++)
                    image.Pixels.AsSpan(3 * (9 * Math.Clamp(y + down, 0, 8) + Math.Clamp(x + right, 0, 8)), 3).CopyTo(pixels.AsSpan(3 * (9 * y + x)));
            return pixels;
        }
    }

    [Fact]
    public void CropsKeepWithinTheirBounds()
    {
        // A picture whose red is the column and green the row shows what was cut out of it.
        byte[] pixels = new byte[3 * 200 * 120];
        for (int y = 0; y < 120; y++)
            for (int x = 0; x < 200; x++) (pixels[3 * (200 * y + x)], pixels[3 * (200 * y + x) + 1]) = ((byte)x, (byte)y);
        var image = new ImageData(200, 120, pixels);
        var crop = new ImageAugmentation { CropMinimumScale = 0.25, CropMaximumScale = 0.5, CropMinimumRatio = 0.8, CropMaximumRatio = 1.25 };
        var middles = new HashSet<(int, int)>();
        for (int number = 0; number < 200; number++)
        {
            ImageData part = Apply(crop, image, number, size: 64);
            Assert.Equal((64, 64), (part.Width, part.Height));
            double width = (part.Pixels[3 * 63] - part.Pixels[0]) * 64 / 63.0, height = (part.Pixels[3 * 64 * 63 + 1] - part.Pixels[1]) * 64 / 63.0;
            Assert.InRange(width * height / (200 * 120), 0.22, 0.54);
            Assert.InRange(width / height, 0.74, 1.34);
            middles.Add((part.Pixels[3 * (64 * 32 + 32)] / 20, part.Pixels[3 * (64 * 32 + 32) + 1] / 20));
        }
        Assert.True(middles.Count > 10);
    }

    [Fact]
    public void JitterKeepsItsFactors()
    {
        ImageData image = Noise(40, 30);
        byte[] dark = [.. image.Pixels], grey = [.. image.Pixels], flat = [.. image.Pixels], same = [.. image.Pixels];
        ColorJitter.Apply(same, 1, 1, 1);
        Assert.Equal(image.Pixels, same);
        ColorJitter.Apply(dark, 0.5, 1, 1);
        for (int i = 0; i < dark.Length; i++) Assert.Equal((image.Pixels[i] + 1) / 2, dark[i]);
        ColorJitter.Apply(grey, 1, 1, 0);
        ColorJitter.Apply(flat, 1, 0, 1);
        Assert.Single(flat.Distinct());
        for (int i = 0; i < grey.Length; i += 3)
        {
            Assert.Equal((grey[i], grey[i]), (grey[i + 1], grey[i + 2]));
            Assert.InRange(0.299 * image.Pixels[i] + 0.587 * image.Pixels[i + 1] + 0.114 * image.Pixels[i + 2] - grey[i], -0.51, 0.51);
        }
        byte[] strong = [.. image.Pixels];
        ColorJitter.Apply(strong, 2, 2, 2); // saturates at both ends, without wrapping round
        Assert.Contains((byte)0, strong);
        Assert.Contains((byte)255, strong);
    }

    [Fact]
    public void BatchesAreTheSameWithAnyNumberOfWorkers()
    {
        Document[] documents = [.. Enumerable.Range(0, 12).Select(number => new Document("list", $"{number}", [new ImageSegment(Noise(20 + number, 17)), new TextSegment(number % 2 == 0 ? "a red circle" : "left of a blue circle")]))];
        PackingOptions off = new() { Sequences = 2, Length = 32, ImageTokens = 2, ImageSize = 16, Preparation = new BicubicResize(), ImageElement = ImageElement.UInt8, Workers = 0 };
        PackingOptions on = off with { Augmentation = new ImageAugmentation { CropMinimumScale = 0.7, PadCrop = 1, HorizontalFlip = 0.5, Brightness = 0.2, Contrast = 0.2, Saturation = 0.2 } };
        string[] plain = Digests(off), augmented = Digests(on);
        Assert.Equal(plain, Digests(off with { Augmentation = new ImageAugmentation() }));
        Assert.NotEqual(plain, augmented);
        Assert.Equal(augmented.Length, augmented.Distinct().Count()); // each batch draws anew
        Assert.Equal(augmented, Digests(on with { Workers = 1 }));
        Assert.Equal(augmented, Digests(on with { Workers = 3 }));
        Assert.NotEqual(augmented, Digests(on with { Seed = 2 }));
        // A cursor goes on where it was, and belongs to its augmentation.
        using var first = new BatchLoader([new(new ListDocumentSource("list", documents), 1)], WorldWords.CreateTokenizer(), on);
        for (int i = 0; i < 3; i++) first.Next().Dispose();
        using var resumed = new BatchLoader([new(new ListDocumentSource("list", documents), 1)], WorldWords.CreateTokenizer(), on, first.Cursor);
        using PackedBatch fourth = resumed.Next();
        Assert.Equal(augmented[3], Convert.ToHexString(SHA256.HashData(fourth.ImageBytes.Span)));
        Assert.Throws<ArgumentException>(() => new BatchLoader([new(new ListDocumentSource("list", documents), 1)], WorldWords.CreateTokenizer(), off, first.Cursor));

        string[] Digests(PackingOptions options)
        {
            using var loader = new BatchLoader([new(new ListDocumentSource("list", documents), 1)], WorldWords.CreateTokenizer(), options);
            return [.. Enumerable.Range(0, 8).Select(_ =>
            {
                using PackedBatch batch = loader.Next();
                return Convert.ToHexString(SHA256.HashData(batch.ImageBytes.Span));
            })];
        }
    }
}
