using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Up to three vectors of query rows of one key head, walked over blocks of keys. Queries are lanes: scores are
/// <c>[key, lane]</c>, the output is <c>[column, lane]</c>, so softmax needs nothing across lanes and a row's bits cannot
/// depend on the rows beside it.
/// </summary>
internal unsafe struct AttentionForwardTile<T> where T : unmanaged, ISimd<T>
{
    /// <summary>A row's maximum is only raised when a score exceeds it by more than this: rescaling gets rare, no precision is lost.</summary>
    private const float Slack = 8;

    private readonly int _headSize;
    private readonly float _scale;
    private readonly float* _query, _scores, _output, _maximum, _sum, _factor, _zeroRow, _dumpRow;

    /// <summary>Rows of the lanes, to be filled before <see cref="Begin"/>.</summary>
    public readonly float** QueryRows, OutputRows;

    /// <summary>Limits of the lanes, likewise.</summary>
    public AttentionLimits Limits;

    public AttentionForwardTile(ref AttentionScratch scratch, int headSize, float scale)
    {
        _headSize = headSize;
        _scale = scale;
        _query = scratch.Floats(headSize * AttentionSizes.MaximumLanes);
        _scores = scratch.Floats(AttentionSizes.BlockKeys * AttentionSizes.MaximumLanes);
        _output = scratch.Floats(headSize * AttentionSizes.MaximumLanes);
        _maximum = scratch.Floats(AttentionSizes.MaximumLanes);
        _sum = scratch.Floats(AttentionSizes.MaximumLanes);
        _factor = scratch.Floats(AttentionSizes.MaximumLanes);
        Limits.Lanes = scratch.Floats(AttentionSizes.MaximumLanes);
        _zeroRow = scratch.Floats(AttentionSizes.MaximumHeadSize);
        _dumpRow = scratch.Floats(AttentionSizes.MaximumHeadSize);
        QueryRows = scratch.Pointers(AttentionSizes.MaximumLanes);
        OutputRows = scratch.Pointers(AttentionSizes.MaximumLanes);
    }

    /// <summary>Lanes of a full tile; also the row stride of everything that has lanes.</summary>
    public static int Lanes => AttentionProduct.MaximumVectors * T.Count;

    /// <summary>Takes the first <paramref name="lanes"/> rows.</summary>
    public void Begin(int lanes)
    {
        Limits.Close(lanes, T.Count);
        int padded = Limits.Vectors * T.Count;
        if (lanes < padded) new Span<float>(_zeroRow, _headSize).Clear();
        for (int lane = lanes; lane < padded; lane++)
        {
            QueryRows[lane] = _zeroRow;
            OutputRows[lane] = _dumpRow;
        }
        AttentionLanes.Gather(QueryRows, padded, _headSize, _scale, _query, Lanes);
        new Span<float>(_output, _headSize * Lanes).Clear();
        new Span<float>(_sum, Lanes).Clear();
        new Span<float>(_maximum, Lanes).Fill(AttentionSizes.Hidden);
    }

    /// <summary>
    /// Keys <paramref name="firstKey"/> (a multiple of the block size) and on; their rows lie <c>headSize</c> apart and are
    /// followed by zero rows up to a multiple of eight.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Block(float* key, float* value, int firstKey, int count)
    {
        int w = T.Count, lanes = Lanes, headSize = _headSize, vectors = Limits.Vectors;
        int start = Limits.StartAt(firstKey);
        if (start == vectors) return;
        int keys = Limits.KeysOf(vectors - 1, firstKey, AttentionSizes.RoundUp(count, AttentionProduct.Rows));
        int from = start;
        for (int k = 0; k < keys; k += AttentionProduct.Rows)
        {
            while (Limits.Last(from) <= firstKey + k) from++;
            AttentionProduct.Multiply<T>(key + k * headSize, headSize, 1, _query + from * w, lanes,
                _scores + k * lanes + from * w, lanes, headSize, vectors - from, false);
        }
        for (int vector = start; vector < vectors; vector++) Softmax(vector, firstKey, Limits.KeysOf(vector, firstKey, keys));
        for (int d = 0; d < headSize; d += AttentionProduct.Rows)
        {
            // Where the mask cuts, the vectors end one after the other.
            for (int vector = start, k = 0; vector < vectors; vector++)
            {
                int end = Limits.KeysOf(vector, firstKey, keys);
                if (end == k) continue;
                AttentionProduct.Multiply<T>(value + k * headSize + d, 1, headSize, _scores + k * lanes + vector * w, lanes,
                    _output + d * lanes + vector * w, lanes, end - k, vectors - vector, true);
                k = end;
            }
        }
    }

    /// <summary>Writes the output rows and, unless null, the log-sum-exp of consecutive rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void End(int lanes, float* logSumExp)
    {
        for (int lane = 0; lane < Limits.Vectors * T.Count; lane += T.Count)
        {
            T sum = T.Load(_sum + lane);
            T.Store(T.Create(1f) / sum, _factor + lane);
            // The maximum, no longer needed, becomes the log-sum-exp.
            T.Store(T.Load(_maximum + lane) + VectorMath.Log(sum), _maximum + lane);
        }
        AttentionLanes.Scatter(_output, Lanes, _factor, OutputRows, Limits.Vectors * T.Count, _headSize);
        for (int lane = 0; lane < lanes && Limits.Lanes[lane] == 0; lane++)
        {
            new Span<float>(OutputRows[lane], _headSize).Clear();
            _maximum[lane] = float.NegativeInfinity;
        }
        if (logSumExp != null) new Span<float>(_maximum, lanes).CopyTo(new Span<float>(logSumExp, lanes));
    }

    /// <summary>Turns scores into exponentials against the running maximum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Softmax(int vector, int firstKey, int keys)
    {
        int w = T.Count, lanes = Lanes;
        float* scores = _scores + vector * w;
        if (Limits.First(vector) < firstKey + keys)
        {
            T limit = T.Load(Limits.Lanes + vector * w), hidden = T.Create(AttentionSizes.Hidden);
            for (int k = Math.Max(0, Limits.First(vector) - firstKey); k < keys; k++)
                T.Store(T.Select(T.GreaterThan(limit, T.Create(firstKey + k)), T.Load(scores + k * lanes), hidden), scores + k * lanes);
        }
        T m0 = T.Load(scores), m1 = T.Load(scores + lanes), m2 = T.Load(scores + 2 * lanes), m3 = T.Load(scores + 3 * lanes);
        for (int k = 4; k < keys; k += 4)
        {
            float* row = scores + k * lanes;
            m0 = T.Max(m0, T.Load(row));
            m1 = T.Max(m1, T.Load(row + lanes));
            m2 = T.Max(m2, T.Load(row + 2 * lanes));
            m3 = T.Max(m3, T.Load(row + 3 * lanes));
        }
        T largest = T.Max(T.Max(m0, m1), T.Max(m2, m3));
        T maximum = T.Load(_maximum + vector * w), sum = T.Load(_sum + vector * w), exponent = T.Create(AttentionSizes.Log2E);
        T risen = T.GreaterThan(largest, maximum + T.Create(Slack));
        // The branch only saves time: lanes that did not rise are scaled by exactly one.
        if (T.MaxLane(T.Select(risen, T.Create(1f), T.Create(0f))) > 0)
        {
            T raised = T.Select(risen, largest, maximum);
            T factor = VectorMath.Exp2((maximum - raised) * exponent);
            sum *= factor;
            float* output = _output + vector * w;
            for (int d = 0; d < _headSize; d++, output += lanes) T.Store(T.Load(output) * factor, output);
            maximum = raised;
            T.Store(maximum, _maximum + vector * w);
        }
        for (int k = 0; k < keys; k++, scores += lanes)
        {
            T p = VectorMath.Exp2((T.Load(scores) - maximum) * exponent);
            sum += p;
            T.Store(p, scores);
        }
        T.Store(sum, _sum + vector * w);
    }
}
