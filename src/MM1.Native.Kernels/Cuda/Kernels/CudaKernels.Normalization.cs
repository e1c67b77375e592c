namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void LayerNormForward(in Launch launch, in LayerNormForwardArgs args) => Run(_api.LayerNormForward, in launch, in args);

    public void LayerNormBackward(in Launch launch, in LayerNormBackwardArgs args) => Run(_api.LayerNormBackward, in launch, in args);
    public long LayerNormBackwardWorkspaceBytes(in LayerNormBackwardArgs args) => Bytes(_api.LayerNormBackwardWorkspaceBytes, in args);

    public void RmsNormForward(in Launch launch, in RmsNormForwardArgs args) => Run(_api.RmsNormForward, in launch, in args);

    public void RmsNormBackward(in Launch launch, in RmsNormBackwardArgs args) => Run(_api.RmsNormBackward, in launch, in args);
    public long RmsNormBackwardWorkspaceBytes(in RmsNormBackwardArgs args) => Bytes(_api.RmsNormBackwardWorkspaceBytes, in args);

    public void L2NormalizeForward(in Launch launch, in L2NormalizeForwardArgs args) => Run(_api.L2NormalizeForward, in launch, in args);

    public void L2NormalizeBackward(in Launch launch, in L2NormalizeBackwardArgs args) => Run(_api.L2NormalizeBackward, in launch, in args);
}
