using System.Numerics;

namespace MM1.Native.Models.Tests;

/// <summary>The whole model by plain loops: images, connector, placement, decoder.</summary>
internal static class Mm1Reference<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>Final hidden states of packed documents.</summary>
    /// <param name="w">All parameters.</param>
    /// <param name="config">The sizes.</param>
    /// <param name="tokens">Token ids.</param>
    /// <param name="placement">Row of the image tokens at placeholders, else -1.</param>
    /// <param name="starts">First token of each document, then the number of tokens.</param>
    /// <param name="images">Pixels of each image.</param>
    public static T[] Hidden(Weights<T> w, Mm1Config config, int[] tokens, int[] placement, int[] starts, T[][] images)
    {
        int width = (int)config.Decoder.Width;
        T[] imageTokens = [.. images.SelectMany(image => Connect(w.Part("connector."), config, VisionReference<T>.Forward(w.Part("encoder."), config.Vision, image, config.Vision.Layers)))];
        Weights<T> decoder = w.Part("decoder.");
        T[] embeddings = DecoderReference<T>.Embed(decoder, config.Decoder, tokens);
        for (int t = 0; t < tokens.Length; t++)
        {
            if (placement[t] >= 0) imageTokens.AsSpan(placement[t] * width, width).CopyTo(embeddings.AsSpan(t * width));
        }
        return [.. Enumerable.Range(0, starts.Length - 1).SelectMany(i => DecoderReference<T>.Hidden(decoder, config.Decoder, embeddings[(starts[i] * width)..(starts[i + 1] * width)]))];
    }

    /// <summary>Tokens of one image's features.</summary>
    private static T[] Connect(Weights<T> w, Mm1Config config, T[] features)
    {
        int channels = (int)config.Vision.Width, grid = config.Vision.Grid, side = (int)Math.Round(Math.Sqrt(config.Connector.Tokens)), width = (int)config.Decoder.Width;
        return config.Connector.Kind switch
        {
            ConnectorKind.AveragePooling => Plain<T>.Linear(Plain<T>.AdaptivePool(features, grid, grid, channels, side, side), w["projection.weight"], w["projection.bias"], channels),
            ConnectorKind.AttentionPooling => ConnectorReference<T>.AttentionPooling(w, features, channels, config.Connector.Heads),
            ConnectorKind.CAbstractor => ConnectorReference<T>.CAbstractor(w, config.Connector, features, grid, channels, side),
            ConnectorKind.Linear => Plain<T>.Linear(features, w["projection.weight"], w["projection.bias"], channels),
            _ => Plain<T>.Linear(Plain<T>.Map(Plain<T>.Linear(features, w["fc1.weight"], w["fc1.bias"], channels), Plain<T>.Gelu), w["fc2.weight"], w["fc2.bias"], width),
        };
    }
}
