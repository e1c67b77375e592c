namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void EmbeddingGather(in Launch launch, in EmbeddingGatherArgs args) => throw new NotImplementedException();

    public void EmbeddingScatterAdd(in Launch launch, in EmbeddingScatterAddArgs args) => throw new NotImplementedException();

    public long EmbeddingScatterAddWorkspaceBytes(in EmbeddingScatterAddArgs args) => throw new NotImplementedException();

    public void ImageTokenPlacementForward(in Launch launch, in ImageTokenPlacementForwardArgs args) => throw new NotImplementedException();

    public void ImageTokenPlacementBackward(in Launch launch, in ImageTokenPlacementBackwardArgs args) => throw new NotImplementedException();
}
