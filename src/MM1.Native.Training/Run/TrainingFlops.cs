using MM1.Native.Data;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>
/// An estimate of the floating-point operations of training: 6 a parameter and position (2 forward, 4 backward; Kaplan et al. 2020, arXiv 2001.08361), and attention's products of documents and
/// images. Norms, activations and recomputation are not counted.
/// </summary>
public sealed class TrainingFlops
{
    private readonly double _perPosition, _perSquaredLength, _perImage;

    /// <summary>Counts a model.</summary>
    public TrainingFlops(Mm1Config config)
    {
        ArgumentNullException.ThrowIfNull(config);
        ParameterTotals totals = ParameterTotals.Of(config);
        DecoderConfig decoder = config.Decoder;
        VisionConfig vision = config.Vision;
        _perPosition = 6.0 * (totals.DecoderBody + (double)decoder.Vocabulary * decoder.Width);
        // Two products of 2 * width operations a pair of positions, of which causality needs half; backward is twice forward.
        _perSquaredLength = 6.0 * decoder.Layers * decoder.Heads * decoder.ResolvedHeadSize;
        double patches = (double)vision.Grid * vision.Grid;
        int layers = vision.FeatureLayers == 0 ? vision.Layers : vision.FeatureLayers;
        _perImage = 6.0 * (totals.Encoder + totals.Connector) * patches + 12.0 * layers * vision.Width * patches * patches;
    }

    /// <summary>Of a batch, forward and backward.</summary>
    public double Of(PackedBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        double squares = 0;
        foreach (PackedDocument document in batch.Documents) squares += (double)document.Length * document.Length;
        return _perPosition * batch.Sequences * batch.Length + _perSquaredLength * squares + _perImage * batch.PaddedImageCount;
    }
}
