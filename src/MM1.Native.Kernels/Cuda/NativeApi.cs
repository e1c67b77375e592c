using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cuda;

/// <summary>
/// The function table of one loaded library (<c>mm1_api</c>), filled by one call of <c>mm1_get_api</c>. Entries are in the header's order; those that the
/// library does not have are null. A table for each library, not one P/Invoke for all: <c>cuda:N</c> and <c>cuda-emulated</c> live in one process.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeApi
{
    /// <summary>In: bytes of this table. Out: bytes that the library filled.</summary>
    public long StructSize;
    /// <summary>Out: the library's <c>MM1_ABI_VERSION</c>.</summary>
    public int AbiVersion;
    public int Reserved;

    public delegate* unmanaged[Cdecl]<byte*> GetLastErrorMessage;

    // Gemm
    public delegate* unmanaged[Cdecl]<nint, GemmArgs*, nint, long, int> Gemm;
    public delegate* unmanaged[Cdecl]<GemmArgs*, long> GemmWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, BiasGradientArgs*, nint, long, int> BiasGradient;
    public delegate* unmanaged[Cdecl]<BiasGradientArgs*, long> BiasGradientWorkspaceBytes;

    // Attention
    public delegate* unmanaged[Cdecl]<nint, FlashAttentionForwardArgs*, nint, long, int> FlashAttentionForward;
    public delegate* unmanaged[Cdecl]<FlashAttentionForwardArgs*, long> FlashAttentionForwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, FlashAttentionBackwardArgs*, nint, long, int> FlashAttentionBackward;
    public delegate* unmanaged[Cdecl]<FlashAttentionBackwardArgs*, long> FlashAttentionBackwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, FlashAttentionDecodeArgs*, nint, long, int> FlashAttentionDecode;
    public delegate* unmanaged[Cdecl]<FlashAttentionDecodeArgs*, long> FlashAttentionDecodeWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, KeyValueCacheAppendArgs*, nint, long, int> KeyValueCacheAppend;

    // Normalization
    public delegate* unmanaged[Cdecl]<nint, LayerNormForwardArgs*, nint, long, int> LayerNormForward;
    public delegate* unmanaged[Cdecl]<nint, LayerNormBackwardArgs*, nint, long, int> LayerNormBackward;
    public delegate* unmanaged[Cdecl]<LayerNormBackwardArgs*, long> LayerNormBackwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, RmsNormForwardArgs*, nint, long, int> RmsNormForward;
    public delegate* unmanaged[Cdecl]<nint, RmsNormBackwardArgs*, nint, long, int> RmsNormBackward;
    public delegate* unmanaged[Cdecl]<RmsNormBackwardArgs*, long> RmsNormBackwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, L2NormalizeForwardArgs*, nint, long, int> L2NormalizeForward;
    public delegate* unmanaged[Cdecl]<nint, L2NormalizeBackwardArgs*, nint, long, int> L2NormalizeBackward;

    // Elementwise
    public delegate* unmanaged[Cdecl]<nint, AddArgs*, nint, long, int> Add;
    public delegate* unmanaged[Cdecl]<nint, MultiplyArgs*, nint, long, int> Multiply;
    public delegate* unmanaged[Cdecl]<nint, ScaleArgs*, nint, long, int> Scale;
    public delegate* unmanaged[Cdecl]<nint, ActivationForwardArgs*, nint, long, int> ActivationForward;
    public delegate* unmanaged[Cdecl]<nint, ActivationBackwardArgs*, nint, long, int> ActivationBackward;
    public delegate* unmanaged[Cdecl]<nint, GatedActivationForwardArgs*, nint, long, int> GatedActivationForward;
    public delegate* unmanaged[Cdecl]<nint, GatedActivationBackwardArgs*, nint, long, int> GatedActivationBackward;
    public delegate* unmanaged[Cdecl]<nint, RotaryEmbeddingArgs*, nint, long, int> RotaryEmbedding;
    public delegate* unmanaged[Cdecl]<nint, CastArgs*, nint, long, int> Cast;
    public delegate* unmanaged[Cdecl]<nint, FillArgs*, nint, long, int> Fill;
    public delegate* unmanaged[Cdecl]<nint, CopyArgs*, nint, long, int> Copy;
    public delegate* unmanaged[Cdecl]<nint, TransposeBlocksArgs*, nint, long, int> TransposeBlocks;

    // Embedding
    public delegate* unmanaged[Cdecl]<nint, EmbeddingGatherArgs*, nint, long, int> EmbeddingGather;
    public delegate* unmanaged[Cdecl]<nint, EmbeddingScatterAddArgs*, nint, long, int> EmbeddingScatterAdd;
    public delegate* unmanaged[Cdecl]<EmbeddingScatterAddArgs*, long> EmbeddingScatterAddWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, ImageTokenPlacementForwardArgs*, nint, long, int> ImageTokenPlacementForward;
    public delegate* unmanaged[Cdecl]<nint, ImageTokenPlacementBackwardArgs*, nint, long, int> ImageTokenPlacementBackward;

    // Convolution
    public delegate* unmanaged[Cdecl]<nint, ConvolutionForwardArgs*, nint, long, int> ConvolutionForward;
    public delegate* unmanaged[Cdecl]<ConvolutionForwardArgs*, long> ConvolutionForwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, ConvolutionBackwardDataArgs*, nint, long, int> ConvolutionBackwardData;
    public delegate* unmanaged[Cdecl]<ConvolutionBackwardDataArgs*, long> ConvolutionBackwardDataWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, ConvolutionBackwardWeightArgs*, nint, long, int> ConvolutionBackwardWeight;
    public delegate* unmanaged[Cdecl]<ConvolutionBackwardWeightArgs*, long> ConvolutionBackwardWeightWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, AdaptiveAveragePoolForwardArgs*, nint, long, int> AdaptiveAveragePoolForward;
    public delegate* unmanaged[Cdecl]<nint, AdaptiveAveragePoolBackwardArgs*, nint, long, int> AdaptiveAveragePoolBackward;
    public delegate* unmanaged[Cdecl]<nint, GridInterpolationForwardArgs*, nint, long, int> GridInterpolationForward;
    public delegate* unmanaged[Cdecl]<nint, GridInterpolationBackwardArgs*, nint, long, int> GridInterpolationBackward;

    // Loss
    public delegate* unmanaged[Cdecl]<nint, CrossEntropyForwardArgs*, nint, long, int> CrossEntropyForward;
    public delegate* unmanaged[Cdecl]<CrossEntropyForwardArgs*, long> CrossEntropyForwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, CrossEntropyBackwardArgs*, nint, long, int> CrossEntropyBackward;
    public delegate* unmanaged[Cdecl]<CrossEntropyBackwardArgs*, long> CrossEntropyBackwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, LinearCrossEntropyForwardArgs*, nint, long, int> LinearCrossEntropyForward;
    public delegate* unmanaged[Cdecl]<LinearCrossEntropyForwardArgs*, long> LinearCrossEntropyForwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, LinearCrossEntropyBackwardArgs*, nint, long, int> LinearCrossEntropyBackward;
    public delegate* unmanaged[Cdecl]<LinearCrossEntropyBackwardArgs*, long> LinearCrossEntropyBackwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, ContrastiveLossForwardArgs*, nint, long, int> ContrastiveLossForward;
    public delegate* unmanaged[Cdecl]<ContrastiveLossForwardArgs*, long> ContrastiveLossForwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, ContrastiveLossBackwardArgs*, nint, long, int> ContrastiveLossBackward;
    public delegate* unmanaged[Cdecl]<ContrastiveLossBackwardArgs*, long> ContrastiveLossBackwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, PatchRegressionForwardArgs*, nint, long, int> PatchRegressionForward;
    public delegate* unmanaged[Cdecl]<PatchRegressionForwardArgs*, long> PatchRegressionForwardWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, PatchRegressionBackwardArgs*, nint, long, int> PatchRegressionBackward;
    public delegate* unmanaged[Cdecl]<PatchRegressionBackwardArgs*, long> PatchRegressionBackwardWorkspaceBytes;

    // Optimizer
    public delegate* unmanaged[Cdecl]<nint, GradientNormArgs*, nint, long, int> GradientNorm;
    public delegate* unmanaged[Cdecl]<GradientNormArgs*, long> GradientNormWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, AdamWArgs*, nint, long, int> AdamW;
    public delegate* unmanaged[Cdecl]<nint, AdafactorArgs*, nint, long, int> Adafactor;
    public delegate* unmanaged[Cdecl]<AdafactorArgs*, long> AdafactorWorkspaceBytes;

    // Reduction
    public delegate* unmanaged[Cdecl]<nint, ReduceArgs*, nint, long, int> Reduce;
    public delegate* unmanaged[Cdecl]<nint, ReduceRowsArgs*, nint, long, int> ReduceRows;
    public delegate* unmanaged[Cdecl]<ReduceRowsArgs*, long> ReduceRowsWorkspaceBytes;
    public delegate* unmanaged[Cdecl]<nint, ArgMaxArgs*, nint, long, int> ArgMax;
    public delegate* unmanaged[Cdecl]<nint, TopKArgs*, nint, long, int> TopK;
    public delegate* unmanaged[Cdecl]<nint, SoftmaxForwardArgs*, nint, long, int> SoftmaxForward;
    public delegate* unmanaged[Cdecl]<nint, SoftmaxBackwardArgs*, nint, long, int> SoftmaxBackward;

    // Random
    public delegate* unmanaged[Cdecl]<nint, RandomFillArgs*, nint, long, int> RandomFill;

    // Devices, streams, events, memory, graphs, modules (runtime.h): every library has all of them.
    public delegate* unmanaged[Cdecl]<int*, int> DeviceCount;
    public delegate* unmanaged[Cdecl]<int, NativeDeviceProperties*, int> DeviceGetProperties;
    public delegate* unmanaged[Cdecl]<int, int> DeviceSetCurrent;
    public delegate* unmanaged[Cdecl]<int*, int> DeviceGetCurrent;
    public delegate* unmanaged[Cdecl]<int, int> DeviceGetStatus;
    public delegate* unmanaged[Cdecl]<int> DeviceSynchronize;
    public delegate* unmanaged[Cdecl]<nint*, int> StreamCreate;
    public delegate* unmanaged[Cdecl]<nint, int> StreamDestroy;
    public delegate* unmanaged[Cdecl]<nint, int> StreamSynchronize;
    public delegate* unmanaged[Cdecl]<nint, int*, int> StreamQuery;
    public delegate* unmanaged[Cdecl]<nint, nint, int> StreamWaitEvent;
    public delegate* unmanaged[Cdecl]<int, nint*, int> EventCreate;
    public delegate* unmanaged[Cdecl]<nint, int> EventDestroy;
    public delegate* unmanaged[Cdecl]<nint, nint, int> EventRecord;
    public delegate* unmanaged[Cdecl]<nint, int> EventSynchronize;
    public delegate* unmanaged[Cdecl]<nint, int*, int> EventQuery;
    public delegate* unmanaged[Cdecl]<nint, nint, float*, int> EventElapsedMilliseconds;
    public delegate* unmanaged[Cdecl]<long, nint*, int> MemoryAllocate;
    public delegate* unmanaged[Cdecl]<nint, int> MemoryFree;
    public delegate* unmanaged[Cdecl]<long, nint*, int> MemoryAllocatePinned;
    public delegate* unmanaged[Cdecl]<nint, int> MemoryFreePinned;
    public delegate* unmanaged[Cdecl]<long*, long*, int> MemoryGetInfo;
    public delegate* unmanaged[Cdecl]<nint, nint, void*, long, int> MemoryCopyToDevice;
    public delegate* unmanaged[Cdecl]<nint, void*, nint, long, int> MemoryCopyToHost;
    public delegate* unmanaged[Cdecl]<nint, nint, nint, long, int> MemoryCopyOnDevice;
    public delegate* unmanaged[Cdecl]<nint, nint, int, long, int> MemoryFill;
    public delegate* unmanaged[Cdecl]<nint, int> GraphBeginCapture;
    public delegate* unmanaged[Cdecl]<nint, nint*, int> GraphEndCapture;
    public delegate* unmanaged[Cdecl]<nint, int*, int> GraphIsCapturing;
    public delegate* unmanaged[Cdecl]<nint, nint*, int> GraphInstantiate;
    public delegate* unmanaged[Cdecl]<nint, nint, int> GraphLaunch;
    public delegate* unmanaged[Cdecl]<nint, long*, int> GraphGetSize;
    public delegate* unmanaged[Cdecl]<nint, int> GraphDestroy;
    public delegate* unmanaged[Cdecl]<nint, int> GraphInstanceDestroy;
    public delegate* unmanaged[Cdecl]<void*, long, nint*, int> ModuleLoad;
    public delegate* unmanaged[Cdecl]<nint, int> ModuleUnload;
    public delegate* unmanaged[Cdecl]<nint, byte*, nint*, int> ModuleGetFunction;
    public delegate* unmanaged[Cdecl]<nint, NativeModuleLaunchArgs*, int> ModuleLaunch;

    /// <summary>Bytes of the least table that this program works with: up to the last function of the runtime. Verbs appended behind it may be missing.</summary>
    public static long Required
    {
        get
        {
            NativeApi table;
            return (byte*)&table.ModuleLaunch - (byte*)&table + sizeof(nint);
        }
    }

    /// <summary>What every library must have and this table lacks; null where all is there. Verbs may be missing.</summary>
    public readonly string? FirstMissing()
    {
        if (GetLastErrorMessage == null) return "get_last_error_message";
        fixed (void* first = &DeviceCount, last = &ModuleLaunch)
        {
            for (nint* entry = (nint*)first; entry <= (nint*)last; entry++)
                if (*entry == 0) return $"function {entry - (nint*)first + 1} of runtime.h";
        }
        return null;
    }
}
