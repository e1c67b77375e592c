namespace MM1.Native.Kernels;

/// <summary>The kernels of a device with a clock around every launch.</summary>
internal sealed class ProfilingKernels(IKernels kernels, KernelProfile profile) : IKernels
{
    // Attention
    public void FlashAttentionForward(in Launch launch, in FlashAttentionForwardArgs args)
    {
        long start = profile.Start();
        kernels.FlashAttentionForward(launch, args);
        profile.End(KernelVerb.FlashAttentionForward, start);
    }
    public long FlashAttentionForwardWorkspaceBytes(in FlashAttentionForwardArgs args) => kernels.FlashAttentionForwardWorkspaceBytes(args);
    public void FlashAttentionBackward(in Launch launch, in FlashAttentionBackwardArgs args)
    {
        long start = profile.Start();
        kernels.FlashAttentionBackward(launch, args);
        profile.End(KernelVerb.FlashAttentionBackward, start);
    }
    public long FlashAttentionBackwardWorkspaceBytes(in FlashAttentionBackwardArgs args) => kernels.FlashAttentionBackwardWorkspaceBytes(args);
    public void FlashAttentionDecode(in Launch launch, in FlashAttentionDecodeArgs args)
    {
        long start = profile.Start();
        kernels.FlashAttentionDecode(launch, args);
        profile.End(KernelVerb.FlashAttentionDecode, start);
    }
    public long FlashAttentionDecodeWorkspaceBytes(in FlashAttentionDecodeArgs args) => kernels.FlashAttentionDecodeWorkspaceBytes(args);
    public void KeyValueCacheAppend(in Launch launch, in KeyValueCacheAppendArgs args)
    {
        long start = profile.Start();
        kernels.KeyValueCacheAppend(launch, args);
        profile.End(KernelVerb.KeyValueCacheAppend, start);
    }

    // Convolution
    public void ConvolutionForward(in Launch launch, in ConvolutionForwardArgs args)
    {
        long start = profile.Start();
        kernels.ConvolutionForward(launch, args);
        profile.End(KernelVerb.ConvolutionForward, start);
    }
    public long ConvolutionForwardWorkspaceBytes(in ConvolutionForwardArgs args) => kernels.ConvolutionForwardWorkspaceBytes(args);
    public void ConvolutionBackwardData(in Launch launch, in ConvolutionBackwardDataArgs args)
    {
        long start = profile.Start();
        kernels.ConvolutionBackwardData(launch, args);
        profile.End(KernelVerb.ConvolutionBackwardData, start);
    }
    public long ConvolutionBackwardDataWorkspaceBytes(in ConvolutionBackwardDataArgs args) => kernels.ConvolutionBackwardDataWorkspaceBytes(args);
    public void ConvolutionBackwardWeight(in Launch launch, in ConvolutionBackwardWeightArgs args)
    {
        long start = profile.Start();
        kernels.ConvolutionBackwardWeight(launch, args);
        profile.End(KernelVerb.ConvolutionBackwardWeight, start);
    }
    public long ConvolutionBackwardWeightWorkspaceBytes(in ConvolutionBackwardWeightArgs args) => kernels.ConvolutionBackwardWeightWorkspaceBytes(args);
    public void AdaptiveAveragePoolForward(in Launch launch, in AdaptiveAveragePoolForwardArgs args)
    {
        long start = profile.Start();
        kernels.AdaptiveAveragePoolForward(launch, args);
        profile.End(KernelVerb.AdaptiveAveragePoolForward, start);
    }
    public void AdaptiveAveragePoolBackward(in Launch launch, in AdaptiveAveragePoolBackwardArgs args)
    {
        long start = profile.Start();
        kernels.AdaptiveAveragePoolBackward(launch, args);
        profile.End(KernelVerb.AdaptiveAveragePoolBackward, start);
    }
    public void GridInterpolationForward(in Launch launch, in GridInterpolationForwardArgs args)
    {
        long start = profile.Start();
        kernels.GridInterpolationForward(launch, args);
        profile.End(KernelVerb.GridInterpolationForward, start);
    }
    public void GridInterpolationBackward(in Launch launch, in GridInterpolationBackwardArgs args)
    {
        long start = profile.Start();
        kernels.GridInterpolationBackward(launch, args);
        profile.End(KernelVerb.GridInterpolationBackward, start);
    }

    // Elementwise
    public void Add(in Launch launch, in AddArgs args)
    {
        long start = profile.Start();
        kernels.Add(launch, args);
        profile.End(KernelVerb.Add, start);
    }
    public void Multiply(in Launch launch, in MultiplyArgs args)
    {
        long start = profile.Start();
        kernels.Multiply(launch, args);
        profile.End(KernelVerb.Multiply, start);
    }
    public void Scale(in Launch launch, in ScaleArgs args)
    {
        long start = profile.Start();
        kernels.Scale(launch, args);
        profile.End(KernelVerb.Scale, start);
    }
    public void ActivationForward(in Launch launch, in ActivationForwardArgs args)
    {
        long start = profile.Start();
        kernels.ActivationForward(launch, args);
        profile.End(KernelVerb.ActivationForward, start);
    }
    public void ActivationBackward(in Launch launch, in ActivationBackwardArgs args)
    {
        long start = profile.Start();
        kernels.ActivationBackward(launch, args);
        profile.End(KernelVerb.ActivationBackward, start);
    }
    public void GatedActivationForward(in Launch launch, in GatedActivationForwardArgs args)
    {
        long start = profile.Start();
        kernels.GatedActivationForward(launch, args);
        profile.End(KernelVerb.GatedActivationForward, start);
    }
    public void GatedActivationBackward(in Launch launch, in GatedActivationBackwardArgs args)
    {
        long start = profile.Start();
        kernels.GatedActivationBackward(launch, args);
        profile.End(KernelVerb.GatedActivationBackward, start);
    }
    public void RotaryEmbedding(in Launch launch, in RotaryEmbeddingArgs args)
    {
        long start = profile.Start();
        kernels.RotaryEmbedding(launch, args);
        profile.End(KernelVerb.RotaryEmbedding, start);
    }
    public void Cast(in Launch launch, in CastArgs args)
    {
        long start = profile.Start();
        kernels.Cast(launch, args);
        profile.End(KernelVerb.Cast, start);
    }
    public void Fill(in Launch launch, in FillArgs args)
    {
        long start = profile.Start();
        kernels.Fill(launch, args);
        profile.End(KernelVerb.Fill, start);
    }
    public void Copy(in Launch launch, in CopyArgs args)
    {
        long start = profile.Start();
        kernels.Copy(launch, args);
        profile.End(KernelVerb.Copy, start);
    }
    public void TransposeBlocks(in Launch launch, in TransposeBlocksArgs args)
    {
        long start = profile.Start();
        kernels.TransposeBlocks(launch, args);
        profile.End(KernelVerb.TransposeBlocks, start);
    }

    // Embedding
    public void EmbeddingGather(in Launch launch, in EmbeddingGatherArgs args)
    {
        long start = profile.Start();
        kernels.EmbeddingGather(launch, args);
        profile.End(KernelVerb.EmbeddingGather, start);
    }
    public void EmbeddingScatterAdd(in Launch launch, in EmbeddingScatterAddArgs args)
    {
        long start = profile.Start();
        kernels.EmbeddingScatterAdd(launch, args);
        profile.End(KernelVerb.EmbeddingScatterAdd, start);
    }
    public long EmbeddingScatterAddWorkspaceBytes(in EmbeddingScatterAddArgs args) => kernels.EmbeddingScatterAddWorkspaceBytes(args);
    public void ImageTokenPlacementForward(in Launch launch, in ImageTokenPlacementForwardArgs args)
    {
        long start = profile.Start();
        kernels.ImageTokenPlacementForward(launch, args);
        profile.End(KernelVerb.ImageTokenPlacementForward, start);
    }
    public void ImageTokenPlacementBackward(in Launch launch, in ImageTokenPlacementBackwardArgs args)
    {
        long start = profile.Start();
        kernels.ImageTokenPlacementBackward(launch, args);
        profile.End(KernelVerb.ImageTokenPlacementBackward, start);
    }

    // Gemm
    public void Gemm(in Launch launch, in GemmArgs args)
    {
        long start = profile.Start();
        kernels.Gemm(launch, args);
        profile.End(KernelVerb.Gemm, start);
    }
    public long GemmWorkspaceBytes(in GemmArgs args) => kernels.GemmWorkspaceBytes(args);
    public void BiasGradient(in Launch launch, in BiasGradientArgs args)
    {
        long start = profile.Start();
        kernels.BiasGradient(launch, args);
        profile.End(KernelVerb.BiasGradient, start);
    }
    public long BiasGradientWorkspaceBytes(in BiasGradientArgs args) => kernels.BiasGradientWorkspaceBytes(args);

    // Loss
    public void CrossEntropyForward(in Launch launch, in CrossEntropyForwardArgs args)
    {
        long start = profile.Start();
        kernels.CrossEntropyForward(launch, args);
        profile.End(KernelVerb.CrossEntropyForward, start);
    }
    public long CrossEntropyForwardWorkspaceBytes(in CrossEntropyForwardArgs args) => kernels.CrossEntropyForwardWorkspaceBytes(args);
    public void CrossEntropyBackward(in Launch launch, in CrossEntropyBackwardArgs args)
    {
        long start = profile.Start();
        kernels.CrossEntropyBackward(launch, args);
        profile.End(KernelVerb.CrossEntropyBackward, start);
    }
    public long CrossEntropyBackwardWorkspaceBytes(in CrossEntropyBackwardArgs args) => kernels.CrossEntropyBackwardWorkspaceBytes(args);
    public void LinearCrossEntropyForward(in Launch launch, in LinearCrossEntropyForwardArgs args)
    {
        long start = profile.Start();
        kernels.LinearCrossEntropyForward(launch, args);
        profile.End(KernelVerb.LinearCrossEntropyForward, start);
    }
    public long LinearCrossEntropyForwardWorkspaceBytes(in LinearCrossEntropyForwardArgs args) => kernels.LinearCrossEntropyForwardWorkspaceBytes(args);
    public void LinearCrossEntropyBackward(in Launch launch, in LinearCrossEntropyBackwardArgs args)
    {
        long start = profile.Start();
        kernels.LinearCrossEntropyBackward(launch, args);
        profile.End(KernelVerb.LinearCrossEntropyBackward, start);
    }
    public long LinearCrossEntropyBackwardWorkspaceBytes(in LinearCrossEntropyBackwardArgs args) => kernels.LinearCrossEntropyBackwardWorkspaceBytes(args);
    public void ContrastiveLossForward(in Launch launch, in ContrastiveLossForwardArgs args)
    {
        long start = profile.Start();
        kernels.ContrastiveLossForward(launch, args);
        profile.End(KernelVerb.ContrastiveLossForward, start);
    }
    public long ContrastiveLossForwardWorkspaceBytes(in ContrastiveLossForwardArgs args) => kernels.ContrastiveLossForwardWorkspaceBytes(args);
    public void ContrastiveLossBackward(in Launch launch, in ContrastiveLossBackwardArgs args)
    {
        long start = profile.Start();
        kernels.ContrastiveLossBackward(launch, args);
        profile.End(KernelVerb.ContrastiveLossBackward, start);
    }
    public long ContrastiveLossBackwardWorkspaceBytes(in ContrastiveLossBackwardArgs args) => kernels.ContrastiveLossBackwardWorkspaceBytes(args);
    public void PatchRegressionForward(in Launch launch, in PatchRegressionForwardArgs args)
    {
        long start = profile.Start();
        kernels.PatchRegressionForward(launch, args);
        profile.End(KernelVerb.PatchRegressionForward, start);
    }
    public long PatchRegressionForwardWorkspaceBytes(in PatchRegressionForwardArgs args) => kernels.PatchRegressionForwardWorkspaceBytes(args);
    public void PatchRegressionBackward(in Launch launch, in PatchRegressionBackwardArgs args)
    {
        long start = profile.Start();
        kernels.PatchRegressionBackward(launch, args);
        profile.End(KernelVerb.PatchRegressionBackward, start);
    }
    public long PatchRegressionBackwardWorkspaceBytes(in PatchRegressionBackwardArgs args) => kernels.PatchRegressionBackwardWorkspaceBytes(args);

    // Normalization
    public void LayerNormForward(in Launch launch, in LayerNormForwardArgs args)
    {
        long start = profile.Start();
        kernels.LayerNormForward(launch, args);
        profile.End(KernelVerb.LayerNormForward, start);
    }
    public void LayerNormBackward(in Launch launch, in LayerNormBackwardArgs args)
    {
        long start = profile.Start();
        kernels.LayerNormBackward(launch, args);
        profile.End(KernelVerb.LayerNormBackward, start);
    }
    public long LayerNormBackwardWorkspaceBytes(in LayerNormBackwardArgs args) => kernels.LayerNormBackwardWorkspaceBytes(args);
    public void RmsNormForward(in Launch launch, in RmsNormForwardArgs args)
    {
        long start = profile.Start();
        kernels.RmsNormForward(launch, args);
        profile.End(KernelVerb.RmsNormForward, start);
    }
    public void RmsNormBackward(in Launch launch, in RmsNormBackwardArgs args)
    {
        long start = profile.Start();
        kernels.RmsNormBackward(launch, args);
        profile.End(KernelVerb.RmsNormBackward, start);
    }
    public long RmsNormBackwardWorkspaceBytes(in RmsNormBackwardArgs args) => kernels.RmsNormBackwardWorkspaceBytes(args);
    public void L2NormalizeForward(in Launch launch, in L2NormalizeForwardArgs args)
    {
        long start = profile.Start();
        kernels.L2NormalizeForward(launch, args);
        profile.End(KernelVerb.L2NormalizeForward, start);
    }
    public void L2NormalizeBackward(in Launch launch, in L2NormalizeBackwardArgs args)
    {
        long start = profile.Start();
        kernels.L2NormalizeBackward(launch, args);
        profile.End(KernelVerb.L2NormalizeBackward, start);
    }

    // Optimizer
    public void GradientNorm(in Launch launch, in GradientNormArgs args)
    {
        long start = profile.Start();
        kernels.GradientNorm(launch, args);
        profile.End(KernelVerb.GradientNorm, start);
    }
    public long GradientNormWorkspaceBytes(in GradientNormArgs args) => kernels.GradientNormWorkspaceBytes(args);
    public void AdamW(in Launch launch, in AdamWArgs args)
    {
        long start = profile.Start();
        kernels.AdamW(launch, args);
        profile.End(KernelVerb.AdamW, start);
    }
    public void Adafactor(in Launch launch, in AdafactorArgs args)
    {
        long start = profile.Start();
        kernels.Adafactor(launch, args);
        profile.End(KernelVerb.Adafactor, start);
    }
    public long AdafactorWorkspaceBytes(in AdafactorArgs args) => kernels.AdafactorWorkspaceBytes(args);

    // Random
    public void RandomFill(in Launch launch, in RandomFillArgs args)
    {
        long start = profile.Start();
        kernels.RandomFill(launch, args);
        profile.End(KernelVerb.RandomFill, start);
    }

    // Reduction
    public void Reduce(in Launch launch, in ReduceArgs args)
    {
        long start = profile.Start();
        kernels.Reduce(launch, args);
        profile.End(KernelVerb.Reduce, start);
    }
    public void ReduceRows(in Launch launch, in ReduceRowsArgs args)
    {
        long start = profile.Start();
        kernels.ReduceRows(launch, args);
        profile.End(KernelVerb.ReduceRows, start);
    }
    public long ReduceRowsWorkspaceBytes(in ReduceRowsArgs args) => kernels.ReduceRowsWorkspaceBytes(args);
    public void ArgMax(in Launch launch, in ArgMaxArgs args)
    {
        long start = profile.Start();
        kernels.ArgMax(launch, args);
        profile.End(KernelVerb.ArgMax, start);
    }
    public void TopK(in Launch launch, in TopKArgs args)
    {
        long start = profile.Start();
        kernels.TopK(launch, args);
        profile.End(KernelVerb.TopK, start);
    }
    public void SoftmaxForward(in Launch launch, in SoftmaxForwardArgs args)
    {
        long start = profile.Start();
        kernels.SoftmaxForward(launch, args);
        profile.End(KernelVerb.SoftmaxForward, start);
    }
    public void SoftmaxBackward(in Launch launch, in SoftmaxBackwardArgs args)
    {
        long start = profile.Start();
        kernels.SoftmaxBackward(launch, args);
        profile.End(KernelVerb.SoftmaxBackward, start);
    }
}
