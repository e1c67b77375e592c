using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Rotary position embedding, one token (all its heads) after the other. In place or not.</summary>
internal unsafe struct RotaryJob : IRangeJob
{
    /// <summary>Columns of an interleaved head whose cosines and signed sines are spread at a time.</summary>
    private const int SpreadColumns = 256;

    public float* X;
    public float* Output;
    public float* Table;
    public int* Positions;
    public long StepX;
    public long StepOutput;
    public long StepTable;
    public long Heads;
    public long HeadSize;
    public long RotarySize;
    public float Sign;
    public bool Interleaved;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long token = begin; token < end; token++)
        {
            float* x = X + token * StepX, output = Output + token * StepOutput, table = Table + Positions[token] * StepTable;
            if (Interleaved) TokenInterleaved(x, output, table);
            else TokenHalves(x, output, table);
            if (x != output && RotarySize < HeadSize) CopyRest(x, output);
        }
    }

    private readonly void CopyRest(float* x, float* output)
    {
        long bytes = (HeadSize - RotarySize) * sizeof(float);
        for (long head = 0; head < Heads; head++)
        {
            long offset = head * HeadSize + RotarySize;
            Buffer.MemoryCopy(x + offset, output + offset, bytes, bytes);
        }
    }

    private readonly void TokenHalves(float* x, float* output, float* table)
    {
        long half = RotarySize / 2, i = 0;
        if (Vector512.IsHardwareAccelerated) i = Halves<Simd512>(x, output, table, i, half);
        if (Vector256.IsHardwareAccelerated) i = Halves<Simd256>(x, output, table, i, half);
        if (Vector128.IsHardwareAccelerated) i = Halves<Simd128>(x, output, table, i, half);
        Halves<SimdScalar>(x, output, table, i, half);
    }

    /// <summary>Column of registers by column, all heads in each: the angle stays in two registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly long Halves<T>(float* x, float* output, float* table, long i, long half) where T : unmanaged, ISimd<T>
    {
        for (; i <= half - T.Count; i += T.Count)
        {
            T cosine = T.Load(table + i), sine = T.Create(Sign) * T.Load(table + half + i);
            float* source = x + i, target = output + i;
            for (long head = 0; head < Heads; head++)
            {
                T a = T.Load(source), b = T.Load(source + half);
                T.Store(T.NegativeMultiplyAdd(b, sine, a * cosine), target);
                T.Store(T.MultiplyAdd(a, sine, b * cosine), target + half);
                source += HeadSize;
                target += HeadSize;
            }
        }
        return i;
    }

    /// <summary>x * cosine + swapped(x) * sine, where the sine of the even element of a pair is negated.</summary>
    private readonly void TokenInterleaved(float* x, float* output, float* table)
    {
        float* cosines = stackalloc float[SpreadColumns], sines = stackalloc float[SpreadColumns];
        long half = RotarySize / 2;
        for (long start = 0; start < RotarySize; start += SpreadColumns)
        {
            long columns = Math.Min(SpreadColumns, RotarySize - start);
            for (long i = 0; i < columns; i += 2)
            {
                cosines[i] = cosines[i + 1] = table[(start + i) / 2];
                sines[i + 1] = Sign * table[half + (start + i) / 2];
                sines[i] = -sines[i + 1];
            }
            for (long head = 0; head < Heads; head++)
                Pairs(x + head * HeadSize + start, output + head * HeadSize + start, cosines, sines, columns);
        }
    }

    private static void Pairs(float* x, float* output, float* cosines, float* sines, long n)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i <= n - 16; i += 16)
            {
                Vector512<float> value = Vector512.Load(x + i);
                Vector512<float> swapped = Vector512.Shuffle(value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
                Vector512.FusedMultiplyAdd(swapped, Vector512.Load(sines + i), value * Vector512.Load(cosines + i)).Store(output + i);
            }
        }
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= n - 8; i += 8)
            {
                Vector256<float> value = Vector256.Load(x + i), swapped = Vector256.Shuffle(value, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
                Vector256.FusedMultiplyAdd(swapped, Vector256.Load(sines + i), value * Vector256.Load(cosines + i)).Store(output + i);
            }
        }
        for (; i <= n - 4; i += 4)
        {
            Vector128<float> value = Vector128.Load(x + i), swapped = Vector128.Shuffle(value, Vector128.Create(1, 0, 3, 2));
            Vector128.FusedMultiplyAdd(swapped, Vector128.Load(sines + i), value * Vector128.Load(cosines + i)).Store(output + i);
        }
        for (; i < n; i += 2)
        {
            float a = x[i], b = x[i + 1];
            output[i] = MathF.FusedMultiplyAdd(b, sines[i], a * cosines[i]);
            output[i + 1] = MathF.FusedMultiplyAdd(a, sines[i + 1], b * cosines[i + 1]);
        }
    }
}
