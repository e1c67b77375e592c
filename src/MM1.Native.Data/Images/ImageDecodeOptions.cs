namespace MM1.Native.Data;

/// <summary>How image files become pixels. The defaults are what Pillow's <c>Image.open(file).convert("RGB")</c> gives, turned upright by EXIF.</summary>
public sealed record ImageDecodeOptions
{
    /// <summary>The defaults.</summary>
    public static ImageDecodeOptions Default { get; } = new();

    /// <summary>
    /// Most pixels (columns * rows, from the header) of an image; more is refused before anything is allocated. The default 89,478,485 is where Pillow begins to
    /// warn of decompression bombs: 256 MiB of RGB.
    /// </summary>
    public long MaximumPixels { get; init; } = 89_478_485;

    /// <summary>Most bytes of a file (default 256 MiB).</summary>
    public long MaximumBytes { get; init; } = 256L << 20;

    /// <summary>
    /// The colour under transparent pixels; null (the default) drops alpha and takes the colours as they are stored, as Pillow's <c>convert("RGB")</c> does. With a
    /// colour the result is that of Pillow's <c>paste(image, mask=alpha)</c> on it.
    /// </summary>
    public RgbColor? Background { get; init; }

    /// <summary>Whether the EXIF orientation of JPEG, WebP and PNG files is applied (default yes).</summary>
    public bool Orientation { get; init; } = true;

    /// <summary>
    /// Whether a JPEG, PNG or GIF file that ends too early gives what is there of it, the rest grey or black (default no: it is refused as truncated). WebP files that are cut are always refused.
    /// </summary>
    public bool AllowTruncated { get; init; }

    /// <exception cref="ArgumentException">A limit is out of range.</exception>
    internal void Check()
    {
        const long Most = int.MaxValue / 4;
        if (MaximumPixels is < 1 or > Most) throw new ArgumentException($"the limit of pixels is from 1 to {Most}, not {MaximumPixels}");
        if (MaximumBytes is < 1 or > int.MaxValue) throw new ArgumentException($"the limit of an image file's bytes is from 1 to {int.MaxValue}, not {MaximumBytes}");
    }
}

/// <summary>A colour of 8 bits a channel.</summary>
/// <param name="Red">Red.</param>
/// <param name="Green">Green.</param>
/// <param name="Blue">Blue.</param>
public readonly record struct RgbColor(byte Red, byte Green, byte Blue)
{
    /// <summary>White.</summary>
    public static RgbColor White { get; } = new(255, 255, 255);

    /// <summary>Black.</summary>
    public static RgbColor Black { get; }
}

/// <summary>The image formats that are read.</summary>
public enum ImageFileFormat
{
    /// <summary>JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.</summary>
    Jpeg,
    /// <summary>PNG: every colour type and depth; of an APNG the default image.</summary>
    Png,
    /// <summary>WebP: lossy and lossless; the first frame of an animation.</summary>
    WebP,
    /// <summary>GIF: the first frame.</summary>
    Gif,
}

/// <summary>What the header of an image file says.</summary>
/// <param name="Format">The format, by content.</param>
/// <param name="Width">Columns as they are stored; an orientation of 5 to 8 makes them the rows.</param>
/// <param name="Height">Rows as they are stored.</param>
/// <param name="Orientation">The EXIF orientation, 1 (upright) to 8.</param>
/// <param name="HasAlpha">Whether pixels may be transparent.</param>
public readonly record struct ImageHeader(ImageFileFormat Format, int Width, int Height, int Orientation, bool HasAlpha);
