namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void FlashAttentionForward(in Launch launch, in FlashAttentionForwardArgs args) => throw new NotImplementedException();

    public long FlashAttentionForwardWorkspaceBytes(in FlashAttentionForwardArgs args) => throw new NotImplementedException();

    public void FlashAttentionBackward(in Launch launch, in FlashAttentionBackwardArgs args) => throw new NotImplementedException();

    public long FlashAttentionBackwardWorkspaceBytes(in FlashAttentionBackwardArgs args) => throw new NotImplementedException();

    public void FlashAttentionDecode(in Launch launch, in FlashAttentionDecodeArgs args) => throw new NotImplementedException();

    public long FlashAttentionDecodeWorkspaceBytes(in FlashAttentionDecodeArgs args) => throw new NotImplementedException();

    public void KeyValueCacheAppend(in Launch launch, in KeyValueCacheAppendArgs args) => throw new NotImplementedException();
}
