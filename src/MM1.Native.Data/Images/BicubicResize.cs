using System.Buffers;
using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>How an image of any shape becomes a square.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ImageResizeMode>))]
public enum ImageResizeMode
{
    /// <summary>Both sides are resized apart: everything is there, the proportions change.</summary>
    Squash,
    /// <summary>The shorter side is resized to the square's and the middle is cut out (CLIP).</summary>
    CropCenter,
    /// <summary>The image is laid on a square of the background colour, which is resized (LLaVA).</summary>
    PadSquare,
}

/// <summary>
/// Bicubic resizing bit for bit as Pillow's <c>Image.resize(size, BICUBIC)</c> of 8-bit images: a filter with a = -0.5 that widens when shrinking,
/// coefficients of 22 fractional bits, two passes, horizontal first, rounded to bytes between them.
/// </summary>
public sealed class BicubicResize : IImagePreparation
{
    private const long MaximumIntermediateBytes = 1L << 30; // rows between the passes: 300 MP, which only an image of very odd proportions needs
    private readonly byte[] _background;

    /// <summary>Settings of the preparation.</summary>
    /// <param name="mode">How an image that is not square becomes one.</param>
    /// <param name="background">Red, green, blue in [0, 1] around a padded image, e.g. the mean; null for black.</param>
    public BicubicResize(ImageResizeMode mode = ImageResizeMode.Squash, IReadOnlyList<float>? background = null)
    {
        if (!Enum.IsDefined(mode)) throw new ArgumentOutOfRangeException(nameof(mode), mode, "not a mode");
        if (background is not null && (background.Count != 3 || !background.All(static value => value is >= 0 and <= 1)))
            throw new ArgumentException("a background colour has three values from 0 to 1", nameof(background));
        Mode = mode;
        _background = background is null ? [0, 0, 0] : [.. background.Select(static value => (byte)(value * 255))];
    }

    /// <summary>How an image that is not square becomes one.</summary>
    public ImageResizeMode Mode { get; }

    /// <inheritdoc/>
    public ImageData Prepare(ImageData image, int size)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        if (image.Width == size && image.Height == size) return image;
        switch (Mode)
        {
            case ImageResizeMode.CropCenter:
                // torchvision's Resize and CenterCrop: the longer side is cut to whole pixels, the offset rounds half to even.
                int shorter = Math.Min(image.Width, image.Height);
                int width = (int)((long)size * image.Width / shorter), height = (int)((long)size * image.Height / shorter);
                var middle = new PixelRectangle((int)Math.Round((width - size) / 2.0), (int)Math.Round((height - size) / 2.0), size, size);
                return Resample(image, new PixelRectangle(0, 0, image.Width, image.Height), width, height, middle);
            case ImageResizeMode.PadSquare:
                return Resize(Pad(image), size, size);
            default:
                return Resize(image, size, size);
        }
    }

    /// <summary>Resizes each side.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A side is not positive.</exception>
    public static ImageData Resize(ImageData image, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Resample(image, new PixelRectangle(0, 0, image.Width, image.Height), width, height, new PixelRectangle(0, 0, width, height));
    }

    /// <summary>Resizes a part of the image as if it were cut out first.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A side is not positive, or the part leaves the image.</exception>
    public static ImageData Resize(ImageData image, PixelRectangle part, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Resample(image, part, width, height, new PixelRectangle(0, 0, width, height));
    }

    /// <summary>
    /// Brings a part of the image to width x height pixels and gives a window of these: only what the window needs is computed. A side that keeps its size is not filtered.
    /// </summary>
    internal static unsafe ImageData Resample(ImageData image, PixelRectangle part, int width, int height, PixelRectangle window)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        part.Check(image.Width, image.Height, nameof(part));
        window.Check(width, height, nameof(window));
        bool horizontal = width != part.Width, vertical = height != part.Height;
        if (!horizontal && !vertical)
            return window == new PixelRectangle(0, 0, image.Width, image.Height) ? image : image.Crop(window with { Left = part.Left + window.Left, Top = part.Top + window.Top });
        var result = new ImageData(window.Width, window.Height, GC.AllocateUninitializedArray<byte>(checked(3 * window.Width * window.Height)));
        int stride = 3 * image.Width;
        fixed (byte* pixels = image.Pixels)
        fixed (byte* target = result.Pixels)
        {
            byte* source = pixels + (long)stride * part.Top + 3 * part.Left;
            if (!horizontal)
            {
                BicubicPasses.Vertical(source + 3 * window.Left, stride, 3 * window.Width, new BicubicCoefficients(part.Height, height, window.Top, window.Height), target);
                return result;
            }
            var columns = new BicubicCoefficients(part.Width, width, window.Left, window.Width);
            if (!vertical)
            {
                BicubicPasses.Horizontal(source + (long)stride * window.Top, stride, part.Width, window.Height, columns, target);
                return result;
            }
            var rows = new BicubicCoefficients(part.Height, height, window.Top, window.Height);
            int first = rows.FirstInput, needed = rows.EndInput - first, between = 3 * window.Width;
            if ((long)needed * between > MaximumIntermediateBytes)
                throw new BadImageException(BadImageException.TooLarge, $"an image of {image.Width} x {image.Height} pixels is too long to be resized to {width} x {height}");
            byte[] intermediate = ArrayPool<byte>.Shared.Rent(needed * between);
            fixed (byte* middle = intermediate)
            {
                BicubicPasses.Horizontal(source + (long)stride * first, stride, part.Width, needed, columns, middle);
                BicubicPasses.Vertical(middle - (long)between * first, between, between, rows, target);
            }
            ArrayPool<byte>.Shared.Return(intermediate);
            return result;
        }
    }

    private ImageData Pad(ImageData image)
    {
        int side = Math.Max(image.Width, image.Height);
        if (image.Width == image.Height) return image;
        long squared = (long)side * side;
        if (squared > ImageDecodeOptions.Default.MaximumPixels)
            throw new BadImageException(BadImageException.TooLarge, $"an image of {image.Width} x {image.Height} pixels cannot be padded to a square: that has {squared} pixels, and {ImageDecodeOptions.Default.MaximumPixels} are allowed");
        var pixels = new byte[checked((int)(3 * squared))];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = _background[i % 3];
        int left = (side - image.Width) / 2, top = (side - image.Height) / 2;
        for (int y = 0; y < image.Height; y++)
            image.Pixels.AsSpan(3 * y * image.Width, 3 * image.Width).CopyTo(pixels.AsSpan(3 * ((top + y) * side + left)));
        return new ImageData(side, side, pixels);
    }
}
