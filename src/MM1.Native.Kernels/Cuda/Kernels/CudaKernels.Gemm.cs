namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void Gemm(in Launch launch, in GemmArgs args) => Run(_api.Gemm, in launch, in args);
    public long GemmWorkspaceBytes(in GemmArgs args) => Bytes(_api.GemmWorkspaceBytes, in args);

    public void BiasGradient(in Launch launch, in BiasGradientArgs args) => Run(_api.BiasGradient, in launch, in args);
    public long BiasGradientWorkspaceBytes(in BiasGradientArgs args) => Bytes(_api.BiasGradientWorkspaceBytes, in args);
}
