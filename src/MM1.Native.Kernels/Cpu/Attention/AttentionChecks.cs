namespace MM1.Native.Kernels.Cpu;

/// <summary>The argument rules of the attention family, checked before anything is written.</summary>
internal static unsafe class AttentionChecks
{
    public static void Forward(in FlashAttentionForwardArgs args, string verb)
    {
        Check.Extent(args.Batch, verb, "Batch");
        Check.Extent(args.QueryTokens, verb, "QueryTokens");
        Check.Extent(args.KeyTokens, verb, "KeyTokens");
        Check.Extent(args.MaxQueryLength, verb, "MaxQueryLength");
        Check.Extent(args.MaxKeyLength, verb, "MaxKeyLength");
        Heads(args.Heads, args.KeyValueHeads, args.HeadSize, verb);
        Check.That(args.Mask is AttentionMask.Full or AttentionMask.Causal or AttentionMask.Prefix, verb, "Mask is none of Full, Causal and Prefix.");
        Check.That(args.QueryTokens <= int.MaxValue && args.KeyTokens <= int.MaxValue, verb, "QueryTokens and KeyTokens must fit in 32 bits.");
        Check.That((args.CuSeqlensQuery == 0) == (args.CuSeqlensKey == 0), verb, "CuSeqlensQuery and CuSeqlensKey must be given together or not at all.");
        Check.That((args.Mask == AttentionMask.Prefix) == (args.PrefixLengths != 0) || args.Batch == 0, verb,
            "PrefixLengths must be given with the Prefix mask and with no other.");
        if (args.CuSeqlensQuery == 0)
        {
            Fits(args.Batch, args.MaxQueryLength, args.QueryTokens, verb, "Query");
            Fits(args.Batch, args.MaxKeyLength, args.KeyTokens, verb, "Key");
        }
        else
        {
            Offsets((int*)args.CuSeqlensQuery, args.Batch, args.MaxQueryLength, args.QueryTokens, verb, "Query");
            Offsets((int*)args.CuSeqlensKey, args.Batch, args.MaxKeyLength, args.KeyTokens, verb, "Key");
        }
        long columns = args.Heads * args.HeadSize, keyColumns = args.KeyValueHeads * args.HeadSize;
        Check.Operand(args.Query, args.QueryTokens, columns, DType.Float32, verb, "Query");
        Check.Operand(args.Key, args.KeyTokens, keyColumns, DType.Float32, verb, "Key");
        Check.Operand(args.Value, args.KeyTokens, keyColumns, DType.Float32, verb, "Value");
        Check.Operand(args.Output, args.QueryTokens, columns, DType.Float32, verb, "Output");
        Check.Optional(args.LogSumExp, args.Heads, args.QueryTokens, DType.Float32, verb, "LogSumExp");
    }

    public static void Backward(in FlashAttentionBackwardArgs args, string verb)
    {
        ref readonly FlashAttentionForwardArgs forward = ref args.Forward;
        Forward(forward, verb);
        long columns = forward.Heads * forward.HeadSize, keyColumns = forward.KeyValueHeads * forward.HeadSize;
        Check.Operand(forward.LogSumExp, forward.Heads, forward.QueryTokens, DType.Float32, verb, "LogSumExp");
        Check.Operand(args.OutputGradient, forward.QueryTokens, columns, DType.Float32, verb, "OutputGradient");
        Check.Operand(args.QueryGradient, forward.QueryTokens, columns, DType.Float32, verb, "QueryGradient");
        Check.Operand(args.KeyGradient, forward.KeyTokens, keyColumns, DType.Float32, verb, "KeyGradient");
        Check.Operand(args.ValueGradient, forward.KeyTokens, keyColumns, DType.Float32, verb, "ValueGradient");
    }

    public static void Decode(in FlashAttentionDecodeArgs args, string verb)
    {
        Check.Extent(args.Batch, verb, "Batch");
        Check.Extent(args.QueryLength, verb, "QueryLength");
        Check.Extent(args.MaxLength, verb, "MaxLength");
        Heads(args.Heads, args.KeyValueHeads, args.HeadSize, verb);
        long rows = args.Batch * args.QueryLength, columns = args.Heads * args.HeadSize, keyColumns = args.KeyValueHeads * args.HeadSize;
        Check.That(args.Lengths != 0 || rows == 0, verb, "Lengths is missing.");
        for (long sequence = 0; rows > 0 && sequence < args.Batch; sequence++)
        {
            long length = ((int*)args.Lengths)[sequence];
            if (length < 0 || length > args.MaxLength)
                Check.That(false, verb, $"Lengths[{sequence}] is {length}; it must lie in [0, MaxLength = {args.MaxLength}].");
        }
        Check.Operand(args.Query, rows, columns, DType.Float32, verb, "Query");
        Check.Operand(args.KeyCache, args.Batch * args.MaxLength, keyColumns, DType.Float32, verb, "KeyCache");
        Check.Operand(args.ValueCache, args.Batch * args.MaxLength, keyColumns, DType.Float32, verb, "ValueCache");
        Check.Operand(args.Output, rows, columns, DType.Float32, verb, "Output");
    }

    public static void Append(in KeyValueCacheAppendArgs args, string verb)
    {
        Check.Extent(args.Tokens, verb, "Tokens");
        Check.Extent(args.Batch, verb, "Batch");
        Check.Extent(args.MaxLength, verb, "MaxLength");
        Check.Extent(args.KeyValueHeads, verb, "KeyValueHeads");
        Check.Extent(args.HeadSize, verb, "HeadSize");
        if (args.Tokens == 0) return;
        Check.That(args.Sequences != 0, verb, "Sequences is missing.");
        Check.That(args.Positions != 0, verb, "Positions is missing.");
        for (long token = 0; token < args.Tokens; token++)
        {
            int sequence = ((int*)args.Sequences)[token], position = ((int*)args.Positions)[token];
            if (sequence < 0) continue;
            if (sequence >= args.Batch) Check.That(false, verb, $"Sequences[{token}] is {sequence}; the cache has {args.Batch} sequences.");
            if (position < 0 || position >= args.MaxLength)
                Check.That(false, verb, $"Positions[{token}] is {position}; it must lie in [0, MaxLength = {args.MaxLength}).");
        }
        long columns = args.KeyValueHeads * args.HeadSize, rows = args.Batch * args.MaxLength;
        Check.Operand(args.Key, args.Tokens, columns, DType.Float32, verb, "Key");
        Check.Operand(args.Value, args.Tokens, columns, DType.Float32, verb, "Value");
        Check.Operand(args.KeyCache, rows, columns, DType.Float32, verb, "KeyCache");
        Check.Operand(args.ValueCache, rows, columns, DType.Float32, verb, "ValueCache");
    }

    private static void Heads(long heads, long keyValueHeads, long headSize, string verb)
    {
        Check.Extent(heads, verb, "Heads");
        Check.Extent(keyValueHeads, verb, "KeyValueHeads");
        if (headSize < 8 || headSize > AttentionSizes.MaximumHeadSize || headSize % 8 != 0)
            Check.That(false, verb, $"HeadSize is {headSize}; it must be a multiple of 8 from 8 to {AttentionSizes.MaximumHeadSize}.");
        if (heads != 0 && (keyValueHeads == 0 || heads % keyValueHeads != 0))
            Check.That(false, verb, $"KeyValueHeads {keyValueHeads} does not divide Heads {heads}.");
    }

    private static void Fits(long batch, long length, long tokens, string verb, string which)
    {
        if (batch != 0 && length > tokens / batch)
            Check.That(false, verb, $"Batch {batch} times Max{which}Length {length} is more than {which}Tokens {tokens}.");
    }

    private static void Offsets(int* offsets, long batch, long longest, long tokens, string verb, string which)
    {
        if (offsets[0] != 0) Check.That(false, verb, $"CuSeqlens{which}[0] is {offsets[0]}; the first document begins at row 0.");
        for (long document = 0; document < batch; document++)
        {
            long length = (long)offsets[document + 1] - offsets[document];
            if (length < 0) Check.That(false, verb, $"CuSeqlens{which} falls from {offsets[document]} to {offsets[document + 1]} at document {document}.");
            if (length > longest) Check.That(false, verb, $"Document {document} of CuSeqlens{which} has {length} rows; Max{which}Length is {longest}.");
        }
        if (offsets[batch] > tokens) Check.That(false, verb, $"CuSeqlens{which} ends at {offsets[batch]}; {which}Tokens is {tokens}.");
    }
}
