namespace MM1.Native.Models;

/// <summary>What training is counted for.</summary>
public sealed record TrainingShape
{
    /// <summary>Tokens of a micro-batch, images' tokens among them.</summary>
    public required long Tokens { get; init; }

    /// <summary>Images of a micro-batch.</summary>
    public required long Images { get; init; }

    /// <summary>Whether blocks run again in backward instead of keeping their activations.</summary>
    public bool Recompute { get; init; }

    /// <summary>Whether a 16-bit copy of the weights is kept to compute with, and activations are 16-bit.</summary>
    public bool HalfPrecision { get; init; }

    /// <summary>Parameters that are trained; -1 (default) for all.</summary>
    public long Trained { get; init; } = -1;
}

/// <summary>
/// Bytes of training by class. Weights, gradients and AdamW's two moments are exact (float32, 4 bytes each); activations are an estimate: what a
/// block keeps for its backward. In elements a token: a decoder block 4 widths (its input, two normalized inputs, the sum between), query, key and
/// value, the attention's output and 3 hidden widths (gated: both branches and their product; else 2); an encoder block the same with a plain MLP; one
/// block at a time lives in full where blocks run again.
/// </summary>
/// <param name="Weights">float32 masters.</param>
/// <param name="Gradients">float32 sums of trained parameters.</param>
/// <param name="Optimizer">AdamW's two moments of trained parameters.</param>
/// <param name="Shadow">16-bit copies to compute with.</param>
/// <param name="Activations">Estimate of what forward keeps for backward.</param>
public sealed record ModelMemory(long Weights, long Gradients, long Optimizer, long Shadow, long Activations)
{
    /// <summary>All of them.</summary>
    public long Total => Weights + Gradients + Optimizer + Shadow + Activations;

    /// <summary>Counts a configuration.</summary>
    public static ModelMemory Of(Mm1Config config, ParameterTotals parameters, TrainingShape shape)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(shape);
        long all = parameters.Total, trained = shape.Trained < 0 ? all : shape.Trained;
        double elements = OfDecoder(config.Decoder, shape) + OfVision(config, shape);
        return new ModelMemory(4 * all, 4 * trained, 8 * trained, shape.HalfPrecision ? 2 * all : 0, (long)(elements * (shape.HalfPrecision ? 2 : 4)));
    }

    private static double OfDecoder(DecoderConfig decoder, TrainingShape shape)
    {
        double heads = decoder.Heads * decoder.ResolvedHeadSize, keyValueHeads = decoder.ResolvedKeyValueHeads * decoder.ResolvedHeadSize;
        bool gated = decoder.Mlp is MlpKind.SwiGlu or MlpKind.GeGlu;
        double block = 4 * decoder.Width + 2 * heads + 2 * keyValueHeads + (gated ? 3 : 2) * decoder.Hidden;
        // Embeddings, and at the end the normalized hidden states and their gradient.
        return shape.Tokens * (Layers(decoder.Layers, block, decoder.Width, shape) + 3 * decoder.Width);
    }

    private static double OfVision(Mm1Config config, TrainingShape shape)
    {
        VisionConfig vision = config.Vision;
        double patches = (double)vision.Grid * vision.Grid, tokens = patches + (vision.ClassToken ? 1 : 0);
        double block = 8 * vision.Width + 2 * vision.ResolvedHidden;
        int layers = vision.FeatureLayers == 0 ? vision.Layers : vision.FeatureLayers;
        double encoder = tokens * (Layers(layers, block, vision.Width, shape) + 2 * vision.Width) + patches * vision.PatchSize * vision.PatchSize * 3 + OfStem(vision);
        return shape.Images * (encoder + OfConnector(config.Connector, vision.Width, patches, config.Decoder.Width));
    }

    /// <summary>A convolution's result, its norm's and its activation's, at each of the stem's resolutions.</summary>
    private static double OfStem(VisionConfig vision)
    {
        double elements = 0;
        for (int i = 1; i <= vision.StemConvolutions; i++)
        {
            double side = (double)vision.Grid * (1 << (vision.StemConvolutions - i));
            elements += 3 * side * side * (vision.Width >> (vision.StemConvolutions - i));
        }
        return elements;
    }

    private static double OfConnector(ConnectorConfig connector, double channels, double patches, double width) => connector.Kind switch
    {
        ConnectorKind.AveragePooling => connector.Tokens * (channels + width),
        ConnectorKind.AttentionPooling => 3 * patches * channels + connector.Tokens * (2 * channels + width),
        // A block keeps the results of its three convolutions, of their norms and of their activations, and its sum.
        ConnectorKind.CAbstractor => 10.0 * connector.Hidden * connector.Depth * (patches + connector.Tokens) + connector.Tokens * connector.ReadoutDepth * width,
        ConnectorKind.Linear => patches * width,
        ConnectorKind.Mlp => 3 * patches * width,
        _ => throw new ArgumentOutOfRangeException(nameof(connector), connector.Kind, "A connector kind is needed."),
    };

    private static double Layers(int layers, double block, double width, TrainingShape shape) => shape.Recompute ? layers * width + block : layers * block;
}
