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
    private const int PrecisionBits = 32 - 8 - 2;
    private const double Support = 2.0;
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
                ImageData covering = Resize(image, width, height);
                return Crop(covering, (int)Math.Round((width - size) / 2.0), (int)Math.Round((height - size) / 2.0), size);
            case ImageResizeMode.PadSquare:
                return Resize(Pad(image), size, size);
            default:
                return Resize(image, size, size);
        }
    }

    /// <summary>Resizes each side.</summary>
    public static ImageData Resize(ImageData image, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        if (width != image.Width) image = Horizontal(image, new Coefficients(image.Width, width));
        if (height != image.Height) image = Vertical(image, new Coefficients(image.Height, height));
        return image;
    }

    private static ImageData Horizontal(ImageData image, Coefficients coefficients)
    {
        int width = coefficients.Outputs;
        var pixels = new byte[3 * width * image.Height];
        for (int y = 0; y < image.Height; y++)
        {
            ReadOnlySpan<byte> row = image.Pixels.AsSpan(3 * image.Width * y, 3 * image.Width);
            Span<byte> target = pixels.AsSpan(3 * width * y, 3 * width);
            for (int x = 0; x < width; x++)
            {
                ReadOnlySpan<int> weights = coefficients.Of(x, out int first);
                int red = 1 << (PrecisionBits - 1), green = red, blue = red, from = 3 * first;
                foreach (int weight in weights)
                {
                    red += row[from] * weight;
                    green += row[from + 1] * weight;
                    blue += row[from + 2] * weight;
                    from += 3;
                }
                target[3 * x] = Clip(red);
                target[3 * x + 1] = Clip(green);
                target[3 * x + 2] = Clip(blue);
            }
        }
        return new ImageData(width, image.Height, pixels);
    }

    private static ImageData Vertical(ImageData image, Coefficients coefficients)
    {
        int stride = 3 * image.Width;
        var pixels = new byte[stride * coefficients.Outputs];
        var sums = new int[stride];
        for (int y = 0; y < coefficients.Outputs; y++)
        {
            ReadOnlySpan<int> weights = coefficients.Of(y, out int first);
            sums.AsSpan().Fill(1 << (PrecisionBits - 1));
            for (int k = 0; k < weights.Length; k++)
            {
                int weight = weights[k];
                ReadOnlySpan<byte> row = image.Pixels.AsSpan(stride * (first + k), stride);
                for (int i = 0; i < row.Length; i++) sums[i] += row[i] * weight;
            }
            Span<byte> target = pixels.AsSpan(stride * y, stride);
            for (int i = 0; i < target.Length; i++) target[i] = Clip(sums[i]);
        }
        return new ImageData(image.Width, coefficients.Outputs, pixels);
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> PrecisionBits, 0, 255);

    private static ImageData Crop(ImageData image, int left, int top, int size)
    {
        var pixels = new byte[3 * size * size];
        for (int y = 0; y < size; y++)
            image.Pixels.AsSpan(3 * ((top + y) * image.Width + left), 3 * size).CopyTo(pixels.AsSpan(3 * size * y));
        return new ImageData(size, size, pixels);
    }

    private ImageData Pad(ImageData image)
    {
        int side = Math.Max(image.Width, image.Height);
        if (image.Width == image.Height) return image;
        var pixels = new byte[3 * side * side];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = _background[i % 3];
        int left = (side - image.Width) / 2, top = (side - image.Height) / 2;
        for (int y = 0; y < image.Height; y++)
            image.Pixels.AsSpan(3 * y * image.Width, 3 * image.Width).CopyTo(pixels.AsSpan(3 * ((top + y) * side + left)));
        return new ImageData(side, side, pixels);
    }

    /// <summary>For each output pixel of one side the inputs that it is made of and their weights in fixed point.</summary>
    internal sealed class Coefficients
    {
        private readonly int[] _weights;
        private readonly (int First, int Count)[] _ranges;
        private readonly int _width;

        public Coefficients(int inputs, int outputs)
        {
            Outputs = outputs;
            double scale = (double)inputs / outputs, filterScale = Math.Max(scale, 1.0), support = Support * filterScale, inverse = 1.0 / filterScale;
            _width = (int)Math.Ceiling(support) * 2 + 1;
            _weights = new int[(long)outputs * _width];
            _ranges = new (int, int)[outputs];
            var real = new double[_width];
            for (int x = 0; x < outputs; x++)
            {
                double center = (x + 0.5) * scale, sum = 0;
                int first = Math.Max((int)(center - support + 0.5), 0), count = Math.Min((int)(center + support + 0.5), inputs) - first;
                for (int k = 0; k < count; k++)
                {
                    real[k] = Filter((k + first - center + 0.5) * inverse);
                    sum += real[k];
                }
                for (int k = 0; k < count; k++)
                {
                    double weight = sum != 0 ? real[k] / sum : real[k];
                    _weights[x * _width + k] = (int)((weight < 0 ? -0.5 : 0.5) + weight * (1 << PrecisionBits));
                }
                _ranges[x] = (first, count);
            }
        }

        public int Outputs { get; }

        public ReadOnlySpan<int> Of(int output, out int first)
        {
            (first, int count) = _ranges[output];
            return _weights.AsSpan(output * _width, count);
        }

        /// <summary>Keys' cubic kernel with a = -0.5.</summary>
        private static double Filter(double x)
        {
            const double A = -0.5;
            x = Math.Abs(x);
            if (x < 1.0) return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
            return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * A : 0.0;
        }
    }
}
