namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void LayerNormForward(in Launch launch, in LayerNormForwardArgs args) => throw new NotImplementedException();

    public void LayerNormBackward(in Launch launch, in LayerNormBackwardArgs args) => throw new NotImplementedException();

    public long LayerNormBackwardWorkspaceBytes(in LayerNormBackwardArgs args) => throw new NotImplementedException();

    public void RmsNormForward(in Launch launch, in RmsNormForwardArgs args) => throw new NotImplementedException();

    public void RmsNormBackward(in Launch launch, in RmsNormBackwardArgs args) => throw new NotImplementedException();

    public long RmsNormBackwardWorkspaceBytes(in RmsNormBackwardArgs args) => throw new NotImplementedException();

    public void L2NormalizeForward(in Launch launch, in L2NormalizeForwardArgs args) => throw new NotImplementedException();

    public void L2NormalizeBackward(in Launch launch, in L2NormalizeBackwardArgs args) => throw new NotImplementedException();
}
