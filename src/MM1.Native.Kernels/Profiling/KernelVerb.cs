namespace MM1.Native.Kernels;

/// <summary>Every verb of <see cref="IKernels"/>, to count and time by.</summary>
public enum KernelVerb
{
    /// <summary>Attention: <see cref="IKernels.FlashAttentionForward"/>.</summary>
    FlashAttentionForward,
    /// <summary>Attention: <see cref="IKernels.FlashAttentionBackward"/>.</summary>
    FlashAttentionBackward,
    /// <summary>Attention: <see cref="IKernels.FlashAttentionDecode"/>.</summary>
    FlashAttentionDecode,
    /// <summary>Attention: <see cref="IKernels.KeyValueCacheAppend"/>.</summary>
    KeyValueCacheAppend,
    /// <summary>Convolution: <see cref="IKernels.ConvolutionForward"/>.</summary>
    ConvolutionForward,
    /// <summary>Convolution: <see cref="IKernels.ConvolutionBackwardData"/>.</summary>
    ConvolutionBackwardData,
    /// <summary>Convolution: <see cref="IKernels.ConvolutionBackwardWeight"/>.</summary>
    ConvolutionBackwardWeight,
    /// <summary>Convolution: <see cref="IKernels.AdaptiveAveragePoolForward"/>.</summary>
    AdaptiveAveragePoolForward,
    /// <summary>Convolution: <see cref="IKernels.AdaptiveAveragePoolBackward"/>.</summary>
    AdaptiveAveragePoolBackward,
    /// <summary>Convolution: <see cref="IKernels.GridInterpolationForward"/>.</summary>
    GridInterpolationForward,
    /// <summary>Convolution: <see cref="IKernels.GridInterpolationBackward"/>.</summary>
    GridInterpolationBackward,
    /// <summary>Elementwise: <see cref="IKernels.Add"/>.</summary>
    Add,
    /// <summary>Elementwise: <see cref="IKernels.Multiply"/>.</summary>
    Multiply,
    /// <summary>Elementwise: <see cref="IKernels.Scale"/>.</summary>
    Scale,
    /// <summary>Elementwise: <see cref="IKernels.ActivationForward"/>.</summary>
    ActivationForward,
    /// <summary>Elementwise: <see cref="IKernels.ActivationBackward"/>.</summary>
    ActivationBackward,
    /// <summary>Elementwise: <see cref="IKernels.GatedActivationForward"/>.</summary>
    GatedActivationForward,
    /// <summary>Elementwise: <see cref="IKernels.GatedActivationBackward"/>.</summary>
    GatedActivationBackward,
    /// <summary>Elementwise: <see cref="IKernels.RotaryEmbedding"/>.</summary>
    RotaryEmbedding,
    /// <summary>Elementwise: <see cref="IKernels.Cast"/>.</summary>
    Cast,
    /// <summary>Elementwise: <see cref="IKernels.Fill"/>.</summary>
    Fill,
    /// <summary>Elementwise: <see cref="IKernels.Copy"/>.</summary>
    Copy,
    /// <summary>Elementwise: <see cref="IKernels.TransposeBlocks"/>.</summary>
    TransposeBlocks,
    /// <summary>Embedding: <see cref="IKernels.EmbeddingGather"/>.</summary>
    EmbeddingGather,
    /// <summary>Embedding: <see cref="IKernels.EmbeddingScatterAdd"/>.</summary>
    EmbeddingScatterAdd,
    /// <summary>Embedding: <see cref="IKernels.ImageTokenPlacementForward"/>.</summary>
    ImageTokenPlacementForward,
    /// <summary>Embedding: <see cref="IKernels.ImageTokenPlacementBackward"/>.</summary>
    ImageTokenPlacementBackward,
    /// <summary>Gemm: <see cref="IKernels.Gemm"/>.</summary>
    Gemm,
    /// <summary>Gemm: <see cref="IKernels.BiasGradient"/>.</summary>
    BiasGradient,
    /// <summary>Loss: <see cref="IKernels.CrossEntropyForward"/>.</summary>
    CrossEntropyForward,
    /// <summary>Loss: <see cref="IKernels.CrossEntropyBackward"/>.</summary>
    CrossEntropyBackward,
    /// <summary>Loss: <see cref="IKernels.LinearCrossEntropyForward"/>.</summary>
    LinearCrossEntropyForward,
    /// <summary>Loss: <see cref="IKernels.LinearCrossEntropyBackward"/>.</summary>
    LinearCrossEntropyBackward,
    /// <summary>Loss: <see cref="IKernels.ContrastiveLossForward"/>.</summary>
    ContrastiveLossForward,
    /// <summary>Loss: <see cref="IKernels.ContrastiveLossBackward"/>.</summary>
    ContrastiveLossBackward,
    /// <summary>Loss: <see cref="IKernels.PatchRegressionForward"/>.</summary>
    PatchRegressionForward,
    /// <summary>Loss: <see cref="IKernels.PatchRegressionBackward"/>.</summary>
    PatchRegressionBackward,
    /// <summary>Normalization: <see cref="IKernels.LayerNormForward"/>.</summary>
    LayerNormForward,
    /// <summary>Normalization: <see cref="IKernels.LayerNormBackward"/>.</summary>
    LayerNormBackward,
    /// <summary>Normalization: <see cref="IKernels.RmsNormForward"/>.</summary>
    RmsNormForward,
    /// <summary>Normalization: <see cref="IKernels.RmsNormBackward"/>.</summary>
    RmsNormBackward,
    /// <summary>Normalization: <see cref="IKernels.L2NormalizeForward"/>.</summary>
    L2NormalizeForward,
    /// <summary>Normalization: <see cref="IKernels.L2NormalizeBackward"/>.</summary>
    L2NormalizeBackward,
    /// <summary>Optimizer: <see cref="IKernels.GradientNorm"/>.</summary>
    GradientNorm,
    /// <summary>Optimizer: <see cref="IKernels.AdamW"/>.</summary>
    AdamW,
    /// <summary>Optimizer: <see cref="IKernels.Adafactor"/>.</summary>
    Adafactor,
    /// <summary>Random: <see cref="IKernels.RandomFill"/>.</summary>
    RandomFill,
    /// <summary>Reduction: <see cref="IKernels.Reduce"/>.</summary>
    Reduce,
    /// <summary>Reduction: <see cref="IKernels.ReduceRows"/>.</summary>
    ReduceRows,
    /// <summary>Reduction: <see cref="IKernels.ArgMax"/>.</summary>
    ArgMax,
    /// <summary>Reduction: <see cref="IKernels.TopK"/>.</summary>
    TopK,
    /// <summary>Reduction: <see cref="IKernels.SoftmaxForward"/>.</summary>
    SoftmaxForward,
    /// <summary>Reduction: <see cref="IKernels.SoftmaxBackward"/>.</summary>
    SoftmaxBackward,
}
