namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void CrossEntropyForward(in Launch launch, in CrossEntropyForwardArgs args) => Run(_api.CrossEntropyForward, in launch, in args);
    public long CrossEntropyForwardWorkspaceBytes(in CrossEntropyForwardArgs args) => Bytes(_api.CrossEntropyForwardWorkspaceBytes, in args);

    public void CrossEntropyBackward(in Launch launch, in CrossEntropyBackwardArgs args) => Run(_api.CrossEntropyBackward, in launch, in args);
    public long CrossEntropyBackwardWorkspaceBytes(in CrossEntropyBackwardArgs args) => Bytes(_api.CrossEntropyBackwardWorkspaceBytes, in args);

    public void LinearCrossEntropyForward(in Launch launch, in LinearCrossEntropyForwardArgs args) => Run(_api.LinearCrossEntropyForward, in launch, in args);
    public long LinearCrossEntropyForwardWorkspaceBytes(in LinearCrossEntropyForwardArgs args) => Bytes(_api.LinearCrossEntropyForwardWorkspaceBytes, in args);

    public void LinearCrossEntropyBackward(in Launch launch, in LinearCrossEntropyBackwardArgs args) => Run(_api.LinearCrossEntropyBackward, in launch, in args);
    public long LinearCrossEntropyBackwardWorkspaceBytes(in LinearCrossEntropyBackwardArgs args) => Bytes(_api.LinearCrossEntropyBackwardWorkspaceBytes, in args);

    public void ContrastiveLossForward(in Launch launch, in ContrastiveLossForwardArgs args) => Run(_api.ContrastiveLossForward, in launch, in args);
    public long ContrastiveLossForwardWorkspaceBytes(in ContrastiveLossForwardArgs args) => Bytes(_api.ContrastiveLossForwardWorkspaceBytes, in args);

    public void ContrastiveLossBackward(in Launch launch, in ContrastiveLossBackwardArgs args) => Run(_api.ContrastiveLossBackward, in launch, in args);
    public long ContrastiveLossBackwardWorkspaceBytes(in ContrastiveLossBackwardArgs args) => Bytes(_api.ContrastiveLossBackwardWorkspaceBytes, in args);

    public void PatchRegressionForward(in Launch launch, in PatchRegressionForwardArgs args) => Run(_api.PatchRegressionForward, in launch, in args);
    public long PatchRegressionForwardWorkspaceBytes(in PatchRegressionForwardArgs args) => Bytes(_api.PatchRegressionForwardWorkspaceBytes, in args);

    public void PatchRegressionBackward(in Launch launch, in PatchRegressionBackwardArgs args) => Run(_api.PatchRegressionBackward, in launch, in args);
    public long PatchRegressionBackwardWorkspaceBytes(in PatchRegressionBackwardArgs args) => Bytes(_api.PatchRegressionBackwardWorkspaceBytes, in args);
}
