using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Which tokens see which: the documents that the rows of query and key belong to, and the mask inside each.</summary>
public sealed record AttentionLayout
{
    private AttentionLayout(AttentionMask mask, long batch, long maxQueryLength, long maxKeyLength)
    {
        (Mask, Batch, MaxQueryLength, MaxKeyLength) = (mask, batch, maxQueryLength, maxKeyLength);
    }

    /// <summary>Mask inside a document.</summary>
    public AttentionMask Mask { get; }

    /// <summary>Documents (a capacity: trailing ones may be empty).</summary>
    public long Batch { get; }

    /// <summary>Longest query of a document; of every document where there are no cuSeqlens.</summary>
    public long MaxQueryLength { get; }

    /// <summary>Longest key of a document.</summary>
    public long MaxKeyLength { get; }

    /// <summary>int32 [Batch + 1]: first query row of each document.</summary>
    public Tensor? CuSeqlensQuery { get; private init; }

    /// <summary>int32 [Batch + 1]: first key row of each document.</summary>
    public Tensor? CuSeqlensKey { get; private init; }

    /// <summary>int32 [Batch]: prefix lengths, for <see cref="AttentionMask.Prefix"/>.</summary>
    public Tensor? PrefixLengths { get; private init; }

    /// <summary>Sequences of one length, attending to themselves.</summary>
    public static AttentionLayout Uniform(long batch, long length, AttentionMask mask = AttentionMask.Causal) => new(mask, batch, length, length);

    /// <summary>Sequences of one query and one key length (cross-attention).</summary>
    public static AttentionLayout Cross(long batch, long queryLength, long keyLength, AttentionMask mask = AttentionMask.Full) => new(mask, batch, queryLength, keyLength);

    /// <summary>Documents packed one after the other, attending each to itself only.</summary>
    /// <param name="cuSeqlens">int32 [documents + 1].</param>
    /// <param name="maxLength">Longest document, or more.</param>
    /// <param name="mask">Mask inside a document.</param>
    public static AttentionLayout Packed(Tensor cuSeqlens, long maxLength, AttentionMask mask = AttentionMask.Causal) =>
        new(mask, cuSeqlens.Elements - 1, maxLength, maxLength) { CuSeqlensQuery = cuSeqlens, CuSeqlensKey = cuSeqlens };

    /// <summary>Packed documents whose queries and keys differ in number.</summary>
    public static AttentionLayout PackedCross(Tensor cuSeqlensQuery, long maxQueryLength, Tensor cuSeqlensKey, long maxKeyLength, AttentionMask mask = AttentionMask.Full) =>
        new(mask, cuSeqlensQuery.Elements - 1, maxQueryLength, maxKeyLength) { CuSeqlensQuery = cuSeqlensQuery, CuSeqlensKey = cuSeqlensKey };

    /// <summary>The same documents with bidirectional prefixes of the given lengths, int32 [Batch] (AIM, arXiv 2401.08541).</summary>
    public AttentionLayout WithPrefix(Tensor prefixLengths) => new(AttentionMask.Prefix, Batch, MaxQueryLength, MaxKeyLength)
    {
        CuSeqlensQuery = CuSeqlensQuery,
        CuSeqlensKey = CuSeqlensKey,
        PrefixLengths = prefixLengths,
    };

    /// <summary>Throws unless the layout fits the numbers of rows.</summary>
    internal void Check(string operation, Arena arena, long queryTokens, long keyTokens)
    {
        if ((CuSeqlensQuery is null) != (CuSeqlensKey is null)) throw new OperationException(operation, "cuSeqlens are needed for both query and key, or for neither.");
        RequireIndices(operation, arena, "cuSeqlensQuery", CuSeqlensQuery, Batch + 1);
        RequireIndices(operation, arena, "cuSeqlensKey", CuSeqlensKey, Batch + 1);
        RequireIndices(operation, arena, "prefixLengths", PrefixLengths, Batch);
        if (Mask == AttentionMask.Prefix && PrefixLengths is null) throw new OperationException(operation, "the prefix mask needs prefix lengths; use WithPrefix.");
        if (CuSeqlensQuery is not null) return;
        if (queryTokens != Batch * MaxQueryLength || keyTokens != Batch * MaxKeyLength)
            throw new OperationException(operation, $"{queryTokens} query and {keyTokens} key rows do not fit a layout of {Batch} sequences of {MaxQueryLength} and {MaxKeyLength} tokens.");
    }

    private static void RequireIndices(string operation, Arena arena, string name, Tensor? tensor, long elements)
    {
        if (tensor is not { } given) return;
        TensorState state = given.State;
        Kernel.RequireDevice(operation, arena, state);
        Kernel.RequireDType(operation, name, state, DType.Int32);
        if (state.Elements != elements) throw new OperationException(operation, $"{name} {state.Shape} must have {elements} elements for {elements - (name == "prefixLengths" ? 0 : 1)} documents.");
    }
}
