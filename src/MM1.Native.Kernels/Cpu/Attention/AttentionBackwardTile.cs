using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Up to three vectors of query rows of one head on their way back through attention, block of keys by block of keys:
/// <code>
/// P  = exp(S - logSumExp)           S and dP as in the forward tile, [key, lane]
/// dS = P * (dP - delta)             delta = rowsum(dO * O)
/// dV += P dO,  dK += dS Q           [key, column], sums over lanes in ascending order
/// dQ += dS K                        [column, lane], a sum over keys in ascending order
/// </code>
/// </summary>
internal unsafe struct AttentionBackwardTile<T> where T : unmanaged, ISimd<T>
{
    /// <summary>Keys of one block. No bits depend on it, only what stays in the first-level cache.</summary>
    public const int BlockKeys = 64;

    private readonly int _headSize, _columns;
    private readonly float _scale;
    private readonly float* _queryLanes, _gradientLanes, _queryRows, _gradientRows, _queryGradient;
    private readonly float* _probabilities, _scoreGradients, _logSumExp, _delta, _factor, _zeroRow, _dumpRow;

    /// <summary>Rows of the lanes, to be filled before <see cref="Begin"/>.</summary>
    public readonly float** QueryRows, OutputRows, OutputGradientRows, QueryGradientRows;

    /// <summary>Limits of the lanes, likewise.</summary>
    public AttentionLimits Limits;

    public AttentionBackwardTile(ref AttentionScratch scratch, int headSize, float scale)
    {
        _headSize = headSize;
        _scale = scale;
        _columns = Columns(headSize);
        int tile = PaddedHeadSize(headSize) * AttentionSizes.MaximumLanes, block = BlockKeys * AttentionSizes.MaximumLanes;
        _queryLanes = scratch.Floats(tile);
        _gradientLanes = scratch.Floats(tile);
        _queryRows = scratch.Floats(tile);
        _gradientRows = scratch.Floats(tile);
        _queryGradient = scratch.Floats(tile);
        _probabilities = scratch.Floats(block);
        _scoreGradients = scratch.Floats(block);
        _logSumExp = scratch.Floats(AttentionSizes.MaximumLanes);
        _delta = scratch.Floats(AttentionSizes.MaximumLanes);
        _factor = scratch.Floats(AttentionSizes.MaximumLanes);
        Limits.Lanes = scratch.Floats(AttentionSizes.MaximumLanes);
        _zeroRow = scratch.Floats(AttentionSizes.MaximumHeadSize);
        _dumpRow = scratch.Floats(AttentionSizes.MaximumHeadSize);
        QueryRows = scratch.Pointers(AttentionSizes.MaximumLanes);
        OutputRows = scratch.Pointers(AttentionSizes.MaximumLanes);
        OutputGradientRows = scratch.Pointers(AttentionSizes.MaximumLanes);
        QueryGradientRows = scratch.Pointers(AttentionSizes.MaximumLanes);
    }

    /// <summary>Lanes of a full tile; also the row stride of everything that has lanes.</summary>
    public static int Lanes => AttentionProduct.MaximumVectors * T.Count;

    /// <summary>Row stride of everything that has head columns as lanes.</summary>
    public static int Columns(int headSize) => AttentionSizes.RoundUp(headSize, T.Count);

    /// <summary>The largest <see cref="Columns"/> of any vector width.</summary>
    public static int PaddedHeadSize(int headSize) => AttentionSizes.RoundUp(headSize, 16);

    /// <summary>Takes the first <paramref name="lanes"/> rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Begin(int lanes, float* logSumExp)
    {
        Limits.Close(lanes, T.Count);
        int padded = Limits.Vectors * T.Count;
        if (lanes < padded) new Span<float>(_zeroRow, _headSize).Clear();
        for (int lane = 0; lane < padded; lane++)
        {
            bool real = lane < lanes;
            if (!real)
            {
                QueryRows[lane] = OutputRows[lane] = OutputGradientRows[lane] = _zeroRow;
                QueryGradientRows[lane] = _dumpRow;
            }
            // Lanes without a row or without a key get probabilities of zero.
            bool empty = !real || float.IsNegativeInfinity(logSumExp[lane]);
            _logSumExp[lane] = empty ? -AttentionSizes.Hidden : logSumExp[lane];
            AttentionLanes.Pack(QueryRows[lane], 0, 1, 1, _headSize, _queryRows + lane * _columns, _columns);
            AttentionLanes.Pack(OutputGradientRows[lane], 0, 1, 1, _headSize, _gradientRows + lane * _columns, _columns);
        }
        AttentionLanes.Gather(QueryRows, padded, _headSize, _scale, _queryLanes, Lanes);
        AttentionLanes.Gather(OutputGradientRows, padded, _headSize, 1, _gradientLanes, Lanes);
        AttentionLanes.Gather(OutputRows, padded, _headSize, 1, _queryGradient, Lanes);
        for (int lane = 0; lane < padded; lane += T.Count)
        {
            // The order of dP: with one key, dP - delta is exactly zero.
            T delta = T.Create(0f);
            for (int at = lane; at < _headSize * Lanes; at += Lanes) delta = T.MultiplyAdd(T.Load(_queryGradient + at), T.Load(_gradientLanes + at), delta);
            T.Store(delta, _delta + lane);
        }
        new Span<float>(_queryGradient, _headSize * Lanes).Clear();
        new Span<float>(_factor, Lanes).Fill(_scale);
    }

    /// <summary>
    /// Keys <paramref name="firstKey"/> and on. Key and value rows lie <c>headSize</c> apart, the rows of their gradients
    /// <see cref="Columns"/>; all are padded with zero rows to a multiple of eight. Null gradients are not wanted.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Block(float* key, float* value, float* keyGradient, float* valueGradient, int firstKey, int count, bool queryGradient)
    {
        int w = T.Count, lanes = Lanes, headSize = _headSize, columns = _columns, vectors = Limits.Vectors;
        int start = Limits.StartAt(firstKey);
        if (start == vectors) return;
        int keys = Limits.KeysOf(vectors - 1, firstKey, AttentionSizes.RoundUp(count, AttentionProduct.Rows));
        Products(key, _queryLanes, _probabilities, firstKey, keys, start);
        Products(value, _gradientLanes, _scoreGradients, firstKey, keys, start);
        for (int vector = start; vector < vectors; vector++) Differentiate(vector, firstKey, Limits.KeysOf(vector, firstKey, keys));
        if (keyGradient != null)
        {
            Accumulate(_probabilities, _gradientRows, valueGradient, firstKey, keys, start);
            Accumulate(_scoreGradients, _queryRows, keyGradient, firstKey, keys, start);
        }
        if (!queryGradient) return;
        for (int d = 0; d < headSize; d += AttentionProduct.Rows)
        {
            for (int vector = start, k = 0; vector < vectors; vector++)
            {
                int end = Limits.KeysOf(vector, firstKey, keys);
                if (end == k) continue;
                AttentionProduct.Multiply<T>(key + k * headSize + d, 1, headSize, _scoreGradients + k * lanes + vector * w, lanes,
                    _queryGradient + d * lanes + vector * w, lanes, end - k, vectors - vector, true);
                k = end;
            }
        }
    }

    /// <summary>Writes the query gradient.</summary>
    public readonly void End() => AttentionLanes.Scatter(_queryGradient, Lanes, _factor, QueryGradientRows, Limits.Vectors * T.Count, _headSize);

    /// <summary>products[key, lane] = rows[key] . lanes[lane], for the vectors that see the key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Products(float* rows, float* laneTile, float* products, int firstKey, int keys, int from)
    {
        int w = T.Count, lanes = Lanes;
        for (int k = 0; k < keys; k += AttentionProduct.Rows)
        {
            while (Limits.Last(from) <= firstKey + k) from++;
            AttentionProduct.Multiply<T>(rows + k * _headSize, _headSize, 1, laneTile + from * w, lanes,
                products + k * lanes + from * w, lanes, _headSize, Limits.Vectors - from, false);
        }
    }

    /// <summary>gradient[key] += the sum over lanes of weights[key, lane] * rows[lane].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Accumulate(float* weights, float* rows, float* gradient, int firstKey, int keys, int from)
    {
        int w = T.Count, lanes = Lanes, columns = _columns;
        for (int k = 0; k < keys; k += AttentionProduct.Rows)
        {
            while (Limits.Last(from) <= firstKey + k) from++;
            AttentionProduct.MultiplyColumns<T>(weights + k * lanes + from * w, lanes, 1, rows + from * w * columns, columns,
                gradient + k * columns, columns, (Limits.Vectors - from) * w, columns / w, true);
        }
    }

    /// <summary>Scores become probabilities, gradients of probabilities gradients of scores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Differentiate(int vector, int firstKey, int keys)
    {
        int w = T.Count, lanes = Lanes;
        float* probabilities = _probabilities + vector * w, gradients = _scoreGradients + vector * w;
        T exponent = T.Create(AttentionSizes.Log2E), logSumExp = T.Load(_logSumExp + vector * w), delta = T.Load(_delta + vector * w);
        int seen = Math.Clamp(Limits.First(vector) - firstKey, 0, keys), k = 0;
        for (; k < seen; k++, probabilities += lanes, gradients += lanes)
        {
            T p = VectorMath.Exp2((T.Load(probabilities) - logSumExp) * exponent);
            T.Store(p, probabilities);
            T.Store(p * (T.Load(gradients) - delta), gradients);
        }
        T limit = T.Load(Limits.Lanes + vector * w), zero = T.Create(0f);
        for (; k < keys; k++, probabilities += lanes, gradients += lanes)
        {
            T p = T.Select(T.GreaterThan(limit, T.Create(firstKey + k)), VectorMath.Exp2((T.Load(probabilities) - logSumExp) * exponent), zero);
            T.Store(p, probabilities);
            T.Store(p * (T.Load(gradients) - delta), gradients);
        }
    }
}
