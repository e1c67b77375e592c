using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>How a vision transformer knows where a patch stands.</summary>
public enum PatchPositionKind
{
    /// <summary>A learned table of the training grid, interpolated to others (CLIP).</summary>
    Learned,
    /// <summary>Fixed two-dimensional sines and cosines (AIM; MAE, arXiv 2111.06377).</summary>
    SinCos,
}

/// <summary>A vision transformer; <see cref="Clip"/> and <see cref="Aim"/> give the two forms that the paper uses.</summary>
public sealed record VisionConfig
{
    /// <summary>Side of the images it is trained at, in pixels.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Side of a patch.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Width.</summary>
    public required long Width { get; init; }

    /// <summary>Heads.</summary>
    public required long Heads { get; init; }

    /// <summary>Hidden width of the MLP; 0 (default) for 4 * Width.</summary>
    public long Hidden { get; init; }

    /// <summary>Activation of the MLP (default exact GELU).</summary>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Epsilon of the norms (default 1e-5).</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Whether a learned class token comes first.</summary>
    public bool ClassToken { get; init; }

    /// <summary>Positions.</summary>
    public PatchPositionKind Position { get; init; }

    /// <summary>Whether interpolating the learned table to fewer positions is anti-aliased (default true, as open_clip; Hugging Face does not).</summary>
    public bool AntialiasPositions { get; init; } = true;

    /// <summary>
    /// 3x3 convolutions of stride 2, each with a norm and the activation, and a 1x1 convolution in place of the patch convolution; 0 (default) for none. The patch size is
    /// 2^this, channels double up to Width. A small encoder that learns from scratch sees edges sooner (Xiao et al. 2021, arXiv 2106.14881).
    /// </summary>
    public int StemConvolutions { get; init; }

    /// <summary>Bias of the patch convolution.</summary>
    public bool PatchBias { get; init; }

    /// <summary>Layer norm after the patch convolution (AIM).</summary>
    public bool PatchNorm { get; init; }

    /// <summary>Layer norm before the first block (CLIP's ln_pre).</summary>
    public bool PreNorm { get; init; }

    /// <summary>Biases of the linear layers of blocks (default true).</summary>
    public bool Bias { get; init; } = true;

    /// <summary>Blocks that run for <see cref="VisionTransformer.Forward"/>; 0 (default) for all. MM1 uses 20 of AIM's 24.</summary>
    public int FeatureLayers { get; init; }

    /// <summary>Whether there is a norm after the last block; features are taken before it, so that only contrastive training needs it.</summary>
    public bool PostNorm { get; init; }

    /// <summary>Width of the contrastive projection; 0 (default) for none.</summary>
    public long ProjectionWidth { get; init; }

    /// <summary>Patches along a side of a training image.</summary>
    public int Grid => ImageSize / PatchSize;

    /// <summary>Hidden width, the default resolved.</summary>
    public long ResolvedHidden => Hidden == 0 ? 4 * Width : Hidden;

    /// <summary>CLIP's form (arXiv 2103.00020; OpenAI and DFN use QuickGELU): class token, learned positions, ln_pre, patch convolution without bias.</summary>
    public static VisionConfig Clip(int imageSize, int patchSize, int layers, long width, long heads, Activation activation = Activation.QuickGelu) => new()
    {
        ImageSize = imageSize,
        PatchSize = patchSize,
        Layers = layers,
        Width = width,
        Heads = heads,
        Activation = activation,
        ClassToken = true,
        PreNorm = true,
    };

    /// <summary>AIM's form (arXiv 2401.08541): no class token, sines and cosines, a norm after the patches, no biases in blocks, epsilon 1e-6.</summary>
    public static VisionConfig Aim(int imageSize, int patchSize, int layers, long width, long heads, int featureLayers = 0) => new()
    {
        ImageSize = imageSize,
        PatchSize = patchSize,
        Layers = layers,
        Width = width,
        Heads = heads,
        NormEpsilon = 1e-6f,
        Position = PatchPositionKind.SinCos,
        PatchBias = true,
        PatchNorm = true,
        Bias = false,
        FeatureLayers = featureLayers,
    };
}
