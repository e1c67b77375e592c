namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void GradientNorm(in Launch launch, in GradientNormArgs args) => throw new NotImplementedException();

    public long GradientNormWorkspaceBytes(in GradientNormArgs args) => throw new NotImplementedException();

    public void AdamW(in Launch launch, in AdamWArgs args) => throw new NotImplementedException();

    public void Adafactor(in Launch launch, in AdafactorArgs args) => throw new NotImplementedException();

    public long AdafactorWorkspaceBytes(in AdafactorArgs args) => throw new NotImplementedException();
}
