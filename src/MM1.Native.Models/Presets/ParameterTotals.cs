namespace MM1.Native.Models;

/// <summary>Numbers of parameters by part, counted without allocating any.</summary>
/// <param name="Encoder">Image encoder.</param>
/// <param name="Connector">Connector.</param>
/// <param name="Embeddings">Token and position embeddings of the decoder, and an untied head.</param>
/// <param name="DecoderBody">The decoder without them: the N of the learning rate.</param>
public sealed record ParameterTotals(long Encoder, long Connector, long Embeddings, long DecoderBody)
{
    /// <summary>All parameters.</summary>
    public long Total => Encoder + Connector + Embeddings + DecoderBody;

    /// <summary>Peak learning rate of the paper's equation 1, exp(-0.4214 ln N - 0.5535) with N the decoder's parameters without embeddings.</summary>
    public double PeakLearningRate => Math.Exp(-0.4214 * Math.Log(DecoderBody) - 0.5535);

    /// <summary>Counts a configuration.</summary>
    public static ParameterTotals Of(Mm1Config config)
    {
        ArgumentNullException.ThrowIfNull(config);
        using var model = new Mm1Model(config);
        long embeddings = 0;
        foreach (string part in (ReadOnlySpan<string>)["decoder.token_embedding.*", "decoder.position_embedding.*", "decoder.head.*"])
            embeddings += model.Parameters().Matching(part).Sum(parameter => parameter.Elements);
        return new ParameterTotals(model.Encoder.ParameterCount(), model.Connector.ParameterCount(), embeddings, model.Decoder.ParameterCount() - embeddings);
    }
}
