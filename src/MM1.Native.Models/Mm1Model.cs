using MM1.Native.Autograd;

namespace MM1.Native.Models;

/// <summary>A multimodal model: an image encoder, a connector, a decoder.</summary>
public sealed record Mm1Config
{
    /// <summary>The image encoder.</summary>
    public required VisionConfig Vision { get; init; }

    /// <summary>The connector.</summary>
    public required ConnectorConfig Connector { get; init; }

    /// <summary>The decoder.</summary>
    public required DecoderConfig Decoder { get; init; }
}

/// <summary>Packed documents with the images that they mention, as tensors of the current arena.</summary>
public sealed record Mm1Batch
{
    /// <summary>int32 [tokens], placeholders where images stand.</summary>
    public required Tensor TokenIds { get; init; }

    /// <summary>int32 [tokens]: position inside its document.</summary>
    public required Tensor Positions { get; init; }

    /// <summary>Documents, causal.</summary>
    public required AttentionLayout Layout { get; init; }

    /// <summary>int32 [tokens]: the next token where it is a target, else <see cref="Loss.IgnoreIndex"/>; null without a loss.</summary>
    public Tensor? Targets { get; init; }

    /// <summary>int32 [tokens]: image * tokens of an image + row at placeholders, else -1; with <see cref="Images"/>.</summary>
    public Tensor? Placement { get; init; }

    /// <summary>float32 [images, height, width, 3], normalized; null for text alone.</summary>
    public Tensor? Images { get; init; }

    /// <summary>Copies a packed batch from the host into the current arena.</summary>
    /// <param name="tokenIds">[tokens].</param>
    /// <param name="positions">[tokens].</param>
    /// <param name="targets">[tokens]; empty without a loss.</param>
    /// <param name="placement">[tokens]; empty for text alone.</param>
    /// <param name="cuSeqlens">[documents + 1]: first token of each document, then the number of tokens.</param>
    /// <param name="longestDocument">Tokens of the longest document, or more.</param>
    /// <param name="images">Pixels, NHWC; empty for text alone.</param>
    /// <param name="imageSize">Side of the images.</param>
    public static Mm1Batch From(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> positions, ReadOnlySpan<int> targets, ReadOnlySpan<int> placement,
        ReadOnlySpan<int> cuSeqlens, int longestDocument, ReadOnlySpan<float> images = default, int imageSize = 0) => new()
        {
            TokenIds = Tensor.From(tokenIds, [tokenIds.Length]),
            Positions = Tensor.From(positions, [positions.Length]),
            Layout = AttentionLayout.Packed(Tensor.From(cuSeqlens, [cuSeqlens.Length]), longestDocument),
            Targets = targets.IsEmpty ? null : Tensor.From(targets, [targets.Length]),
            Placement = placement.IsEmpty || images.IsEmpty ? null : Tensor.From(placement, [placement.Length]),
            Images = images.IsEmpty ? null : Tensor.From(images, [images.Length / (3L * imageSize * imageSize), imageSize, imageSize, 3]),
        };
}

/// <summary>
/// MM1 (McKinzie et al. 2024, arXiv 2403.09611): the encoder's features become tokens of the decoder's width, which take the
/// places of placeholders among the token embeddings; the decoder does not know the difference. Parts: <c>encoder</c>,
/// <c>connector</c>, <c>decoder</c>.
/// </summary>
public sealed class Mm1Model : Module
{
    /// <summary>Describes the model; <see cref="Module.Build"/> allocates it.</summary>
    public Mm1Model(Mm1Config config)
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        Encoder = AddChild("encoder", new VisionTransformer(config.Vision));
        Connector = AddChild("connector", Connector.Create(config.Connector, config.Vision.Width, config.Vision.Grid, config.Decoder.Width));
        Decoder = AddChild("decoder", new DecoderModel(config.Decoder));
    }

    /// <summary>The sizes.</summary>
    public Mm1Config Config { get; }

    /// <summary>The image encoder.</summary>
    public VisionTransformer Encoder { get; }

    /// <summary>The connector.</summary>
    public Connector Connector { get; }

    /// <summary>The decoder.</summary>
    public DecoderModel Decoder { get; }

    /// <summary>Whether blocks of encoder and decoder run again in backward instead of keeping their activations (default false).</summary>
    public bool RecomputesActivations
    {
        get => Decoder.RecomputesActivations;
        set => Encoder.RecomputesActivations = Decoder.RecomputesActivations = value;
    }

    /// <summary>Tokens that an image of this size takes.</summary>
    public int ImageTokens(int height, int width) => Connector.TokensOf(height / Config.Vision.PatchSize, width / Config.Vision.PatchSize);

    /// <summary>images [n, height, width, 3] to tokens of the decoder's width [n * imageTokens, width].</summary>
    public Tensor EncodeImages(Tensor images)
    {
        Tensor tokens = Connector.Forward(Encoder.Forward(images));
        return Functional.Reshape(tokens, [tokens.Shape[0] * tokens.Shape[1], tokens.Shape[2]]);
    }

    /// <summary>Final hidden states [tokens, width].</summary>
    public Tensor Forward(Mm1Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Tensor embeddings = Decoder.Embed(batch.TokenIds);
        if (batch.Images is { } images && images.Elements > 0)
        {
            Tensor placement = batch.Placement ?? throw new ArgumentException("The batch has images, but no placement that says where they stand.", nameof(batch));
            embeddings = Functional.PlaceImageTokens(embeddings, EncodeImages(images), placement);
        }
        return Decoder.Forward(embeddings, batch.Positions, batch.Layout);
    }

    /// <summary>Mean cross-entropy of the targets that count.</summary>
    /// <param name="batch">With targets.</param>
    /// <param name="zLossWeight">Weight of the output z-loss (default 0).</param>
    public Tensor Loss(Mm1Batch batch, float zLossWeight = 0)
    {
        Tensor targets = TargetsOf(batch);
        return Decoder.Loss(Forward(batch), targets, zLossWeight);
    }

    /// <summary>The same; also gives each token's own cross-entropy [tokens], without z-loss and not divided, 0 where the target does not count.</summary>
    public Tensor Loss(Mm1Batch batch, out Tensor tokenLosses, float zLossWeight = 0)
    {
        Tensor targets = TargetsOf(batch);
        return Decoder.Loss(Forward(batch), targets, out tokenLosses, zLossWeight);
    }

    private static Tensor TargetsOf(Mm1Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return batch.Targets ?? throw new ArgumentException("The batch has no targets.", nameof(batch));
    }
}
