namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void Add(in Launch launch, in AddArgs args) => Run(_api.Add, in launch, in args);

    public void Multiply(in Launch launch, in MultiplyArgs args) => Run(_api.Multiply, in launch, in args);

    public void Scale(in Launch launch, in ScaleArgs args) => Run(_api.Scale, in launch, in args);

    public void ActivationForward(in Launch launch, in ActivationForwardArgs args) => Run(_api.ActivationForward, in launch, in args);

    public void ActivationBackward(in Launch launch, in ActivationBackwardArgs args) => Run(_api.ActivationBackward, in launch, in args);

    public void GatedActivationForward(in Launch launch, in GatedActivationForwardArgs args) => Run(_api.GatedActivationForward, in launch, in args);

    public void GatedActivationBackward(in Launch launch, in GatedActivationBackwardArgs args) => Run(_api.GatedActivationBackward, in launch, in args);

    public void RotaryEmbedding(in Launch launch, in RotaryEmbeddingArgs args) => Run(_api.RotaryEmbedding, in launch, in args);

    public void Cast(in Launch launch, in CastArgs args) => Run(_api.Cast, in launch, in args);

    public void Fill(in Launch launch, in FillArgs args) => Run(_api.Fill, in launch, in args);

    public void Copy(in Launch launch, in CopyArgs args) => Run(_api.Copy, in launch, in args);

    public void TransposeBlocks(in Launch launch, in TransposeBlocksArgs args) => Run(_api.TransposeBlocks, in launch, in args);
}
