namespace MM1.Native.Kernels.Cuda;

internal sealed unsafe partial class CudaKernels
{
    public void FlashAttentionForward(in Launch launch, in FlashAttentionForwardArgs args) => Run(_api.FlashAttentionForward, in launch, in args);
    public long FlashAttentionForwardWorkspaceBytes(in FlashAttentionForwardArgs args) => Bytes(_api.FlashAttentionForwardWorkspaceBytes, in args);

    public void FlashAttentionBackward(in Launch launch, in FlashAttentionBackwardArgs args) => Run(_api.FlashAttentionBackward, in launch, in args);
    public long FlashAttentionBackwardWorkspaceBytes(in FlashAttentionBackwardArgs args) => Bytes(_api.FlashAttentionBackwardWorkspaceBytes, in args);

    public void FlashAttentionDecode(in Launch launch, in FlashAttentionDecodeArgs args) => Run(_api.FlashAttentionDecode, in launch, in args);
    public long FlashAttentionDecodeWorkspaceBytes(in FlashAttentionDecodeArgs args) => Bytes(_api.FlashAttentionDecodeWorkspaceBytes, in args);

    public void KeyValueCacheAppend(in Launch launch, in KeyValueCacheAppendArgs args) => Run(_api.KeyValueCacheAppend, in launch, in args);
}
