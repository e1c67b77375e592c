using SkiaSharp;

namespace MM1.Native.Data;

/// <summary>
/// Image files to pixels and back; the only place that knows SkiaSharp. Pixels are taken as they are stored (no colour
/// management) and alpha is dropped, as Pillow's <c>convert("RGB")</c> does.
/// </summary>
public static class ImageCodec
{
    /// <summary>Decodes a JPEG, PNG or WebP file.</summary>
    /// <exception cref="BadImageException">The bytes are no such file, or end too early.</exception>
    public static ImageData Decode(ReadOnlySpan<byte> file)
    {
        using SKData data = SKData.CreateCopy(file);
        using SKCodec codec = SKCodec.Create(data) ?? throw new BadImageException(BadImageException.NotAnImage, $"not an image file of a known format ({file.Length} bytes)");
        var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul, null);
        using var bitmap = new SKBitmap(info);
        SKCodecResult result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success) throw new BadImageException(result == SKCodecResult.IncompleteInput ? BadImageException.Truncated : BadImageException.Corrupt, $"the image cannot be decoded: {result}");
        ReadOnlySpan<byte> source = bitmap.GetPixelSpan();
        var pixels = new byte[3 * info.Width * info.Height];
        for (int from = 0, to = 0; to < pixels.Length; from += 4, to += 3)
        {
            pixels[to] = source[from];
            pixels[to + 1] = source[from + 1];
            pixels[to + 2] = source[from + 2];
        }
        return new ImageData(info.Width, info.Height, pixels);
    }

    /// <summary>Decodes a file; what is wrong with it names the path.</summary>
    /// <exception cref="BadImageException">There is no such file, or it cannot be decoded.</exception>
    /// <exception cref="IOException">The file is there and cannot be read.</exception>
    public static ImageData DecodeFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return Decode(File.ReadAllBytes(path));
        }
        catch (BadImageException bad)
        {
            throw new BadImageException($"{path}: {bad.Message}", bad);
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BadImageException(BadImageException.Missing, $"{path}: there is no such image file", absent);
        }
    }

    /// <summary>Encodes as PNG, without loss.</summary>
    public static byte[] EncodePng(ImageData image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var info = new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque, null);
        using var bitmap = new SKBitmap(info);
        Span<byte> target = bitmap.GetPixelSpan();
        byte[] pixels = image.Pixels;
        for (int from = 0, to = 0; from < pixels.Length; from += 3, to += 4)
        {
            target[to] = pixels[from];
            target[to + 1] = pixels[from + 1];
            target[to + 2] = pixels[from + 2];
            target[to + 3] = 255;
        }
        using SKData encoded = bitmap.Encode(SKEncodedImageFormat.Png, 100) ?? throw new InvalidOperationException("SkiaSharp could not encode a PNG");
        return encoded.ToArray();
    }
}

/// <summary>An image file in memory, decoded when it is needed.</summary>
public sealed class EncodedImage : IImageSource
{
    /// <summary>Wraps the bytes of a JPEG, PNG or WebP file.</summary>
    public EncodedImage(ReadOnlyMemory<byte> file) => File = file;

    /// <summary>The bytes of the file.</summary>
    public ReadOnlyMemory<byte> File { get; }

    /// <inheritdoc/>
    public ImageData Load() => ImageCodec.Decode(File.Span);
}
