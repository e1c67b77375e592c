using System.Buffers.Binary;
using System.Security.Cryptography;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Decoding on small files of the tests' own: exact pixels, limits, damage.</summary>
public sealed class ImageCodecTests
{
    public static TheoryData<string> Names => [.. SmallImages.All.Select(static image => image.Name)];

    private static string Sha256(byte[] pixels) => Convert.ToHexStringLower(SHA256.HashData(pixels));

    private static BadImageException Bad(byte[] file, ImageDecodeOptions? options = null) => Assert.Throws<BadImageException>(() => ImageCodec.Decode(file, options));

    [Theory, MemberData(nameof(Names))]
    public void PixelsAreThoseOfPillow(string name)
    {
        SmallImage small = SmallImages.Get(name);
        ImageData image = ImageCodec.Decode(small.File);
        Assert.Equal((small.Width, small.Height), (image.Width, image.Height));
        Assert.Equal(small.Sha256, Sha256(image.Pixels));
        ImageHeader header = ImageCodec.ReadHeader(small.File);
        Assert.Equal((23, 14), (header.Width, header.Height));
        Assert.StartsWith(header.Format.ToString(), name, StringComparison.Ordinal);
        Assert.Equal(name == "JpegRotated" ? 6 : name == "WebPTransposed" ? 5 : 1, header.Orientation);
        Assert.Equal(small.OnBackground.Length > 0, header.HasAlpha);
    }

    [Theory, MemberData(nameof(Names))]
    public void AlphaIsLaidOverTheBackgroundAsPillowPastes(string name)
    {
        SmallImage small = SmallImages.Get(name);
        ImageData image = ImageCodec.Decode(small.File, new ImageDecodeOptions { Background = new RgbColor(255, 128, 7) });
        Assert.Equal(small.OnBackground.Length > 0 ? small.OnBackground : small.Sha256, Sha256(image.Pixels));
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5), InlineData(6), InlineData(7), InlineData(8)]
    public void EveryOrientationStandsUpright(int orientation)
    {
        byte[] file = [.. SmallImages.Get("JpegRotated").File];
        int tag = file.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x01, 0x12, 0, 3, 0, 0, 0, 1]);
        file[tag + 9] = (byte)orientation;
        ImageData stored = ImageCodec.Decode(file, new ImageDecodeOptions { Orientation = false }), upright = ImageCodec.Decode(file);
        Assert.Equal(orientation > 4 ? (14, 23) : (23, 14), (upright.Width, upright.Height));
        for (int y = 0; y < 14; y++)
        {
            for (int x = 0; x < 23; x++)
            {
                // EXIF 2.32, table of orientation: where row 0 and column 0 of the file stand.
                (int toX, int toY) = orientation switch { 1 => (x, y), 2 => (22 - x, y), 3 => (22 - x, 13 - y), 4 => (x, 13 - y), 5 => (y, x), 6 => (13 - y, x), 7 => (13 - y, 22 - x), _ => (y, 22 - x) };
                Assert.Equal(stored.Pixels.AsSpan(3 * (y * 23 + x), 3), upright.Pixels.AsSpan(3 * (toY * upright.Width + toX), 3));
            }
        }
        file[tag + 9] = 9; // no orientation: as it is stored
        Assert.Equal(stored.Pixels, ImageCodec.Decode(file).Pixels);
    }

    [Theory, MemberData(nameof(Names))]
    public void EveryCutIsSeen(string name)
    {
        byte[] file = SmallImages.Get(name).File, whole = ImageCodec.Decode(file).Pixels;
        bool gif = name.StartsWith("Gif", StringComparison.Ordinal);
        for (int length = 1; length < file.Length; length++)
        {
            try
            {
                // A GIF whose first frame is all there is whole.
                Assert.Equal(whole, ImageCodec.Decode(file.AsSpan(0, length)).Pixels);
                Assert.True(gif, $"{name} cut to {length} of {file.Length} bytes is accepted");
            }
            catch (BadImageException bad)
            {
                Assert.True(bad.Cause == BadImageException.Truncated || (length < 12 && bad.Cause == BadImageException.NotAnImage), $"{length} bytes of {name}: {bad.Cause}: {bad.Message}");
            }
        }
    }

    [Theory, InlineData("JpegBaseline"), InlineData("JpegProgressive"), InlineData("PngRgb"), InlineData("Gif")]
    public void TruncatedFilesGiveWhatIsThereWhenAllowed(string name)
    {
        SmallImage small = SmallImages.Get(name);
        byte[] cut = small.File[..(small.File.Length - 24)];
        Assert.Equal(BadImageException.Truncated, Bad(cut).Cause);
        ImageData image = ImageCodec.Decode(cut, new ImageDecodeOptions { AllowTruncated = true });
        Assert.Equal((small.Width, small.Height), (image.Width, image.Height));
        Assert.Equal(image.Pixels, ImageCodec.Decode(cut, new ImageDecodeOptions { AllowTruncated = true }).Pixels);
    }

    [Fact]
    public void ZerosAtTheEndOfAFileThatWasCutAreNoEnd()
    {
        byte[] file = [.. SmallImages.Get("JpegBaseline").File];
        file.AsSpan(file.Length - 30).Clear();
        Assert.Equal(BadImageException.Truncated, Bad(file).Cause);
    }

    [Fact]
    public void LimitsAreCheckedBeforeDecoding()
    {
        byte[] file = SmallImages.Get("PngRgb").File;
        BadImageException large = Bad(file, new ImageDecodeOptions { MaximumPixels = 321 });
        Assert.Equal((BadImageException.TooLarge, "the image has 23 x 14 pixels, and 321 are allowed"), (large.Cause, large.Message));
        ImageCodec.Decode(file, new ImageDecodeOptions { MaximumPixels = 322, MaximumBytes = file.Length });
        Assert.Equal(BadImageException.TooLarge, Bad(file, new ImageDecodeOptions { MaximumBytes = file.Length - 1 }).Cause);
        Assert.Throws<ArgumentException>(() => ImageCodec.Decode(file, new ImageDecodeOptions { MaximumPixels = 0 }));
        Assert.Throws<ArgumentException>(() => ImageCodec.Decode(file, new ImageDecodeOptions { MaximumBytes = -1 }));
    }

    /// <summary>A PNG header that promises 60000 x 60000 pixels, and a JPEG one of 65500 x 65500: nothing of that size may be allocated.</summary>
    [Fact]
    public void BombsAreRefusedWithoutMemory()
    {
        byte[] png = [.. SmallImages.Get("PngRgb").File];
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), 60000);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), 60000);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), Crc(png.AsSpan(12, 17)));
        byte[] jpeg = [.. SmallImages.Get("JpegBaseline").File];
        int frame = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 5), 65500);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 7), 65500);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (byte[] bomb in (byte[][])[png, jpeg])
        {
            BadImageException bad = Bad(bomb);
            Assert.True(bad.Cause == BadImageException.TooLarge, bad.Message);
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);

        static uint Crc(ReadOnlySpan<byte> bytes)
        {
            uint crc = uint.MaxValue;
            foreach (byte value in bytes)
            {
                crc ^= value;
                for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
            }
            return ~crc;
        }
    }

    /// <summary>Each scan of a progressive file goes over the whole image.</summary>
    [Fact]
    public void AJpegOfTooManyScansIsRefused()
    {
        byte[] file = SmallImages.Get("JpegProgressive").File;
        int last = file.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]);
        byte[] many = [.. file[..last], .. Enumerable.Repeat(file[last..^2], 101).SelectMany(static scan => scan), 0xFF, 0xD9];
        BadImageException bad = Bad(many);
        Assert.Equal(BadImageException.TooLarge, bad.Cause);
        Assert.Contains("scans", bad.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "not an image", "empty")]
    [InlineData("no image at all", "not an image", "6E6F20696D616765")]
    [InlineData("<!DOCTYPE html><html>", "not an image", "web page")]
    [InlineData("II*\0........", "unsupported", "TIFF")]
    [InlineData("P6\n2 2\n255\n............", "unsupported", "PNM")]
    [InlineData("BM..........................", "unsupported", "BMP")]
    [InlineData("....ftypavif....", "unsupported", "AVIF")]
    [InlineData("%PDF-1.7", "unsupported", "PDF")]
    [InlineData("GIF89a", "truncated", "GIF")]
    [InlineData("RIFF", "truncated", "WebP")]
    public void OtherFilesAreNamed(string content, string cause, string says)
    {
        BadImageException bad = Bad([.. content.Select(static letter => (byte)letter)]);
        Assert.Equal(cause, bad.Cause);
        Assert.Contains(says, bad.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DamageIsCorrupt()
    {
        byte[] png = [.. SmallImages.Get("PngRgb").File];
        int data = png.AsSpan().IndexOf("IDAT"u8);
        png.AsSpan(data + 12, 40).Fill(0xAA);
        Assert.Equal(BadImageException.Corrupt, Bad(png).Cause);
        byte[] header = [.. SmallImages.Get("PngRgb").File];
        header[9] = 77;
        Assert.Contains("no chunk at byte 8", Bad(header).Message, StringComparison.Ordinal);
        byte[] twelve = [.. SmallImages.Get("JpegBaseline").File];
        twelve[twelve.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]) + 4] = 12;
        Assert.Equal((BadImageException.Unsupported, "a JPEG of 12 bits a sample is not read; convert it to a baseline JPEG or a PNG"), (Bad(twelve).Cause, Bad(twelve).Message));
    }

    [Fact]
    public void FilesAreNamedInMessages()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        BadImageException missing = Assert.Throws<BadImageException>(() => ImageCodec.DecodeFile(path));
        Assert.Equal((BadImageException.Missing, $"{path}: there is no such image file"), (missing.Cause, missing.Message));
        byte[] file = SmallImages.Get("PngRgb").File;
        File.WriteAllBytes(path, file);
        try
        {
            Assert.Equal(ImageCodec.Decode(file).Pixels, ImageCodec.DecodeFile(path).Pixels);
            Assert.StartsWith(path, Assert.Throws<BadImageException>(() => ImageCodec.DecodeFile(path, new ImageDecodeOptions { MaximumBytes = 3 })).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
        BadImageException named = Assert.Throws<BadImageException>(() => new EncodedImage(file.AsMemory(0, 50), "shard-1.tar: 0007.png").Load());
        Assert.Equal(BadImageException.Truncated, named.Cause);
        Assert.StartsWith("shard-1.tar: 0007.png: the PNG file is truncated", named.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LargeImagesWaitForMemory()
    {
        var memory = new ImageMemory(100L << 20);
        long pixels = 6 << 20; // 60 MiB each: two do not go at once
        int inside = 0, most = 0;
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 5; i++)
            {
                using ImageMemory.Hold outer = memory.Begin();
                Assert.Null(memory.Take(pixels)); // kept until the image is small
                Assert.Null(memory.Take(pixels)); // a second image of the same thread never waits: it would wait for itself
                int now = Interlocked.Increment(ref inside);
                InterlockedMax(ref most, now);
                Thread.Sleep(1);
                Interlocked.Decrement(ref inside);
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(30)));
        Assert.Equal(1, most);
        Assert.Equal(2 * pixels * ImageMemory.BytesPerPixel, memory.PeakBytes);
        Assert.Null(memory.Take(ImageMemory.LargePixels - 1));
        using (memory.Take(1L << 30)) { } // alone, whatever its size

        static void InterlockedMax(ref int target, int value)
        {
            int seen;
            while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen) { }
        }
    }

    [Fact]
    public void MutatedFilesGiveAnImageOrABadImage() => Fuzz(2000, 1);

    [Fact, Trait("Tier", "nightly")]
    public void ManyMutatedFilesGiveAnImageOrABadImage() => Fuzz(100_000, 2);

    private static void Fuzz(int count, ulong seed)
    {
        var options = new ImageDecodeOptions { MaximumPixels = 1 << 20 };
        var causes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        string[] known = [BadImageException.NotAnImage, BadImageException.Truncated, BadImageException.Corrupt, BadImageException.TooLarge, BadImageException.Unsupported];
        foreach (SmallImage small in SmallImages.All)
        {
            foreach (byte[] file in Mutations.Of(small.File, count / SmallImages.All.Length + 1, seed))
            {
                string cause = "none";
                try
                {
                    ImageData image = ImageCodec.Decode(file, options);
                    Assert.InRange((long)image.Width * image.Height, 1, options.MaximumPixels);
                }
                catch (BadImageException bad)
                {
                    cause = bad.Cause;
                    Assert.Contains(cause, known);
                }
                causes[cause] = causes.GetValueOrDefault(cause) + 1;
            }
        }
        Assert.True(causes.Keys.Count >= 5, string.Join(", ", causes));
    }
}
