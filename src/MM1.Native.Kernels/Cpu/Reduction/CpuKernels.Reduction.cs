namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void Reduce(in Launch launch, in ReduceArgs args) => throw new NotImplementedException();

    public void ReduceRows(in Launch launch, in ReduceRowsArgs args) => throw new NotImplementedException();

    public long ReduceRowsWorkspaceBytes(in ReduceRowsArgs args) => throw new NotImplementedException();

    public void ArgMax(in Launch launch, in ArgMaxArgs args) => throw new NotImplementedException();

    public void TopK(in Launch launch, in TopKArgs args) => throw new NotImplementedException();

    public void SoftmaxForward(in Launch launch, in SoftmaxForwardArgs args) => throw new NotImplementedException();

    public void SoftmaxBackward(in Launch launch, in SoftmaxBackwardArgs args) => throw new NotImplementedException();
}
