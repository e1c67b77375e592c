namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void Reduce(in Launch launch, in ReduceArgs args) => Run(_api.Reduce, in launch, in args);

    public void ReduceRows(in Launch launch, in ReduceRowsArgs args) => Run(_api.ReduceRows, in launch, in args);
    public long ReduceRowsWorkspaceBytes(in ReduceRowsArgs args) => Bytes(_api.ReduceRowsWorkspaceBytes, in args);

    public void ArgMax(in Launch launch, in ArgMaxArgs args) => Run(_api.ArgMax, in launch, in args);

    public void TopK(in Launch launch, in TopKArgs args) => Run(_api.TopK, in launch, in args);

    public void SoftmaxForward(in Launch launch, in SoftmaxForwardArgs args) => Run(_api.SoftmaxForward, in launch, in args);

    public void SoftmaxBackward(in Launch launch, in SoftmaxBackwardArgs args) => Run(_api.SoftmaxBackward, in launch, in args);
}
