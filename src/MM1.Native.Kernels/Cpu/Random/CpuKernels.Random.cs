namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void RandomFill(in Launch launch, in RandomFillArgs args) => throw new NotImplementedException();
}
