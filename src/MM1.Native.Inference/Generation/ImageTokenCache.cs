using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>
/// The connector's tokens of images, each image encoded once: those that later batches need too are kept in host memory until the last of
/// them. Images are the same where their <see cref="IImageSource"/> is the same object.
/// </summary>
internal sealed class ImageTokenCache
{
    private const int ImagesOfOnePass = 64;
    private readonly Mm1Model _model;
    private readonly ImageNormalizer _normalizer;
    private readonly int _imageSize, _imageTokens;
    private readonly Dictionary<IImageSource, int> _lastUse = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<IImageSource, float[]> _tokens = new(ReferenceEqualityComparer.Instance);

    /// <param name="model">Encodes.</param>
    /// <param name="images">How images are prepared.</param>
    /// <param name="batches">The images of each batch that will be asked for, in order.</param>
    public ImageTokenCache(Mm1Model model, ImageSettings images, IEnumerable<IEnumerable<IImageSource>> batches)
    {
        (_model, _imageSize, _normalizer) = (model, images.Size, new ImageNormalizer(images));
        _imageTokens = model.ImageTokens(_imageSize, _imageSize);
        int number = 0;
        foreach (IEnumerable<IImageSource> batch in batches)
        {
            foreach (IImageSource image in batch) _lastUse[image] = number;
            number++;
        }
    }

    /// <summary>
    /// The tokens of a batch's images in the current arena, one after the other, null without images. An image that stands in two places is there twice:
    /// a row has one place at most.
    /// </summary>
    public Tensor? Take(int batch, IReadOnlyList<IImageSource> images, CancellationToken cancellationToken)
    {
        if (images.Count == 0) return null;
        IImageSource[] missing = [.. images.Where(image => !_tokens.ContainsKey(image)).Distinct<IImageSource>(ReferenceEqualityComparer.Instance)];
        for (int start = 0; start < missing.Length; start += ImagesOfOnePass)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Encode(missing.AsMemory(start, Math.Min(ImagesOfOnePass, missing.Length - start)));
        }
        int values = checked(_imageTokens * (int)_model.Config.Decoder.Width);
        var all = new float[checked((long)images.Count * values)];
        for (int i = 0; i < images.Count; i++) _tokens[images[i]].CopyTo(all, (long)i * values);
        foreach (IImageSource image in images)
        {
            if (_lastUse[image] <= batch) _tokens.Remove(image);
        }
        return Tensor.From<float>(all, [(long)images.Count * _imageTokens, _model.Config.Decoder.Width]).To(_model.ComputeDType);
    }

    private void Encode(ReadOnlyMemory<IImageSource> images)
    {
        var pixels = new float[checked(images.Length * _normalizer.Elements)];
        // Decoding and painting are pure; the first error is the one of the first image, whatever thread met it.
        var faults = new Exception?[images.Length];
        Parallel.For(0, images.Length, i =>
        {
            try
            {
                _normalizer.Write(images.Span[i], pixels.AsSpan(i * _normalizer.Elements, _normalizer.Elements));
            }
            catch (Exception exception) when (exception is BadImageException or IOException)
            {
                faults[i] = exception;
            }
        });
        if (Array.Find(faults, static fault => fault is not null) is { } first) throw first is IOException ? new IOException($"an image of the prompts cannot be read: {first.Message}", first) : new BadImageException($"an image of the prompts cannot be read: {first.Message}", first);
        float[] encoded;
        using (_model.Device!.BeginInference()) encoded = _model.EncodeImages(Tensor.From<float>(pixels, [images.Length, _imageSize, _imageSize, 3])).ToArray();
        int values = encoded.Length / images.Length;
        for (int i = 0; i < images.Length; i++) _tokens[images.Span[i]] = encoded.AsSpan(i * values, values).ToArray();
    }
}
