namespace MM1.Native.Models;

/// <summary>
/// Floating point operations of a model, by arithmetic on its sizes; nothing is allocated. The convention of utilisation figures: a multiply-add
/// counts two, only matrix products, convolutions and attention count, and a backward pass costs twice its forward pass.
/// <list type="bullet">
/// <item>Decoder block, a token: 2 * weights of its linear layers + 4 * heads * headSize * keys, where a causal document of L tokens shows
/// (L + 1) / 2 keys on average. Head: 2 * width * vocabulary.</item>
/// <item>Encoder, an image of P patches and c class tokens: patches 2 * P * patch^2 * 3 * width, or a stem's convolutions, 18 * in * out a pixel, and
/// 2 * P * width^2; each block 2 * (P + c) * weights +
/// 4 * (P + c)^2 * width.</item>
/// <item>Connector: the same rules on its layers; a depthwise 3x3 convolution is 18 a pixel and channel.</item>
/// </list>
/// </summary>
/// <param name="LinearPerToken">Linear layers of the decoder's blocks and its head, forward, a token.</param>
/// <param name="AttentionPerKey">Attention of all blocks, forward, a token and key that it attends to.</param>
/// <param name="EncoderPerImage">Image encoder, forward, an image.</param>
/// <param name="ConnectorPerImage">Connector, forward, an image.</param>
/// <param name="DocumentLength">Tokens of the documents that attention is counted for.</param>
/// <param name="ImageTokens">Tokens of the decoder that an image takes.</param>
public sealed record ModelCost(double LinearPerToken, double AttentionPerKey, double EncoderPerImage, double ConnectorPerImage, long DocumentLength, int ImageTokens)
{
    /// <summary>Decoder blocks and head, forward, a token of a document of <see cref="DocumentLength"/>.</summary>
    public double DecoderPerToken => LinearPerToken + AttentionPerKey * (DocumentLength + 1) / 2.0;

    /// <summary>Encoder and connector, forward, an image; its tokens in the decoder count as tokens.</summary>
    public double PerImage => EncoderPerImage + ConnectorPerImage;

    /// <summary>Forward and backward of a token in the decoder.</summary>
    public double TrainingPerToken => 3 * DecoderPerToken;

    /// <summary>Forward and backward of an image in encoder and connector.</summary>
    public double TrainingPerImage => 3 * PerImage;

    /// <summary>Operations of a training step over so many tokens (image tokens among them) and images.</summary>
    public double OfStep(double tokens, double images) => tokens * TrainingPerToken + images * TrainingPerImage;

    /// <summary>Operations of training on packed documents, forward and backward.</summary>
    /// <param name="positions">Positions of the sequences, image tokens and padding among them.</param>
    /// <param name="attended">Pairs of a token and a key that it attends to: the sum of L (L + 1) / 2 over documents of L tokens.</param>
    /// <param name="images">Images that encoder and connector run on.</param>
    public double OfPacked(double positions, double attended, double images) => 3 * (positions * LinearPerToken + attended * AttentionPerKey + images * PerImage);

    /// <summary>Counts a configuration.</summary>
    /// <param name="config">The model.</param>
    /// <param name="documentLength">Tokens of a document; 0 (default) for the decoder's positions.</param>
    public static ModelCost Of(Mm1Config config, long documentLength = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegative(documentLength);
        if (documentLength == 0) documentLength = config.Decoder.MaxPositions;
        VisionConfig vision = config.Vision;
        long patches = (long)vision.Grid * vision.Grid;
        int tokens = config.Connector.Kind is ConnectorKind.Linear or ConnectorKind.Mlp ? checked((int)patches) : config.Connector.Tokens;
        (double linear, double attention) = OfDecoder(config.Decoder);
        return new ModelCost(linear, attention, OfEncoder(vision), OfConnector(config.Connector, vision.Width, patches, tokens, config.Decoder.Width),
            documentLength, tokens);
    }

    private static (double LinearPerToken, double AttentionPerKey) OfDecoder(DecoderConfig decoder)
    {
        double heads = decoder.Heads * decoder.ResolvedHeadSize, keyValueHeads = decoder.ResolvedKeyValueHeads * decoder.ResolvedHeadSize;
        double branches = decoder.Mlp is MlpKind.SwiGlu or MlpKind.GeGlu ? 3 : 2;
        double weights = decoder.Width * (2 * heads + 2 * keyValueHeads + branches * decoder.Hidden);
        return (decoder.Layers * 2 * weights + 2.0 * decoder.Width * decoder.Vocabulary, decoder.Layers * 4 * heads);
    }

    private static double OfEncoder(VisionConfig vision)
    {
        double width = vision.Width, patches = (double)vision.Grid * vision.Grid, tokens = patches + (vision.ClassToken ? 1 : 0);
        double weights = 4 * width * width + 2 * width * vision.ResolvedHidden;
        int layers = vision.FeatureLayers == 0 ? vision.Layers : vision.FeatureLayers;
        return OfPatches(vision, patches, width) + layers * (2 * tokens * weights + 4 * tokens * tokens * width);
    }

    private static double OfPatches(VisionConfig vision, double patches, double width)
    {
        if (vision.StemConvolutions == 0) return 2 * patches * vision.PatchSize * vision.PatchSize * 3 * width;
        double cost = 2 * patches * width * width, pixels = patches, outputs = vision.Width;
        // From the last, whose pixels are the patches, to the first.
        for (int i = vision.StemConvolutions - 1; i >= 0; i--, pixels *= 4)
        {
            double inputs = i == 0 ? 3 : vision.Width >> (vision.StemConvolutions - i);
            cost += 18 * pixels * inputs * outputs;
            outputs = inputs;
        }
        return cost;
    }

    private static double OfConnector(ConnectorConfig connector, double channels, double patches, double tokens, double width) => connector.Kind switch
    {
        ConnectorKind.AveragePooling => 2 * tokens * channels * width,
        ConnectorKind.AttentionPooling => 4 * patches * channels * channels + 4 * tokens * patches * channels + 2 * tokens * channels * width,
        ConnectorKind.CAbstractor => OfCAbstractor(connector, channels, patches, tokens, width),
        ConnectorKind.Linear => 2 * patches * channels * width,
        ConnectorKind.Mlp => 2 * patches * (channels * width + width * width),
        _ => throw new ArgumentOutOfRangeException(nameof(connector), connector.Kind, "A connector kind is needed."),
    };

    private static double OfCAbstractor(ConnectorConfig connector, double channels, double patches, double tokens, double width)
    {
        double hidden = connector.Hidden, blocks = connector.Depth;
        double first = Block(channels, patches) + (blocks - 1) * Block(hidden, patches), second = blocks * Block(hidden, tokens);
        double readout = 2 * tokens * (hidden * width + (connector.ReadoutDepth - 1) * width * width);
        return first + second + readout;

        double Block(double input, double pixels)
        {
            double squeezed = Math.Round(0.25 * input, MidpointRounding.ToEven);
            double shortcut = input == hidden ? 0 : input * hidden;
            return 2 * pixels * (input * hidden + 9 * hidden + hidden * hidden + shortcut) + 4 * hidden * squeezed;
        }
    }
}
