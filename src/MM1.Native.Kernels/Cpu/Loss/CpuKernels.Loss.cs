namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void CrossEntropyForward(in Launch launch, in CrossEntropyForwardArgs args) => throw new NotImplementedException();

    public long CrossEntropyForwardWorkspaceBytes(in CrossEntropyForwardArgs args) => throw new NotImplementedException();

    public void CrossEntropyBackward(in Launch launch, in CrossEntropyBackwardArgs args) => throw new NotImplementedException();

    public long CrossEntropyBackwardWorkspaceBytes(in CrossEntropyBackwardArgs args) => throw new NotImplementedException();

    public void LinearCrossEntropyForward(in Launch launch, in LinearCrossEntropyForwardArgs args) => throw new NotImplementedException();

    public long LinearCrossEntropyForwardWorkspaceBytes(in LinearCrossEntropyForwardArgs args) => throw new NotImplementedException();

    public void LinearCrossEntropyBackward(in Launch launch, in LinearCrossEntropyBackwardArgs args) => throw new NotImplementedException();

    public long LinearCrossEntropyBackwardWorkspaceBytes(in LinearCrossEntropyBackwardArgs args) => throw new NotImplementedException();

    public void ContrastiveLossForward(in Launch launch, in ContrastiveLossForwardArgs args) => throw new NotImplementedException();

    public long ContrastiveLossForwardWorkspaceBytes(in ContrastiveLossForwardArgs args) => throw new NotImplementedException();

    public void ContrastiveLossBackward(in Launch launch, in ContrastiveLossBackwardArgs args) => throw new NotImplementedException();

    public long ContrastiveLossBackwardWorkspaceBytes(in ContrastiveLossBackwardArgs args) => throw new NotImplementedException();

    public void PatchRegressionForward(in Launch launch, in PatchRegressionForwardArgs args) => throw new NotImplementedException();

    public long PatchRegressionForwardWorkspaceBytes(in PatchRegressionForwardArgs args) => throw new NotImplementedException();

    public void PatchRegressionBackward(in Launch launch, in PatchRegressionBackwardArgs args) => throw new NotImplementedException();

    public long PatchRegressionBackwardWorkspaceBytes(in PatchRegressionBackwardArgs args) => throw new NotImplementedException();
}
