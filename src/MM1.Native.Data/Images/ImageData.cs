namespace MM1.Native.Data;

/// <summary>An image that can be had when it is needed: decoded pixels, a file in memory, a scene that is rendered.</summary>
public interface IImageSource
{
    /// <summary>The pixels. Called by worker threads, at most once per use; the same pixels every time.</summary>
    /// <exception cref="BadImageException">The image cannot be used: a damaged, absent or forbidden file.</exception>
    ImageData Load();
}

/// <summary>8-bit RGB pixels, rows from the top, three bytes a pixel without padding.</summary>
public sealed class ImageData : IImageSource
{
    /// <summary>Wraps pixels without copying.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="pixels">height * width * 3 bytes.</param>
    public ImageData(int width, int height, byte[] pixels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        if (pixels.LongLength != 3L * width * height)
            throw new ArgumentException($"an image of {width} x {height} has {3L * width * height} bytes, not {pixels.LongLength}", nameof(pixels));
        Width = width;
        Height = height;
        Pixels = pixels;
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>The bytes, [Height, Width, 3].</summary>
    public byte[] Pixels { get; }

    /// <inheritdoc/>
    public ImageData Load() => this;
}
