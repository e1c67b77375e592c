namespace MM1.Native.Kernels.Cpu;

/// <summary>One document of a batch: which rows it has and how many of its keys each of its queries sees.</summary>
internal readonly struct AttentionDocument(long firstQuery, int queries, long firstKey, int keys, int offset, int least)
{
    public readonly long FirstQuery = firstQuery;
    public readonly long FirstKey = firstKey;
    public readonly int Queries = queries;
    public readonly int Keys = keys;

    /// <summary>Every mask of the contract lets query i see exactly the keys below this, which never falls with i.</summary>
    public int VisibleKeys(int query) => Math.Min(Keys, Math.Max(query + offset + 1, least));

    public static AttentionDocument Of(AttentionMask mask, long firstQuery, long queries, long firstKey, long keys, int prefix)
    {
        int offset = (int)(keys - queries);
        int least = mask switch { AttentionMask.Full => (int)keys, AttentionMask.Prefix => Math.Max(prefix, 0), _ => 0 };
        return new AttentionDocument(firstQuery, (int)queries, firstKey, (int)keys, offset, least);
    }
}

/// <summary>The arguments of attention as the kernels use them: float32 pointers and strides in elements.</summary>
internal unsafe struct AttentionProblem
{
    public AttentionMask Mask;
    public float Scale;
    public long Batch, QueryTokens, KeyTokens, MaxQueryLength, MaxKeyLength;
    public int Heads, KeyValueHeads, HeadSize;
    public int* CuSeqlensQuery, CuSeqlensKey, PrefixLengths;
    public float* Query, Key, Value, Output, LogSumExp;
    public long QueryStride, KeyStride, ValueStride, OutputStride, LogSumExpStride;

    public AttentionProblem(in FlashAttentionForwardArgs args)
    {
        Mask = args.Mask;
        Scale = args.Scale;
        Batch = args.Batch;
        QueryTokens = args.QueryTokens;
        KeyTokens = args.KeyTokens;
        MaxQueryLength = args.MaxQueryLength;
        MaxKeyLength = args.MaxKeyLength;
        Heads = (int)args.Heads;
        KeyValueHeads = (int)args.KeyValueHeads;
        HeadSize = (int)args.HeadSize;
        CuSeqlensQuery = (int*)args.CuSeqlensQuery;
        CuSeqlensKey = (int*)args.CuSeqlensKey;
        PrefixLengths = (int*)args.PrefixLengths;
        Query = (float*)args.Query.Data;
        QueryStride = args.Query.RowStride;
        Key = (float*)args.Key.Data;
        KeyStride = args.Key.RowStride;
        Value = (float*)args.Value.Data;
        ValueStride = args.Value.RowStride;
        Output = (float*)args.Output.Data;
        OutputStride = args.Output.RowStride;
        LogSumExp = (float*)args.LogSumExp.Data;
        LogSumExpStride = args.LogSumExp.RowStride;
    }

    /// <summary>Query heads that share one key and value head.</summary>
    public readonly int Group => Heads / KeyValueHeads;

    /// <summary>Query rows that belong to documents; the rest is zeroed.</summary>
    public readonly long UsedQueryRows => CuSeqlensQuery != null ? CuSeqlensQuery[Batch] : Batch * MaxQueryLength;

    /// <summary>Key rows that belong to documents.</summary>
    public readonly long UsedKeyRows => CuSeqlensKey != null ? CuSeqlensKey[Batch] : Batch * MaxKeyLength;

    public readonly AttentionDocument Document(long index)
    {
        int prefix = PrefixLengths != null ? PrefixLengths[index] : 0;
        return CuSeqlensQuery == null
            ? AttentionDocument.Of(Mask, index * MaxQueryLength, MaxQueryLength, index * MaxKeyLength, MaxKeyLength, prefix)
            : AttentionDocument.Of(Mask, CuSeqlensQuery[index], CuSeqlensQuery[index + 1] - CuSeqlensQuery[index],
                CuSeqlensKey[index], CuSeqlensKey[index + 1] - CuSeqlensKey[index], prefix);
    }

    /// <summary>Multiply-adds of one product (Q K^T, say), masks not counted: what decides whether threads pay.</summary>
    public readonly double Work()
    {
        double pairs = 0;
        for (long document = 0; document < Batch; document++)
        {
            AttentionDocument d = Document(document);
            pairs += (double)d.Queries * d.Keys;
        }
        return pairs * Heads * HeadSize;
    }

    /// <summary>Sets the rows from <paramref name="used"/> on to <paramref name="value"/>.</summary>
    public static void FillRows(float* data, long stride, long used, long rows, long columns, float value)
    {
        for (long row = used; row < rows; row++) new Span<float>(data + row * stride, (int)columns).Fill(value);
    }
}
