using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Every image of the shared test data: headers, reference decodes, upright scenes, damage.</summary>
public sealed class ImageCorpusTests
{
    private static readonly ImageDecodeOptions Stored = new() { Orientation = false };

    private static string Folder()
    {
        string? folder = TestData.TryPath("images");
        Assert.SkipWhen(folder is null, TestData.Missing("images"));
        return folder;
    }

    private static ImageData Decode(string file, ImageDecodeOptions? options = null) => ImageCodec.DecodeFile(file, options);

    private static (int Largest, double Mean) Difference(ImageData one, ImageData other)
    {
        Assert.Equal((one.Width, one.Height), (other.Width, other.Height));
        int largest = 0;
        long sum = 0;
        for (int i = 0; i < one.Pixels.Length; i++)
        {
            int difference = Math.Abs(one.Pixels[i] - other.Pixels[i]);
            largest = Math.Max(largest, difference);
            sum += difference;
        }
        return (largest, (double)sum / one.Pixels.Length);
    }

    /// <summary>The class and header that headers.json gives each file; where we differ it says why.</summary>
    [Fact]
    public void EveryFileIsDecodedOrClassified()
    {
        string folder = Folder();
        using JsonDocument headers = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "headers.json")));
        var options = new ImageDecodeOptions { MaximumPixels = 4_000_000 };
        int decoded = 0, refused = 0;
        var differences = new List<string>();
        foreach (JsonProperty entry in headers.RootElement.EnumerateObject())
        {
            string path = Path.Combine(folder, entry.Name), name = Path.GetFileName(entry.Name);
            Assert.True(File.Exists(path), path);
            string expected = (entry.Value.TryGetProperty("class", out JsonElement kind) ? kind.GetString()! : "valid") switch
            {
                "truncated" => BadImageException.Truncated,
                "corrupt" when name != "pillow_unknown_compression_method.png" => BadImageException.Corrupt, // that one: the colour profile alone, which is not read
                "bomb" => BadImageException.TooLarge,
                _ => "",
            };
            expected = name switch
            {
                "pillow_hopper.ppm" => BadImageException.Unsupported,
                "oss-fuzz-36829.jpeg" => BadImageException.Truncated, // 658 bytes for 62,728 rows
                "pillow_decompression_bomb.gif" => BadImageException.Truncated, // 44 bytes: the file ends within its frame, whose size is never needed
                "zero-loop-count.gif" => BadImageException.Corrupt, // 15 bytes: no frame
                _ => expected,
            };
            long start = Stopwatch.GetTimestamp(), before = GC.GetAllocatedBytesForCurrentThread();
            string cause = "", message = "";
            try
            {
                ImageData image = Decode(path, options);
                decoded++;
                ImageHeader header = ImageCodec.ReadHeader(File.ReadAllBytes(path));
                if (name is not ("oob.gif" or "issue_1455_oversized.gif")) // a first frame beyond the canvas makes it larger, as in Pillow
                    Assert.Equal((entry.Value.GetProperty("width").GetInt32(), entry.Value.GetProperty("height").GetInt32()), (header.Width, header.Height));
                int orientation = entry.Value.TryGetProperty("exif_orientation", out JsonElement said) && said.ValueKind == JsonValueKind.Number ? said.GetInt32() : 1;
                Assert.True(orientation == header.Orientation, $"{entry.Name}: orientation {header.Orientation}, not {orientation}");
                Assert.Equal(header.Orientation > 4 ? (header.Height, header.Width) : (header.Width, header.Height), (image.Width, image.Height));
            }
            catch (BadImageException bad)
            {
                refused++;
                (cause, message) = (bad.Cause, bad.Message);
                Assert.StartsWith(path, message, StringComparison.Ordinal);
            }
            if (expected != cause) differences.Add($"{entry.Name}: expected '{expected}', got '{cause}' {message}");
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5), $"{entry.Name} takes too long");
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
        }
        Assert.True(differences.Count == 0, string.Join('\n', differences));
        Assert.True(decoded > 100 && refused >= 7, $"{decoded} decoded, {refused} refused");
    }

    [Fact]
    public void ImagesAreThoseOfTheReferences()
    {
        string folder = Path.Combine(Folder(), "imagers"), references = Path.Combine(folder, "reference");
        int compared = 0;
        foreach (string reference in Directory.EnumerateFiles(references, "*.png", SearchOption.AllDirectories))
        {
            if (reference.Contains(".anim_", StringComparison.Ordinal)) continue; // later frames
            string relative = Path.GetRelativePath(references, reference), file = Path.Combine(folder, "images", relative[..^4]);
            string name = Path.GetFileName(file);
            if (!File.Exists(file)) continue;
            compared++;
            ImageData expected = Decode(reference, Stored), actual = Decode(file, Stored);
            if (name is "oob.gif" or "issue_1455_oversized.gif") actual = actual.Crop(new PixelRectangle(0, 0, expected.Width, expected.Height)); // there the frame is cut to the canvas
            int allowed = 0;
            if (name.EndsWith(".jpg", StringComparison.Ordinal)) allowed = 4; // another decoder's inverse transform
            if (name == "anim.webp") // colours under transparent pixels are lost there
            {
                var white = new ImageDecodeOptions { Background = RgbColor.White };
                (expected, actual, allowed) = (Decode(reference, white), Decode(file, white), 1);
            }
            (int largest, _) = Difference(expected, actual);
            Assert.True(largest <= allowed, $"{relative}: the largest difference is {largest}");
        }
        Assert.True(compared >= 30, $"{compared} compared");
    }

    [Theory]
    [InlineData("imagers_progressive_test", "imagers/images/jpg/progressive/test.jpg")]
    [InlineData("pillow_flower", "tricky/pillow_flower.jpg")]
    [InlineData("pillow_hopper", "tricky/pillow_hopper.jpg")]
    [InlineData("pillow_hopper_gray", "tricky/pillow_hopper_gray.jpg")]
    [InlineData("pillow_hopper_orientation_6", "tricky/pillow_hopper_orientation_6.jpg")]
    [InlineData("pillow_orientation_rectangle", "tricky/pillow_orientation_rectangle.jpg")]
    public void JpegsAreThoseOfLibjpeg(string reference, string file)
    {
        string folder = Folder();
        Assert.Equal(Decode(Path.Combine(folder, "jpeg_reference", reference + ".png")).Pixels, Decode(Path.Combine(folder, file), Stored).Pixels);
    }

    /// <summary>The reference has the file's colour profile applied, which neither Pillow nor we do: the same picture, and Pillow's pixels exactly.</summary>
    [Fact]
    public void ColourProfilesAreNotApplied()
    {
        string folder = Folder();
        ImageData image = Decode(Path.Combine(folder, "imagers/images/jpg/portrait_2.jpg"), Stored);
        Assert.Equal("eb2b1760ecae0709df869f2d6f67e93bb17b6b209c2ec98d788fa64eb183375d", Convert.ToHexStringLower(SHA256.HashData(image.Pixels))); // Pillow 9.4.0
        Assert.InRange(Difference(image, Decode(Path.Combine(folder, "jpeg_reference/imagers_portrait_2.png"))).Largest, 0, 20);
    }

    [Theory, InlineData("jpeg_rgb.jpg"), InlineData("jpeg_bgr.jpg"), InlineData("png_rgb.png"), InlineData("webp_rgb.webp")]
    public void PixelsAreThoseOfTheOnnxTests(string file)
    {
        string path = Path.Combine(Folder(), "onnx_image_decoder", file);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.ChangeExtension(path, null) + ".expected.json"));
        byte[] expected = [.. json.RootElement.GetProperty("data").EnumerateArray().Select(static value => value.GetByte())];
        byte[] actual = Decode(path).Pixels;
        if (file.Contains("bgr", StringComparison.Ordinal))
            for (int i = 0; i < actual.Length; i += 3) (actual[i], actual[i + 2]) = (actual[i + 2], actual[i]);
        Assert.Equal(expected, actual);
    }

    /// <summary>The files are encoded each on its own: a small difference on average, where a wrong orientation makes one of 60 and more.</summary>
    [Theory]
    [InlineData("exif_orientation/Landscape_1.jpg", "exif_orientation", "Landscape_*.jpg", 4)]
    [InlineData("exif_orientation/Portrait_1.jpg", "exif_orientation", "Portrait_*.jpg", 3)]
    [InlineData("tricky/pillow_hopper.png", "tricky", "pillow_hopper_orientation_*.jpg", 4)]
    [InlineData("tricky/pillow_hopper.png", "tricky", "pillow_hopper_orientation_*.webp", 4)]
    public void TurnedPhotographsShowTheSameScene(string upright, string where, string pattern, int least)
    {
        string folder = Folder();
        string[] files = Directory.GetFiles(Path.Combine(folder, where), pattern);
        Assert.True(files.Length >= Math.Min(least, 3), $"{files.Length} files");
        foreach (string file in files)
            Assert.InRange(Difference(Decode(Path.Combine(folder, upright)), Decode(file)).Mean, 0, 5);
    }
}
