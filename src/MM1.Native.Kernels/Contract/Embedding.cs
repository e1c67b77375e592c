using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Output[t] = Table[Ids[t]]. An id outside the table is an error on the CPU and a row of NaN on CUDA.
    /// </summary>
    void EmbeddingGather(in Launch launch, in EmbeddingGatherArgs args);

    /// <summary>
    /// TableGradient[id] = sum over tokens t with Ids[t] = id of OutputGradient[t], in ascending t, + Beta * old. Deterministic.
    /// </summary>
    void EmbeddingScatterAdd(in Launch launch, in EmbeddingScatterAddArgs args);

    /// <summary>Scratch bytes of <see cref="EmbeddingScatterAdd"/>.</summary>
    long EmbeddingScatterAddWorkspaceBytes(in EmbeddingScatterAddArgs args);

    /// <summary>
    /// Output[t] = Placement[t] &lt; 0 ? Text[t] : Image[Placement[t]]: the connector's tokens take the places of placeholders. Output may be Text.
    /// </summary>
    void ImageTokenPlacementForward(in Launch launch, in ImageTokenPlacementForwardArgs args);

    /// <summary>
    /// TextGradient[t] = Placement[t] &lt; 0 ? OutputGradient[t] : 0; ImageGradient[Placement[t]] = OutputGradient[t], rows that no token names are zero.
    /// Each image row is named by one token at most. TextGradient may be OutputGradient.
    /// </summary>
    void ImageTokenPlacementBackward(in Launch launch, in ImageTokenPlacementBackwardArgs args);
}

/// <summary>Arguments of <see cref="IKernels.EmbeddingGather"/> (<c>mm1_embedding_gather_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct EmbeddingGatherArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<EmbeddingGatherArgs>();
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Rows of the table.</summary>
    public long Vocabulary;
    /// <summary>Columns.</summary>
    public long Width;
    /// <summary>int32 or int64 [Tokens].</summary>
    public Operand Ids;
    /// <summary>[Vocabulary, Width].</summary>
    public Operand Table;
    /// <summary>[Tokens, Width].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public EmbeddingGatherArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.EmbeddingScatterAdd"/> (<c>mm1_embedding_scatter_add_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct EmbeddingScatterAddArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<EmbeddingScatterAddArgs>();
    /// <summary>Tokens.</summary>
    public long Tokens;
    /// <summary>Rows of the table.</summary>
    public long Vocabulary;
    /// <summary>Columns.</summary>
    public long Width;
    /// <summary>int32 or int64 [Tokens].</summary>
    public Operand Ids;
    /// <summary>[Tokens, Width].</summary>
    public Operand OutputGradient;
    /// <summary>float32 [Vocabulary, Width].</summary>
    public Operand TableGradient;
    /// <summary>Factor on the old gradient.</summary>
    public float Beta;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public EmbeddingScatterAddArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ImageTokenPlacementForward"/> (<c>mm1_image_token_placement_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ImageTokenPlacementForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ImageTokenPlacementForwardArgs>();
    /// <summary>Tokens of the sequences.</summary>
    public long Tokens;
    /// <summary>Rows of Image.</summary>
    public long ImageTokens;
    /// <summary>Columns.</summary>
    public long Width;
    /// <summary>int32 [Tokens]: -1 for text, else a row of Image.</summary>
    public Operand Placement;
    /// <summary>[Tokens, Width].</summary>
    public Operand Text;
    /// <summary>[ImageTokens, Width].</summary>
    public Operand Image;
    /// <summary>[Tokens, Width].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public ImageTokenPlacementForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ImageTokenPlacementBackward"/> (<c>mm1_image_token_placement_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ImageTokenPlacementBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ImageTokenPlacementBackwardArgs>();
    /// <summary>Tokens of the sequences.</summary>
    public long Tokens;
    /// <summary>Rows of the image gradient.</summary>
    public long ImageTokens;
    /// <summary>Columns.</summary>
    public long Width;
    /// <summary>int32 [Tokens].</summary>
    public Operand Placement;
    /// <summary>[Tokens, Width].</summary>
    public Operand OutputGradient;
    /// <summary>Optional, [Tokens, Width].</summary>
    public Operand TextGradient;
    /// <summary>Optional, [ImageTokens, Width].</summary>
    public Operand ImageGradient;

    /// <summary>Defaults; every other field zero.</summary>
    public ImageTokenPlacementBackwardArgs() { }
}
