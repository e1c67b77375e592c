namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void ConvolutionForward(in Launch launch, in ConvolutionForwardArgs args) => throw new NotImplementedException();

    public long ConvolutionForwardWorkspaceBytes(in ConvolutionForwardArgs args) => throw new NotImplementedException();

    public void ConvolutionBackwardData(in Launch launch, in ConvolutionBackwardDataArgs args) => throw new NotImplementedException();

    public long ConvolutionBackwardDataWorkspaceBytes(in ConvolutionBackwardDataArgs args) => throw new NotImplementedException();

    public void ConvolutionBackwardWeight(in Launch launch, in ConvolutionBackwardWeightArgs args) => throw new NotImplementedException();

    public long ConvolutionBackwardWeightWorkspaceBytes(in ConvolutionBackwardWeightArgs args) => throw new NotImplementedException();

    public void AdaptiveAveragePoolForward(in Launch launch, in AdaptiveAveragePoolForwardArgs args) => throw new NotImplementedException();

    public void AdaptiveAveragePoolBackward(in Launch launch, in AdaptiveAveragePoolBackwardArgs args) => throw new NotImplementedException();

    public void GridInterpolationForward(in Launch launch, in GridInterpolationForwardArgs args) => throw new NotImplementedException();

    public void GridInterpolationBackward(in Launch launch, in GridInterpolationBackwardArgs args) => throw new NotImplementedException();
}
