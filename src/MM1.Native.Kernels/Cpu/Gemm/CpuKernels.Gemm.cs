namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void Gemm(in Launch launch, in GemmArgs args) => throw new NotImplementedException();

    public long GemmWorkspaceBytes(in GemmArgs args) => throw new NotImplementedException();

    public void BiasGradient(in Launch launch, in BiasGradientArgs args) => throw new NotImplementedException();

    public long BiasGradientWorkspaceBytes(in BiasGradientArgs args) => throw new NotImplementedException();
}
