namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void EmbeddingGather(in Launch launch, in EmbeddingGatherArgs args) => Run(_api.EmbeddingGather, in launch, in args);

    public void EmbeddingScatterAdd(in Launch launch, in EmbeddingScatterAddArgs args) => Run(_api.EmbeddingScatterAdd, in launch, in args);
    public long EmbeddingScatterAddWorkspaceBytes(in EmbeddingScatterAddArgs args) => Bytes(_api.EmbeddingScatterAddWorkspaceBytes, in args);

    public void ImageTokenPlacementForward(in Launch launch, in ImageTokenPlacementForwardArgs args) => Run(_api.ImageTokenPlacementForward, in launch, in args);

    public void ImageTokenPlacementBackward(in Launch launch, in ImageTokenPlacementBackwardArgs args) => Run(_api.ImageTokenPlacementBackward, in launch, in args);
}
