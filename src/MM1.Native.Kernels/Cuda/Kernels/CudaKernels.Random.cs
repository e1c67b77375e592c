namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void RandomFill(in Launch launch, in RandomFillArgs args) => Run(_api.RandomFill, in launch, in args);
}
