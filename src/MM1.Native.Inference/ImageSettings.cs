using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>How images are brought to the model: size, colours. Comes with the checkpoint, so that evaluation sees what training saw.</summary>
public sealed record ImageSettings
{
    /// <summary>Pixels of a side.</summary>
    public required int Size { get; init; }

    /// <summary>Mean of red, green, blue in [0, 1] (default: CLIP's).</summary>
    public IReadOnlyList<float> Mean { get; init; } = ImageNormalization.ClipMean;

    /// <summary>Standard deviation of red, green, blue (default: CLIP's).</summary>
    public IReadOnlyList<float> StandardDeviation { get; init; } = ImageNormalization.ClipStandardDeviation;

    /// <summary>What happens to images that are not square (default: they are squashed).</summary>
    public ImageResizeMode Resize { get; init; } = ImageResizeMode.Squash;

    /// <summary>What brings images to size, also for <see cref="PackingOptions.Preparation"/>; it leaves alone what has the size already.</summary>
    public IImagePreparation Preparation => new BicubicResize(Resize, Resize == ImageResizeMode.PadSquare ? Mean : null);

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Check()
    {
        if (Size < 1) throw new ArgumentException($"images have 1 pixel a side or more, not {Size}");
        if (Mean.Count != 3 || StandardDeviation.Count != 3 || !Mean.All(static value => value is >= 0 and <= 1) || !StandardDeviation.All(static value => value > 0 && float.IsFinite(value)))
            throw new ArgumentException("mean and standard deviation of images have three values, the means from 0 to 1 and the standard deviations positive");
    }
}

/// <summary>Pixels to what the model reads, [height, width, 3]: (value / 255 - mean) / standard deviation, the bits of a training batch.</summary>
public sealed class ImageNormalizer
{
    private readonly float[] _table = new float[3 * 256];
    private readonly IImagePreparation _preparation;
    private readonly int _size;

    /// <summary>For a model's settings.</summary>
    public ImageNormalizer(ImageSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.Check();
        (_size, _preparation) = (settings.Size, settings.Preparation);
        for (int channel = 0; channel < 3; channel++)
            for (int value = 0; value < 256; value++)
                _table[channel * 256 + value] = (value / 255f - settings.Mean[channel]) / settings.StandardDeviation[channel];
    }

    /// <summary>Values of an image.</summary>
    public int Elements => 3 * _size * _size;

    /// <summary>Writes an image; any thread may.</summary>
    public void Write(IImageSource source, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(source);
        byte[] pixels = _preparation.Prepare(source.Load(), _size).Pixels;
        for (int i = 0; i < pixels.Length; i += 3)
        {
            destination[i] = _table[pixels[i]];
            destination[i + 1] = _table[256 + pixels[i + 1]];
            destination[i + 2] = _table[512 + pixels[i + 2]];
        }
    }
}
