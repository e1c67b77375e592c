using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// What CLIP (Radford et al. 2021, arXiv 2103.00020) puts over an image encoder to pre-train it: images and captions as unit vectors of one space, and the symmetric contrastive loss of a batch.
/// The encoder is not part of it; it stays the model's.
/// <para>
/// Images: the encoder's patch features, a layer norm over channels, their mean, a linear layer. Captions: a bag of words in place of CLIP's text transformer, the mean of the tokens' embeddings
/// through a residual MLP and a linear layer. Captions of small data say which things are there, not much about their order; a text transformer would be one more model to train from nothing,
/// while a bag gives the encoder a useful gradient from the first steps on.
/// </para>
/// Parameters: <c>image_norm.*</c>, <c>image_projection.weight</c> [width, channels], <c>token_embedding.weight</c> [vocabulary, width], <c>text_mlp.fc1.*</c>, <c>text_mlp.fc2.*</c>,
/// <c>text_projection.weight</c> [width, width], <c>log_scale</c> [1].
/// </summary>
public sealed class ContrastiveModel : Module
{
    /// <summary>
    /// Factor on the mean of a caption's embeddings. The mean of ten to twenty independent unit normals has a deviation of about 0.3: three times that is what the MLP expects.
    /// </summary>
    public const float TextGain = 3;

    /// <summary>Largest scale of similarities (CLIP's).</summary>
    public const float MaximumScale = 100;

    private readonly LayerNorm _imageNorm;
    private readonly Linear _imageProjection, _textProjection;
    private readonly Embedding _tokenEmbedding;
    private readonly Mlp _textMlp;

    /// <summary>Describes the model.</summary>
    /// <param name="vision">The encoder whose features it takes.</param>
    /// <param name="vocabulary">Tokens.</param>
    /// <param name="width">Elements of the common space (default 64).</param>
    public ContrastiveModel(VisionConfig vision, long vocabulary, long width = 64)
    {
        ArgumentNullException.ThrowIfNull(vision);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        Width = width;
        _imageNorm = AddChild("image_norm", new LayerNorm(vision.Width, vision.NormEpsilon));
        _imageProjection = AddChild("image_projection", new Linear(vision.Width, width, bias: false));
        _tokenEmbedding = AddChild("token_embedding", new Embedding(vocabulary, width, Initializer.Normal(1)));
        _textMlp = AddChild("text_mlp", new Mlp(width, 2 * width));
        _textProjection = AddChild("text_projection", new Linear(width, width, bias: false));
        LogScale = AddParameter("log_scale", [1], Initializer.Constant(MathF.Log(1 / 0.07f)));
    }

    /// <summary>Elements of the common space.</summary>
    public long Width { get; }

    /// <summary>Logarithm of the factor on similarities, ln(1 / 0.07) at first.</summary>
    public Parameter LogScale { get; }

    /// <summary>An encoder's patch features [n, height, width, channels] to unit vectors [n, Width].</summary>
    public Tensor Images(Tensor features)
    {
        Tensor mean = Functional.AdaptiveAveragePool2d(_imageNorm.Forward(features), 1, 1);
        return Functional.L2Normalize(_imageProjection.Forward(Functional.Reshape(mean, [features.Shape[0], features.Shape[^1]])));
    }

    /// <summary>Captions to unit vectors [n, Width].</summary>
    /// <param name="tokens">int32 [tokens]: those of all captions, one after the other.</param>
    /// <param name="averaging">[n, tokens]: the share of each token in each caption's mean, see <see cref="WriteAveraging"/>.</param>
    public Tensor Captions(Tensor tokens, Tensor averaging)
    {
        Tensor mean = Functional.MatMul(averaging.To(ComputeDType), _tokenEmbedding.Forward(tokens), scale: TextGain);
        return Functional.L2Normalize(_textProjection.Forward(_textMlp.Forward(mean, residual: mean)));
    }

    /// <summary>Symmetric contrastive loss of pairs: which caption is this image's, which image this caption's. Parameters as of <see cref="Images"/> and <see cref="Captions"/>.</summary>
    public Tensor Loss(Tensor features, Tensor tokens, Tensor averaging) =>
        Autograd.Loss.Contrastive(Images(features), Captions(tokens, averaging), LogScale.Value, MaximumScale);

    /// <summary>Writes the matrix that averages each caption's own tokens: row i has 1 / length at them and 0 elsewhere.</summary>
    /// <param name="lengths">Tokens of each caption.</param>
    /// <param name="destination">[captions, sum of lengths].</param>
    public static void WriteAveraging(ReadOnlySpan<int> lengths, Span<float> destination)
    {
        int tokens = 0;
        foreach (int length in lengths) tokens += length > 0 ? length : throw new ArgumentException("A caption has no token.", nameof(lengths));
        if (destination.Length != (long)lengths.Length * tokens)
            throw new ArgumentException($"{lengths.Length} captions of {tokens} tokens need {(long)lengths.Length * tokens} elements, not {destination.Length}.", nameof(destination));
        destination.Clear();
        int at = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            destination.Slice(i * tokens + at, lengths[i]).Fill(1f / lengths[i]);
            at += lengths[i];
        }
    }
}
