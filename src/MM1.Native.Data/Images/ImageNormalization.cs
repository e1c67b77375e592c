namespace MM1.Native.Data;

/// <summary>Means and standard deviations of red, green, blue in [0, 1], by which pixels are normalised.</summary>
public static class ImageNormalization
{
    /// <summary>CLIP's mean (OpenAI, also OpenCLIP and LLaVA).</summary>
    public static IReadOnlyList<float> ClipMean { get; } = [0.48145466f, 0.4578275f, 0.40821073f];

    /// <summary>CLIP's standard deviation.</summary>
    public static IReadOnlyList<float> ClipStandardDeviation { get; } = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>ImageNet's mean (torchvision's models).</summary>
    public static IReadOnlyList<float> ImageNetMean { get; } = [0.485f, 0.456f, 0.406f];

    /// <summary>ImageNet's standard deviation.</summary>
    public static IReadOnlyList<float> ImageNetStandardDeviation { get; } = [0.229f, 0.224f, 0.225f];
}
