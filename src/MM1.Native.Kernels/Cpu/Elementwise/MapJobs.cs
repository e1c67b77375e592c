using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>A unary map over lines.</summary>
internal unsafe struct UnaryJob<TMap> : IRangeJob where TMap : unmanaged, IUnaryMap
{
    public TMap Map;
    public LinePlan Plan;
    public float* X;
    public float* Output;
    public long StepX;
    public long StepOutput;

    public static void Run(WorkerPool pool, TMap map, in Operand x, in Operand output, long rows, long columns, long grain)
    {
        var plan = new LinePlan(rows, columns, LinePlan.IsContiguous(x, rows, columns) && LinePlan.IsContiguous(output, rows, columns));
        var job = new UnaryJob<TMap>
        {
            Map = map,
            Plan = plan,
            X = (float*)x.Data,
            Output = (float*)output.Data,
            StepX = plan.Step(x),
            StepOutput = plan.Step(output),
        };
        pool.For(plan.Lines, plan.Grain(grain), ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        for (long line = begin; line < end; line++) Line(Map, X + line * StepX, Output + line * StepOutput, Plan.Length(line));
    }

    /// <summary>One line; the output may be x.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    public static void Line(TMap map, float* x, float* output, long n)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated) i = Loop<Simd512>(map, x, output, i, n);
        if (Vector256.IsHardwareAccelerated) i = Loop<Simd256>(map, x, output, i, n);
        if (Vector128.IsHardwareAccelerated) i = Loop<Simd128>(map, x, output, i, n);
        Loop<SimdScalar>(map, x, output, i, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Loop<T>(TMap map, float* x, float* output, long i, long n) where T : unmanaged, ISimd<T>
    {
        for (; i <= n - T.Count; i += T.Count)
        {
            T old = TMap.ReadsOutput ? T.Load(output + i) : default;
            T.Store(map.Invoke(T.Load(x + i), old), output + i);
        }
        return i;
    }
}

/// <summary>A binary map over lines; the rows of B may repeat.</summary>
internal unsafe struct BinaryJob<TMap> : IRangeJob where TMap : unmanaged, IBinaryMap
{
    public TMap Map;
    public LinePlan Plan;
    public float* A;
    public float* B;
    public float* Output;
    public long StepA;
    public long StepB;
    public long StepOutput;
    public RowMap Rows;
    public bool Scalar;

    public static void Run(WorkerPool pool, TMap map, in Operand a, in Operand b, in Operand output, long rows, long columns, long grain) =>
        Run(pool, map, a, b, output, rows, columns, Broadcast.Cycle, rows, grain);

    public static void Run(WorkerPool pool, TMap map, in Operand a, in Operand b, in Operand output, long rows, long columns,
        Broadcast broadcast, long rowsB, long grain)
    {
        bool scalar = broadcast == Broadcast.PerRow;
        bool contiguous = !scalar && rowsB == rows && LinePlan.IsContiguous(a, rows, columns)
            && LinePlan.IsContiguous(b, rows, columns) && LinePlan.IsContiguous(output, rows, columns);
        var plan = new LinePlan(rows, columns, contiguous);
        var job = new BinaryJob<TMap>
        {
            Map = map,
            Plan = plan,
            A = (float*)a.Data,
            B = (float*)b.Data,
            Output = (float*)output.Data,
            StepA = plan.Step(a),
            StepB = plan.Step(b),
            StepOutput = plan.Step(output),
            Rows = contiguous ? default : new RowMap(broadcast, rows, rowsB),
            Scalar = scalar,
        };
        pool.For(plan.Lines, plan.Grain(grain), ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        for (long line = begin; line < end; line++)
        {
            float* a = A + line * StepA, b = B + Rows.Of(line) * StepB, output = Output + line * StepOutput;
            if (Scalar) LineOfScalar(Map, a, *b, output, Plan.Length(line));
            else Line(Map, a, b, output, Plan.Length(line));
        }
    }

    /// <summary>One line; the output may be a or b.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    public static void Line(TMap map, float* a, float* b, float* output, long n)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated) i = Loop<Simd512>(map, a, b, output, i, n);
        if (Vector256.IsHardwareAccelerated) i = Loop<Simd256>(map, a, b, output, i, n);
        if (Vector128.IsHardwareAccelerated) i = Loop<Simd128>(map, a, b, output, i, n);
        Loop<SimdScalar>(map, a, b, output, i, n);
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    private static void LineOfScalar(TMap map, float* a, float b, float* output, long n)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated) i = LoopOfScalar<Simd512>(map, a, b, output, i, n);
        if (Vector256.IsHardwareAccelerated) i = LoopOfScalar<Simd256>(map, a, b, output, i, n);
        if (Vector128.IsHardwareAccelerated) i = LoopOfScalar<Simd128>(map, a, b, output, i, n);
        LoopOfScalar<SimdScalar>(map, a, b, output, i, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Loop<T>(TMap map, float* a, float* b, float* output, long i, long n) where T : unmanaged, ISimd<T>
    {
        for (; i <= n - T.Count; i += T.Count)
        {
            T old = TMap.ReadsOutput ? T.Load(output + i) : default;
            T.Store(map.Invoke(T.Load(a + i), T.Load(b + i), old), output + i);
        }
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long LoopOfScalar<T>(TMap map, float* a, float b, float* output, long i, long n) where T : unmanaged, ISimd<T>
    {
        T spread = T.Create(b);
        for (; i <= n - T.Count; i += T.Count)
        {
            T old = TMap.ReadsOutput ? T.Load(output + i) : default;
            T.Store(map.Invoke(T.Load(a + i), spread, old), output + i);
        }
        return i;
    }
}

/// <summary>Which row of a smaller operand a row meets (<see cref="Broadcast"/>).</summary>
internal readonly struct RowMap
{
    private readonly long _divisor;
    private readonly long _modulus;

    public RowMap(Broadcast broadcast, long rows, long smallRows)
    {
        if (smallRows == rows) return; // each its own
        if (broadcast == Broadcast.Cycle) _modulus = smallRows;
        else _divisor = rows / smallRows;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Of(long row) => _modulus == 1 ? 0 : _modulus != 0 ? row % _modulus : _divisor != 0 ? row / _divisor : row;
}
