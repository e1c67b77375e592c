namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void Add(in Launch launch, in AddArgs args) => throw new NotImplementedException();

    public void Multiply(in Launch launch, in MultiplyArgs args) => throw new NotImplementedException();

    public void Scale(in Launch launch, in ScaleArgs args) => throw new NotImplementedException();

    public void ActivationForward(in Launch launch, in ActivationForwardArgs args) => throw new NotImplementedException();

    public void ActivationBackward(in Launch launch, in ActivationBackwardArgs args) => throw new NotImplementedException();

    public void GatedActivationForward(in Launch launch, in GatedActivationForwardArgs args) => throw new NotImplementedException();

    public void GatedActivationBackward(in Launch launch, in GatedActivationBackwardArgs args) => throw new NotImplementedException();

    public void RotaryEmbedding(in Launch launch, in RotaryEmbeddingArgs args) => throw new NotImplementedException();

    public void Cast(in Launch launch, in CastArgs args) => throw new NotImplementedException();

    public void Fill(in Launch launch, in FillArgs args) => throw new NotImplementedException();

    public void Copy(in Launch launch, in CopyArgs args) => throw new NotImplementedException();

    public void TransposeBlocks(in Launch launch, in TransposeBlocksArgs args) => throw new NotImplementedException();
}
