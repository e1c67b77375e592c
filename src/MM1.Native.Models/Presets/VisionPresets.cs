namespace MM1.Native.Models;

/// <summary>Image encoders of the paper.</summary>
public static class VisionPresets
{
    /// <summary>ViT-L/14 at 224 or 336 pixels (OpenAI CLIP's shape; the ablations' encoder).</summary>
    public static VisionConfig ClipLarge(int imageSize = 336) => VisionConfig.Clip(imageSize, 14, 24, 1024, 16);

    /// <summary>ViT-H/14 at 378 pixels (DFN5B's shape; the final models' encoder).</summary>
    public static VisionConfig ClipHuge(int imageSize = 378) => VisionConfig.Clip(imageSize, 14, 32, 1280, 16);

    /// <summary>AIM-600M at 224 pixels; MM1 uses 20 of the 24 blocks, so that only those are built by default.</summary>
    public static VisionConfig Aim600M(int layers = 20) => VisionConfig.Aim(224, 14, layers, 1536, 12);

    /// <summary>AIM-1B.</summary>
    public static VisionConfig Aim1B(int layers = 20) => VisionConfig.Aim(224, 14, layers, 2048, 16);

    /// <summary>AIM-3B.</summary>
    public static VisionConfig Aim3B(int layers = 20) => VisionConfig.Aim(224, 14, layers, 3072, 24);
}
