using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>
    /// Flash attention: query [queryTokens, heads, headSize], key and value [keyTokens, keyValueHeads, headSize]; the result
    /// has query's shape. Scores are multiplied by <paramref name="scale"/>, 1/sqrt(headSize) by default.
    /// </summary>
    public static Tensor Attention(Tensor query, Tensor key, Tensor value, AttentionLayout layout, float? scale = null)
    {
        const string Operation = "Attention";
        ArgumentNullException.ThrowIfNull(layout);
        TensorState q = query.State, k = key.State, v = value.State;
        Arena arena = Kernel.Begin(Operation, q, k);
        Kernel.RequireDevice(Operation, arena, v);
        Kernel.RequireFloat(Operation, "query", q);
        Kernel.RequireSame(Operation, "key", k, "query", q);
        Kernel.RequireSame(Operation, "value", v, "query", q);
        if (q.Shape.Rank != 3 || k.Shape.Rank != 3 || k.Shape != v.Shape || q.Shape[2] != k.Shape[2] || k.Shape[1] == 0 || q.Shape[1] % k.Shape[1] != 0)
        {
            throw new OperationException(Operation, $"query {q.Shape}, key {k.Shape} and value {v.Shape} do not fit: all are [tokens, heads, headSize], key and value of one shape, "
                + "one head size, and the key heads divide the query heads.");
        }
        RequireHeadSize(Operation, q.Shape[2]);
        layout.Check(Operation, arena, q.Shape[0], k.Shape[0]);
        long rowQ = q.Shape[1] * q.Shape[2], rowK = k.Shape[1] * k.Shape[2];
        TensorState output = arena.New(q.Shape, q.DType);
        bool records = Kernel.Records(q, k, v);
        TensorState? logSumExp = records ? arena.New([q.Shape[1], q.Shape[0]], DType.Float32) : null;
        FlashAttentionForwardArgs args = Describe(layout, q.Shape[1], k.Shape[1], q.Shape[2], q.Shape[0], k.Shape[0], scale,
            q.AsRowsOf(rowQ), k.AsRowsOf(rowK), v.AsRowsOf(rowK), output.AsRowsOf(rowQ), logSumExp);
        Forward(arena.Device, args);
        if (records) arena.Tape.Record(new AttentionNode(q, k, v, output, logSumExp!, layout, args), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// Self-attention over a fused projection: qkv [tokens, (heads + 2 * keyValueHeads) * headSize], query heads first, then
    /// key, then value heads. Optionally normalizes query and key heads (QK-norm) and rotates them. The result is
    /// [tokens, heads * headSize].
    /// </summary>
    public static Tensor SelfAttention(Tensor qkv, SelfAttentionOptions options, AttentionLayout layout) => SelfAttention(qkv, options, layout, consumes: false);

    /// <summary>The same; with <paramref name="consumes"/> the caller gives up qkv, whose heads are then rotated in place.</summary>
    internal static Tensor SelfAttention(Tensor qkv, in SelfAttentionOptions options, AttentionLayout layout, bool consumes)
    {
        const string Operation = "SelfAttention";
        ArgumentNullException.ThrowIfNull(layout);
        TensorState fused = qkv.State;
        Arena arena = Kernel.Begin(Operation, fused);
        Kernel.RequireFloat(Operation, "qkv", fused);
        long heads = options.Heads, kvHeads = options.KeyValueHeads == 0 ? heads : options.KeyValueHeads, headSize = options.HeadSize;
        if (heads <= 0 || kvHeads <= 0 || heads % kvHeads != 0) throw new OperationException(Operation, $"{kvHeads} key heads must divide {heads} query heads.");
        RequireHeadSize(Operation, headSize);
        long width = (heads + 2 * kvHeads) * headSize;
        if (fused.Shape.Rank != 2 || fused.Shape[1] != width)
            throw new OperationException(Operation, $"qkv {fused.Shape} must be [tokens, {width}] for {heads} query heads and {kvHeads} key and value heads of {headSize}.");
        long tokens = fused.Shape[0];
        layout.Check(Operation, arena, tokens, tokens);
        TensorState? positions = options.Positions?.State, queryNorm = options.QueryNorm?.State, keyNorm = options.KeyNorm?.State;
        if ((options.Rotary is null) != (positions is null)) throw new OperationException(Operation, "rotary embedding needs both a table and positions.");
        if ((queryNorm is null) != (keyNorm is null)) throw new OperationException(Operation, "QK-norm needs both weights.");
        if (positions is not null)
        {
            Kernel.RequireDevice(Operation, arena, positions);
            Kernel.RequireDType(Operation, "positions", positions, DType.Int32);
            if (positions.Elements != tokens) throw new OperationException(Operation, $"positions {positions.Shape} must hold one position for each of {tokens} tokens.");
        }
        foreach (TensorState? weight in (ReadOnlySpan<TensorState?>)[queryNorm, keyNorm])
        {
            if (weight is not null) Kernel.RequireDevice(Operation, arena, weight);
            if (weight is not null) Kernel.RequireSame(Operation, "a QK-norm weight", weight, "qkv", fused);
            if (weight is not null && (weight.Shape.Rank != 1 || weight.Elements != headSize))
                throw new OperationException(Operation, $"a QK-norm weight {weight.Shape} must be [{headSize}].");
        }
        bool records = Kernel.Records(fused, queryNorm, keyNorm);
        var plan = new SelfAttentionPlan(options, heads, kvHeads, headSize, tokens);
        // Where the heads are read from: the projection itself, or a copy of query and key that is normalized and rotated.
        bool copies = queryNorm is not null || (options.Rotary is not null && !consumes);
        TensorState headsState = copies ? arena.New([tokens, (heads + kvHeads) * headSize], fused.DType) : fused;
        TensorState? inverseQuery = null, inverseKey = null;
        if (queryNorm is not null)
        {
            inverseQuery = records ? arena.New([tokens, heads], DType.Float32) : null;
            inverseKey = records ? arena.New([tokens, kvHeads], DType.Float32) : null;
            plan.NormalizeHeads(fused, queryNorm, 0, heads, headsState, inverseQuery);
            plan.NormalizeHeads(fused, keyNorm!, heads * headSize, kvHeads, headsState, inverseKey);
        }
        if (options.Rotary is { } table)
        {
            Operand source = queryNorm is not null ? headsState.Operand : fused.Operand;
            table.Rotate(positions!, source, headsState.Operand, tokens, heads + kvHeads, headSize, inverse: false);
        }
        TensorState output = arena.New([tokens, heads * headSize], fused.DType);
        TensorState? logSumExp = records ? arena.New([heads, tokens], DType.Float32) : null;
        FlashAttentionForwardArgs args = Describe(layout, heads, kvHeads, headSize, tokens, tokens, options.Scale,
            headsState.Operand, headsState.ColumnsFrom(heads * headSize), fused.ColumnsFrom((heads + kvHeads) * headSize), output.Operand, logSumExp);
        Forward(arena.Device, args);
        if (records) arena.Tape.Record(new SelfAttentionNode(fused, headsState, positions, queryNorm, keyNorm, inverseQuery, inverseKey, output, logSumExp!, layout, plan, args), output);
        else if (copies) Arena.Release(headsState);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// Attention of new tokens against a KV cache, without gradients: query [batch * queryLength, heads, headSize], caches
    /// [batch, maxLength, keyValueHeads, headSize], lengths int32 [batch] with the new tokens counted.
    /// </summary>
    public static Tensor DecodeAttention(Tensor query, Tensor keyCache, Tensor valueCache, Tensor lengths, float? scale = null)
    {
        const string Operation = "DecodeAttention";
        TensorState q = query.State, k = keyCache.State, v = valueCache.State, valid = lengths.State;
        Arena arena = Kernel.Begin(Operation, q, k);
        Kernel.RequireDevice(Operation, arena, v);
        Kernel.RequireDevice(Operation, arena, valid);
        RequireNoGradient(Operation, q, k, v);
        Kernel.RequireDType(Operation, "lengths", valid, DType.Int32);
        if (q.Shape.Rank != 3 || k.Shape.Rank != 4 || k.Shape != v.Shape || valid.Elements != k.Shape[0] || q.Shape[2] != k.Shape[3]
            || k.Shape[2] == 0 || q.Shape[1] % k.Shape[2] != 0 || (k.Shape[0] == 0 ? q.Shape[0] != 0 : q.Shape[0] % k.Shape[0] != 0))
        {
            throw new OperationException(Operation, $"query {q.Shape}, caches {k.Shape} and {v.Shape} and lengths {valid.Shape} do not fit: "
                + "[batch * queryLength, heads, headSize], [batch, maxLength, keyValueHeads, headSize] twice, [batch].");
        }
        RequireHeadSize(Operation, q.Shape[2]);
        TensorState output = arena.New(q.Shape, q.DType);
        var args = new FlashAttentionDecodeArgs
        {
            Batch = k.Shape[0],
            QueryLength = k.Shape[0] == 0 ? 0 : q.Shape[0] / k.Shape[0],
            Heads = q.Shape[1],
            KeyValueHeads = k.Shape[2],
            HeadSize = q.Shape[2],
            MaxLength = k.Shape[1],
            Lengths = valid.Address,
            Query = q.AsRowsOf(q.Shape[1] * q.Shape[2]),
            KeyCache = k.AsRowsOf(k.Shape[2] * k.Shape[3]),
            ValueCache = v.AsRowsOf(k.Shape[2] * k.Shape[3]),
            Output = output.AsRowsOf(q.Shape[1] * q.Shape[2]),
            Scale = scale ?? 1 / MathF.Sqrt(q.Shape[2]),
        };
        arena.Device.Kernels.FlashAttentionDecode(arena.Device.Launch(arena.Device.Kernels.FlashAttentionDecodeWorkspaceBytes(args)), args);
        return Kernel.End(Operation, output);
    }

    /// <summary>Writes key and value [tokens, keyValueHeads, headSize] into caches, in place: token t at (sequences[t], positions[t]).</summary>
    public static void AppendKeyValue(Tensor key, Tensor value, Tensor keyCache, Tensor valueCache, Tensor sequences, Tensor positions)
    {
        const string Operation = "AppendKeyValue";
        TensorState k = key.State, v = value.State, cacheK = keyCache.State, cacheV = valueCache.State, where = sequences.State, when = positions.State;
        Arena arena = Kernel.Begin(Operation, k, cacheK);
        foreach (TensorState input in (ReadOnlySpan<TensorState>)[v, cacheV, where, when]) Kernel.RequireDevice(Operation, arena, input);
        RequireNoGradient(Operation, k, v, cacheK, cacheV);
        Kernel.RequireWritable(Operation, cacheK);
        Kernel.RequireWritable(Operation, cacheV);
        Kernel.RequireDType(Operation, "sequences", where, DType.Int32);
        Kernel.RequireDType(Operation, "positions", when, DType.Int32);
        if (k.Shape.Rank != 3 || cacheK.Shape.Rank != 4 || k.Shape != v.Shape || cacheK.Shape != cacheV.Shape || k.Shape[1] != cacheK.Shape[2] || k.Shape[2] != cacheK.Shape[3]
            || where.Elements != k.Shape[0] || when.Elements != k.Shape[0])
        {
            throw new OperationException(Operation, $"key {k.Shape}, value {v.Shape}, caches {cacheK.Shape} and {cacheV.Shape}, sequences {where.Shape} and positions {when.Shape} do not fit: "
                + "[tokens, keyValueHeads, headSize] twice, [batch, maxLength, keyValueHeads, headSize] twice, [tokens] twice.");
        }
        long row = k.Shape[1] * k.Shape[2];
        arena.Device.Kernels.KeyValueCacheAppend(arena.Device.Launch(), new KeyValueCacheAppendArgs
        {
            Tokens = k.Shape[0],
            Batch = cacheK.Shape[0],
            MaxLength = cacheK.Shape[1],
            KeyValueHeads = k.Shape[1],
            HeadSize = k.Shape[2],
            Sequences = where.Address,
            Positions = when.Address,
            Key = k.AsRowsOf(row),
            Value = v.AsRowsOf(row),
            KeyCache = cacheK.AsRowsOf(row),
            ValueCache = cacheV.AsRowsOf(row),
        });
    }

    private static void RequireHeadSize(string operation, long headSize)
    {
        if (headSize <= 0 || headSize % 8 != 0 || headSize > 256)
            throw new OperationException(operation, $"head size {headSize} is not supported; it must be a multiple of 8, at most 256.");
    }

    private static void RequireNoGradient(string operation, params ReadOnlySpan<TensorState> inputs)
    {
        foreach (TensorState input in inputs)
        {
            Kernel.RequireFloat(operation, "an operand", input);
            Kernel.RequireSame(operation, "an operand", input, "another", inputs[0]);
            if (Kernel.Records(input)) throw new OperationException(operation, "has no backward; run it inside BeginInference() or GradientMode.NoGrad().");
        }
    }

    private static FlashAttentionForwardArgs Describe(AttentionLayout layout, long heads, long kvHeads, long headSize, long queryTokens, long keyTokens, float? scale,
        Operand query, Operand key, Operand value, Operand output, TensorState? logSumExp) => new()
        {
            Mask = layout.Mask,
            Scale = scale ?? 1 / MathF.Sqrt(headSize),
            Batch = layout.Batch,
            Heads = heads,
            KeyValueHeads = kvHeads,
            HeadSize = headSize,
            QueryTokens = queryTokens,
            KeyTokens = keyTokens,
            MaxQueryLength = layout.MaxQueryLength,
            MaxKeyLength = layout.MaxKeyLength,
            CuSeqlensQuery = layout.CuSeqlensQuery?.Address ?? 0,
            CuSeqlensKey = layout.CuSeqlensKey?.Address ?? 0,
            PrefixLengths = layout.PrefixLengths?.Address ?? 0,
            Query = query,
            Key = key,
            Value = value,
            Output = output,
            LogSumExp = logSumExp?.Operand ?? default,
        };

    private static void Forward(Device device, in FlashAttentionForwardArgs args) =>
        device.Kernels.FlashAttentionForward(device.Launch(device.Kernels.FlashAttentionForwardWorkspaceBytes(args)), args);

    private static void Backward(Device device, in FlashAttentionForwardArgs forward, Operand outputGradient, Operand query, Operand key, Operand value)
    {
        var args = new FlashAttentionBackwardArgs
        {
            Forward = forward,
            OutputGradient = outputGradient,
            QueryGradient = query,
            KeyGradient = key,
            ValueGradient = value,
        };
        device.Kernels.FlashAttentionBackward(device.Launch(device.Kernels.FlashAttentionBackwardWorkspaceBytes(args)), args);
    }

    private static void SaveLayout(Node node, AttentionLayout layout)
    {
        if (layout.CuSeqlensQuery is { } query) node.Save(query.State);
        if (layout.CuSeqlensKey is { } key) node.Save(key.State);
        if (layout.PrefixLengths is { } prefix) node.Save(prefix.State);
    }

    private sealed class AttentionNode : Node
    {
        private readonly TensorState _query, _key, _value;
        private readonly FlashAttentionForwardArgs _args;

        public AttentionNode(TensorState query, TensorState key, TensorState value, TensorState output, TensorState logSumExp, AttentionLayout layout, in FlashAttentionForwardArgs args)
        {
            _query = Save(query);
            _key = Save(key);
            _value = Save(value);
            Save(output);
            Own(logSumExp);
            SaveLayout(this, layout);
            _args = args;
        }

        public override string Operation => "Attention";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _query, _key, _value };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            Arena arena = gradient.Arena!;
            TensorState query = arena.New(_query.Shape, _query.DType), key = arena.New(_key.Shape, _key.DType), value = arena.New(_value.Shape, _value.DType);
            long rowQ = _args.Heads * _args.HeadSize, rowK = _args.KeyValueHeads * _args.HeadSize;
            Functional.Backward(gradient.Device, _args, gradient.AsRowsOf(rowQ), query.AsRowsOf(rowQ), key.AsRowsOf(rowK), value.AsRowsOf(rowK));
            Gradients.Pass(_query, query);
            Gradients.Pass(_key, key);
            Gradients.Pass(_value, value);
            Arena.Release(query);
            Arena.Release(key);
            Arena.Release(value);
        }
    }

    /// <summary>dQ, dK, dV land in one fused buffer; query and key then go back through the rotation and the norms.</summary>
    private sealed class SelfAttentionNode : Node
    {
        private readonly TensorState _fused, _heads;
        private readonly TensorState? _positions, _queryNorm, _keyNorm, _inverseQuery, _inverseKey;
        private readonly SelfAttentionPlan _plan;
        private readonly FlashAttentionForwardArgs _args;

        public SelfAttentionNode(TensorState fused, TensorState heads, TensorState? positions, TensorState? queryNorm, TensorState? keyNorm, TensorState? inverseQuery, TensorState? inverseKey,
            TensorState output, TensorState logSumExp, AttentionLayout layout, SelfAttentionPlan plan, in FlashAttentionForwardArgs args)
        {
            _fused = Save(fused);
            _heads = heads;
            if (heads != fused) Own(heads);
            _positions = positions is null ? null : Save(positions);
            _queryNorm = queryNorm is null ? null : Save(queryNorm);
            _keyNorm = keyNorm is null ? null : Save(keyNorm);
            _inverseQuery = Own(inverseQuery);
            _inverseKey = inverseKey; // small; it stays until the step ends
            Save(output);
            Own(logSumExp);
            SaveLayout(this, layout);
            _plan = plan;
            _args = args;
        }

        public override string Operation => "SelfAttention";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _fused, _queryNorm, _keyNorm };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            Arena arena = gradient.Arena!;
            (long heads, long kvHeads, long headSize, long tokens) = (_plan.Heads, _plan.KeyValueHeads, _plan.HeadSize, _plan.Tokens);
            TensorState fused = arena.New(_fused.Shape, _fused.DType);
            // With QK-norm the gradients of the normalized heads are a stage of their own; else they go straight into place.
            TensorState stage = _queryNorm is null ? fused : arena.New(_heads.Shape, _heads.DType);
            Functional.Backward(gradient.Device, _args, gradient.Operand, stage.Operand, stage.ColumnsFrom(heads * headSize), fused.ColumnsFrom((heads + kvHeads) * headSize));
            _plan.Options.Rotary?.Rotate(_positions!, stage.Operand, stage.Operand, tokens, heads + kvHeads, headSize, inverse: true);
            if (_queryNorm is not null)
            {
                _plan.NormalizeHeadsBackward(_fused, _queryNorm, _inverseQuery!, 0, heads, stage, fused);
                _plan.NormalizeHeadsBackward(_fused, _keyNorm!, _inverseKey!, heads * headSize, kvHeads, stage, fused);
                Arena.Release(stage);
            }
            Gradients.Pass(_fused, fused);
            Arena.Release(fused);
        }
    }
}
