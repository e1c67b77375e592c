using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Exact attention by tiles with an online softmax (Dao et al. 2022): <c>Output = softmax(Scale * Q K^T + mask) V</c>;
    /// saves only the log-sum-exp of each row. A row that sees no key gives 0 and -infinity.
    /// </summary>
    void FlashAttentionForward(in Launch launch, in FlashAttentionForwardArgs args);

    /// <summary>Scratch bytes of <see cref="FlashAttentionForward"/>.</summary>
    long FlashAttentionForwardWorkspaceBytes(in FlashAttentionForwardArgs args);

    /// <summary>
    /// Gradients of <see cref="FlashAttentionForward"/> with respect to query, key and value, overwritten. Every gradient
    /// row that belongs to a document is written; rows past the last cuSeqlens entry are set to zero.
    /// </summary>
    void FlashAttentionBackward(in Launch launch, in FlashAttentionBackwardArgs args);

    /// <summary>Scratch bytes of <see cref="FlashAttentionBackward"/>.</summary>
    long FlashAttentionBackwardWorkspaceBytes(in FlashAttentionBackwardArgs args);

    /// <summary>
    /// Attention of a few new query tokens per sequence against a KV cache, causal and bottom-right aligned: of sequence b's
    /// <c>q</c> query tokens the last sees all <c>Lengths[b]</c> keys. Split sizes are constant, so a sequence's bits do
    /// not depend on the others in the batch.
    /// </summary>
    void FlashAttentionDecode(in Launch launch, in FlashAttentionDecodeArgs args);

    /// <summary>Scratch bytes of <see cref="FlashAttentionDecode"/>.</summary>
    long FlashAttentionDecodeWorkspaceBytes(in FlashAttentionDecodeArgs args);

    /// <summary>Writes new key and value tokens into a KV cache at device-given positions.</summary>
    void KeyValueCacheAppend(in Launch launch, in KeyValueCacheAppendArgs args);
}

/// <summary>Which keys a query sees (<c>mm1_attention_mask</c>). i, j count within a document; offset = keys - queries of it.</summary>
public enum AttentionMask
{
    /// <summary>Every key of its document.</summary>
    Full = 0,
    /// <summary>j &lt;= i + offset (bottom-right aligned).</summary>
    Causal = 1,
    /// <summary>j &lt;= i + offset, or j &lt; prefixLengths[document] (AIM, arXiv 2401.08541, section 3.2).</summary>
    Prefix = 2,
}

/// <summary>Arguments of <see cref="IKernels.FlashAttentionForward"/> (<c>mm1_flash_attention_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct FlashAttentionForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<FlashAttentionForwardArgs>();
    /// <summary>Mask.</summary>
    public AttentionMask Mask;
    /// <summary>Factor on the scores; 1/sqrt(headSize) as a rule.</summary>
    public float Scale;
    /// <summary>Documents (a capacity: trailing ones may be empty).</summary>
    public long Batch;
    /// <summary>Query heads.</summary>
    public long Heads;
    /// <summary>Key and value heads; divides Heads. Query head h reads key head h / (Heads / KeyValueHeads).</summary>
    public long KeyValueHeads;
    /// <summary>Head size: a multiple of 8 up to 256.</summary>
    public long HeadSize;
    /// <summary>Rows of query, output: all documents' tokens.</summary>
    public long QueryTokens;
    /// <summary>Rows of key, value.</summary>
    public long KeyTokens;
    /// <summary>Longest query of one document (grids are sized by it); without cuSeqlens every document has exactly this many.</summary>
    public long MaxQueryLength;
    /// <summary>Longest key of one document; without cuSeqlens every document has exactly this many.</summary>
    public long MaxKeyLength;
    /// <summary>Optional int32[Batch + 1] in device memory: first query row of each document, ascending from 0; the last entry is at most QueryTokens.</summary>
    public nint CuSeqlensQuery;
    /// <summary>Optional int32[Batch + 1]: the same for keys. Given if and only if CuSeqlensQuery is.</summary>
    public nint CuSeqlensKey;
    /// <summary>int32[Batch]: prefix length of each document; for <see cref="AttentionMask.Prefix"/> only.</summary>
    public nint PrefixLengths;
    /// <summary>[QueryTokens, Heads, HeadSize], heads contiguous in a row.</summary>
    public Operand Query;
    /// <summary>[KeyTokens, KeyValueHeads, HeadSize].</summary>
    public Operand Key;
    /// <summary>[KeyTokens, KeyValueHeads, HeadSize].</summary>
    public Operand Value;
    /// <summary>[QueryTokens, Heads, HeadSize]. Rows past the last cuSeqlens entry are set to zero.</summary>
    public Operand Output;
    /// <summary>Optional float32 [Heads, QueryTokens] (row stride QueryTokens or more): natural log-sum-exp of the scaled scores.</summary>
    public Operand LogSumExp;

    /// <summary>All zero.</summary>
    public FlashAttentionForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.FlashAttentionBackward"/> (<c>mm1_flash_attention_backward_args</c>): the forward's, then the gradients.</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct FlashAttentionBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<FlashAttentionBackwardArgs>();
    /// <summary>The forward call's arguments; its Output and LogSumExp are inputs here and must be present.</summary>
    public FlashAttentionForwardArgs Forward = new();
    /// <summary>[QueryTokens, Heads, HeadSize].</summary>
    public Operand OutputGradient;
    /// <summary>[QueryTokens, Heads, HeadSize]; may be columns of one fused buffer with the two below.</summary>
    public Operand QueryGradient;
    /// <summary>[KeyTokens, KeyValueHeads, HeadSize].</summary>
    public Operand KeyGradient;
    /// <summary>[KeyTokens, KeyValueHeads, HeadSize].</summary>
    public Operand ValueGradient;
    /// <summary>Non-zero permits an order-dependent sum of the query gradient where that is faster. Zero: deterministic.</summary>
    public int AllowNondeterministic;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>All zero.</summary>
    public FlashAttentionBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.FlashAttentionDecode"/> (<c>mm1_flash_attention_decode_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct FlashAttentionDecodeArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<FlashAttentionDecodeArgs>();
    /// <summary>Sequences.</summary>
    public long Batch;
    /// <summary>New tokens per sequence (1 when decoding).</summary>
    public long QueryLength;
    /// <summary>Query heads.</summary>
    public long Heads;
    /// <summary>Key and value heads.</summary>
    public long KeyValueHeads;
    /// <summary>Head size: a multiple of 8 up to 256.</summary>
    public long HeadSize;
    /// <summary>Capacity of the cache in tokens per sequence.</summary>
    public long MaxLength;
    /// <summary>int32[Batch] in device memory: valid keys of each sequence, the new tokens included; 0 gives 0 and -infinity.</summary>
    public nint Lengths;
    /// <summary>[Batch * QueryLength, Heads, HeadSize].</summary>
    public Operand Query;
    /// <summary>[Batch, MaxLength, KeyValueHeads, HeadSize]; row stride from token to token, sequences MaxLength rows apart.</summary>
    public Operand KeyCache;
    /// <summary>As KeyCache.</summary>
    public Operand ValueCache;
    /// <summary>[Batch * QueryLength, Heads, HeadSize].</summary>
    public Operand Output;
    /// <summary>Factor on the scores.</summary>
    public float Scale;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>All zero.</summary>
    public FlashAttentionDecodeArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.KeyValueCacheAppend"/> (<c>mm1_key_value_cache_append_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct KeyValueCacheAppendArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<KeyValueCacheAppendArgs>();
    /// <summary>New tokens of all sequences.</summary>
    public long Tokens;
    /// <summary>Sequences in the cache.</summary>
    public long Batch;
    /// <summary>Capacity of the cache in tokens per sequence.</summary>
    public long MaxLength;
    /// <summary>Key and value heads.</summary>
    public long KeyValueHeads;
    /// <summary>Head size.</summary>
    public long HeadSize;
    /// <summary>int32[Tokens]: sequence of each token; negative tokens are padding and skipped.</summary>
    public nint Sequences;
    /// <summary>int32[Tokens]: position of each token in its sequence, below MaxLength.</summary>
    public nint Positions;
    /// <summary>[Tokens, KeyValueHeads, HeadSize].</summary>
    public Operand Key;
    /// <summary>[Tokens, KeyValueHeads, HeadSize].</summary>
    public Operand Value;
    /// <summary>[Batch, MaxLength, KeyValueHeads, HeadSize].</summary>
    public Operand KeyCache;
    /// <summary>[Batch, MaxLength, KeyValueHeads, HeadSize].</summary>
    public Operand ValueCache;

    /// <summary>All zero.</summary>
    public KeyValueCacheAppendArgs() { }
}
