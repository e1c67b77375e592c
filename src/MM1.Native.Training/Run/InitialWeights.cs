using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>Whose names an image encoder's file has.</summary>
public enum EncoderNames
{
    /// <summary>Ours (<c>docs/names.md</c>).</summary>
    Native,
    /// <summary>CLIP as Hugging Face transformers saves it.</summary>
    HuggingFaceClip,
    /// <summary>open_clip.</summary>
    OpenClip,
    /// <summary>AIM.</summary>
    Aim,
}

/// <summary>Whose names a decoder's file has.</summary>
public enum LlmNames
{
    /// <summary>Ours (<c>docs/names.md</c>).</summary>
    Native,
    /// <summary>Llama-style decoders as Hugging Face transformers saves them.</summary>
    HuggingFaceLlama,
}

/// <summary>Loads the weights that a run starts from.</summary>
internal static class InitialWeights
{
    public static void Load(Mm1Model model, InitialWeightsConfig config)
    {
        if (config.Model is { } whole) Read("init.model", whole, () => ModelFiles.Load(model, whole));
        if (config.Encoder is { } encoder) Read("init.encoder", encoder, () => ModelFiles.Load(model.Encoder, encoder, MapOf(config.EncoderNames, model.Config.Vision)));
        if (config.Connector is { } connector) Read("init.connector", connector, () => ModelFiles.Load(model.Connector, connector));
        if (config.Llm is { } llm) Read("init.llm", llm, () => ModelFiles.Load(model.Decoder, llm, config.LlmNames == LlmNames.HuggingFaceLlama ? WeightMaps.Llama() : null));
    }

    private static WeightMap? MapOf(EncoderNames names, VisionConfig vision) => names switch
    {
        EncoderNames.HuggingFaceClip => VisionWeightMaps.HuggingFaceClip(vision.PostNorm, vision.ProjectionWidth > 0),
        EncoderNames.OpenClip => VisionWeightMaps.OpenClip(vision.PostNorm, vision.ProjectionWidth > 0),
        EncoderNames.Aim => VisionWeightMaps.Aim(vision.Layers, vision.PostNorm),
        _ => null,
    };

    private static void Read(string key, string path, Action load)
    {
        try
        {
            load();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new TrainingException($"{key}: {failure.Message}", failure);
        }
    }
}
