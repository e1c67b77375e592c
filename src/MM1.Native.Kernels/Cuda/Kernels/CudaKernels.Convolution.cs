namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void ConvolutionForward(in Launch launch, in ConvolutionForwardArgs args) => Run(_api.ConvolutionForward, in launch, in args);
    public long ConvolutionForwardWorkspaceBytes(in ConvolutionForwardArgs args) => Bytes(_api.ConvolutionForwardWorkspaceBytes, in args);

    public void ConvolutionBackwardData(in Launch launch, in ConvolutionBackwardDataArgs args) => Run(_api.ConvolutionBackwardData, in launch, in args);
    public long ConvolutionBackwardDataWorkspaceBytes(in ConvolutionBackwardDataArgs args) => Bytes(_api.ConvolutionBackwardDataWorkspaceBytes, in args);

    public void ConvolutionBackwardWeight(in Launch launch, in ConvolutionBackwardWeightArgs args) => Run(_api.ConvolutionBackwardWeight, in launch, in args);
    public long ConvolutionBackwardWeightWorkspaceBytes(in ConvolutionBackwardWeightArgs args) => Bytes(_api.ConvolutionBackwardWeightWorkspaceBytes, in args);

    public void AdaptiveAveragePoolForward(in Launch launch, in AdaptiveAveragePoolForwardArgs args) => Run(_api.AdaptiveAveragePoolForward, in launch, in args);

    public void AdaptiveAveragePoolBackward(in Launch launch, in AdaptiveAveragePoolBackwardArgs args) => Run(_api.AdaptiveAveragePoolBackward, in launch, in args);

    public void GridInterpolationForward(in Launch launch, in GridInterpolationForwardArgs args) => Run(_api.GridInterpolationForward, in launch, in args);

    public void GridInterpolationBackward(in Launch launch, in GridInterpolationBackwardArgs args) => Run(_api.GridInterpolationBackward, in launch, in args);
}
