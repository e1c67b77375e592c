namespace MM1.Native.Data;

/// <summary>An image that is a file somewhere, so that it can be copied without being decoded.</summary>
public interface IImageFile : IImageSource
{
    /// <summary>The bytes of the file as it lies there.</summary>
    /// <exception cref="BadImageException">It is not there, or too large.</exception>
    ReadOnlyMemory<byte> ReadFile();
}

/// <summary>What kind of image file bytes are, by how they begin.</summary>
public static class ImageSignature
{
    /// <summary><c>jpg</c>, <c>png</c>, <c>webp</c> or <c>gif</c>; null for anything else.</summary>
    public static string? ExtensionOf(ReadOnlySpan<byte> file) => file switch
    {
        _ when file is [0xFF, 0xD8, 0xFF, ..] => "jpg",
        _ when file is [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => "png",
        _ when file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8) => "webp",
        _ when file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8) => "gif",
        _ => null,
    };
}

/// <summary>An image as the bytes of a file.</summary>
internal static class ImageBytes
{
    /// <summary>The file as it is where the image comes from one of a known kind, else a PNG of its pixels.</summary>
    internal static (ReadOnlyMemory<byte> Bytes, string Extension) Of(IImageSource image)
    {
        if (image is IImageFile file)
        {
            ReadOnlyMemory<byte> bytes = file.ReadFile();
            if (ImageSignature.ExtensionOf(bytes.Span) is { } extension) return (bytes, extension);
        }
        return (ImageCodec.EncodePng(image.Load()), "png");
    }
}
