using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// Random changes of training images that leave captions true. Everything is off by default and costs nothing then. What is drawn for an image depends on the seed, the
/// batch and the image's place in it alone, so batches are the same with any number of workers.
/// </summary>
public sealed record ImageAugmentation
{
    private const int CropAttempts = 10;

    /// <summary>
    /// A part of the image is cut out at random and brought to size in place of the whole (Inception's crop, as torchvision's RandomResizedCrop): the least share of the area; 1
    /// leaves the image whole (default 1). Captions name what is at the edges too: keep it near 1.
    /// </summary>
    public double CropMinimumScale { get; init; } = 1;

    /// <summary>The greatest share of the area (default 1).</summary>
    public double CropMaximumScale { get; init; } = 1;

    /// <summary>The least width divided by height of the part (default 3/4).</summary>
    public double CropMinimumRatio { get; init; } = 3.0 / 4;

    /// <summary>The greatest width divided by height of the part (default 4/3).</summary>
    public double CropMaximumRatio { get; init; } = 4.0 / 3;

    /// <summary>The image at its final size is moved by up to so many pixels along each side; its edge pixels fill the gap (default 0).</summary>
    public int PadCrop { get; init; }

    /// <summary>
    /// Share of images that are mirrored left to right (default 0). Never those of a document whose text says left or right (<see cref="EncodedDocument.SaysSides"/>).
    /// </summary>
    public double HorizontalFlip { get; init; }

    /// <summary>Brightness is multiplied by a number from 1 - this to 1 + this (default 0).</summary>
    public double Brightness { get; init; }

    /// <summary>The distance to the mean grey is multiplied by a number from 1 - this to 1 + this (default 0).</summary>
    public double Contrast { get; init; }

    /// <summary>The distance to a pixel's own grey is multiplied by a number from 1 - this to 1 + this (default 0).</summary>
    public double Saturation { get; init; }

    /// <summary>Whether anything is changed at all.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsOn => Crops || PadCrop > 0 || HorizontalFlip > 0 || Jitters;

    private bool Crops => CropMinimumScale < 1;

    private bool Jitters => Brightness > 0 || Contrast > 0 || Saturation > 0;

    /// <exception cref="ArgumentException">A setting is out of range.</exception>
    public void Check()
    {
        if (!(CropMinimumScale > 0) || !(CropMaximumScale >= CropMinimumScale) || !(CropMaximumScale <= 1))
            throw new ArgumentException($"the crop's share of the area is above 0 and at most 1, the least not above the greatest, not {Text(CropMinimumScale)} to {Text(CropMaximumScale)}");
        if (!(CropMinimumRatio > 0) || !(CropMaximumRatio >= CropMinimumRatio) || !double.IsFinite(CropMaximumRatio))
            throw new ArgumentException($"the crop's ratios are positive, the least not above the greatest, not {Text(CropMinimumRatio)} to {Text(CropMaximumRatio)}");
        if (PadCrop < 0) throw new ArgumentException($"an image is moved by 0 pixels or more, not {PadCrop}");
        Share(HorizontalFlip, "the share of mirrored images");
        Share(Brightness, "the change of brightness");
        Share(Contrast, "the change of contrast");
        Share(Saturation, "the change of saturation");

        static void Share(double value, string name)
        {
            if (value is not (>= 0 and <= 1)) throw new ArgumentException($"{name} is from 0 to 1, not {Text(value)}");
        }

        static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The numbers of one image of one batch.</summary>
    internal static RandomStream StreamOf(ulong seed, long batch, int image) => RandomStream.For(seed, "augmentation", batch, image);

    /// <summary>The settings in words, for the fingerprint of a data cursor.</summary>
    internal string Words => string.Create(CultureInfo.InvariantCulture,
        $"crop:{CropMinimumScale:R}-{CropMaximumScale:R}/{CropMinimumRatio:R}-{CropMaximumRatio:R},pad-crop:{PadCrop},flip:{HorizontalFlip:R},jitter:{Brightness:R}/{Contrast:R}/{Saturation:R}");

    /// <summary>Changes an image and brings it to size.</summary>
    /// <param name="image">The image as it was loaded; it is left as it is.</param>
    /// <param name="size">Pixels of a side of the result.</param>
    /// <param name="preparation">What brings an image to size where no part is cut out of it; null where images have the size.</param>
    /// <param name="mayFlip">Whether it may be mirrored.</param>
    /// <param name="random">Its numbers; how many are drawn depends on the settings alone, and on the image's shape for a crop.</param>
    public ImageData Apply(ImageData image, int size, IImagePreparation? preparation, bool mayFlip, ref RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(image);
        ImageData sized = Crops ? BicubicResize.Resize(image, DrawPart(image.Width, image.Height, ref random), size, size) : preparation is null ? image : preparation.Prepare(image, size);
        int right = 0, down = 0;
        if (PadCrop > 0) (right, down) = (random.Below(2 * PadCrop + 1) - PadCrop, random.Below(2 * PadCrop + 1) - PadCrop);
        bool flip = HorizontalFlip > 0 && random.Chance(HorizontalFlip) && mayFlip;
        if (right == 0 && down == 0 && !flip && !Jitters) return sized;
        byte[] pixels = Moved(sized, right, down, flip);
        if (Jitters) ColorJitter.Apply(pixels, Factor(Brightness, ref random), Factor(Contrast, ref random), Factor(Saturation, ref random));
        return new ImageData(sized.Width, sized.Height, pixels);

        static double Factor(double range, ref RandomStream random) => range > 0 ? random.Uniform(1 - range, 1 + range) : 1;
    }

    /// <summary>torchvision's RandomResizedCrop.get_params: ten draws of area and ratio, then the largest part in the middle with a ratio within the bounds.</summary>
    private PixelRectangle DrawPart(int width, int height, ref RandomStream random)
    {
        double area = (double)width * height, least = Math.Log(CropMinimumRatio), greatest = Math.Log(CropMaximumRatio);
        for (int attempt = 0; attempt < CropAttempts; attempt++)
        {
            double target = area * random.Uniform(CropMinimumScale, CropMaximumScale), ratio = Math.Exp(random.Uniform(least, greatest));
            int w = (int)Math.Round(Math.Sqrt(target * ratio)), h = (int)Math.Round(Math.Sqrt(target / ratio));
            if (w < 1 || h < 1 || w > width || h > height) continue;
            int top = random.Below(height - h + 1);
            return new PixelRectangle(random.Below(width - w + 1), top, w, h);
        }
        double own = (double)width / height;
        (int x, int y) = own < CropMinimumRatio ? (width, (int)Math.Round(width / CropMinimumRatio)) : own > CropMaximumRatio ? ((int)Math.Round(height * CropMaximumRatio), height) : (width, height);
        (x, y) = (Math.Clamp(x, 1, width), Math.Clamp(y, 1, height));
        return new PixelRectangle((width - x) / 2, (height - y) / 2, x, y);
    }

    /// <summary>A copy, moved, its edges repeated, then mirrored.</summary>
    private static byte[] Moved(ImageData image, int right, int down, bool flip)
    {
        (int width, int height) = (image.Width, image.Height);
        byte[] pixels = GC.AllocateUninitializedArray<byte>(image.Pixels.Length);
        int from = Math.Clamp(right, 0, width - 1), to = Math.Clamp(-right, 0, width - 1), count = Math.Max(1, width - Math.Abs(right));
        for (int y = 0; y < height; y++)
        {
            ReadOnlySpan<byte> row = image.Pixels.AsSpan(3 * width * Math.Clamp(y + down, 0, height - 1), 3 * width);
            Span<byte> target = pixels.AsSpan(3 * width * y, 3 * width);
            row.Slice(3 * from, 3 * count).CopyTo(target[(3 * to)..]);
            for (int x = 0; x < to; x++) row[..3].CopyTo(target[(3 * x)..]);
            for (int x = to + count; x < width; x++) row[^3..].CopyTo(target[(3 * x)..]);
            if (!flip) continue;
            for (int a = 0, b = 3 * (width - 1); a < b; a += 3, b -= 3)
            {
                (target[a], target[b]) = (target[b], target[a]);
                (target[a + 1], target[b + 1]) = (target[b + 1], target[a + 1]);
                (target[a + 2], target[b + 2]) = (target[b + 2], target[a + 2]);
            }
        }
        return pixels;
    }
}
