namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void GradientNorm(in Launch launch, in GradientNormArgs args) => Run(_api.GradientNorm, in launch, in args);
    public long GradientNormWorkspaceBytes(in GradientNormArgs args) => Bytes(_api.GradientNormWorkspaceBytes, in args);

    public void AdamW(in Launch launch, in AdamWArgs args) => Run(_api.AdamW, in launch, in args);

    public void Adafactor(in Launch launch, in AdafactorArgs args) => Run(_api.Adafactor, in launch, in args);
    public long AdafactorWorkspaceBytes(in AdafactorArgs args) => Bytes(_api.AdafactorWorkspaceBytes, in args);
}
