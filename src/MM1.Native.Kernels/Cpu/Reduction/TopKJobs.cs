using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Index of the largest element of each row.</summary>
internal unsafe struct ArgMaxJob : IRangeJob
{
    public long Columns;
    public float* X;
    public int* Indices;
    public float* Values;
    public long StepX;
    public long StepIndices;
    public long StepValues;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            float* x = X + row * StepX;
            int index = IndexOf(x, RowMaximum.Of(x, Columns), Columns);
            Indices[row * StepIndices] = index;
            if (Values is not null) Values[row * StepValues] = x[index];
        }
    }

    /// <summary>First place of a value that is there; any NaN is every other.</summary>
    private static int IndexOf(float* x, float value, long n)
    {
        long i = 0;
        if (float.IsNaN(value))
        {
            while (!float.IsNaN(x[i])) i++;
            return (int)i;
        }
        Vector256<float> wanted = Vector256.Create(value);
        for (; i <= n - 8; i += 8)
        {
            uint found = Vector256.Equals(Vector256.Load(x + i), wanted).ExtractMostSignificantBits();
            if (found != 0) return (int)i + System.Numerics.BitOperations.TrailingZeroCount(found);
        }
        while (x[i] != value) i++;
        return (int)i;
    }
}

/// <summary>
/// The K largest elements of each row in order. The best so far form a heap in the output with the worst of them on top; most
/// elements of a long row are below it and are passed over eight at a time.
/// </summary>
internal unsafe struct TopKJob : IRangeJob
{
    public long Columns;
    public long K;
    public float* X;
    public float* Values;
    public int* Indices;
    public long StepX;
    public long StepValues;
    public long StepIndices;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++) Row(X + row * StepX, Values + row * StepValues, Indices + row * StepIndices);
    }

    private readonly void Row(float* x, float* values, int* indices)
    {
        for (long i = 0; i < K; i++)
        {
            values[i] = x[i];
            indices[i] = (int)i;
        }
        for (long i = K / 2 - 1; i >= 0; i--) SiftDown(values, indices, i, K);
        long column = K;
        while (column < Columns)
        {
            float worst = values[0];
            if (float.IsNaN(worst)) break; // all K are NaN
            Vector256<float> bound = Vector256.Create(worst);
            while (column <= Columns - 8 && Vector256.LessThanOrEqualAll(Vector256.Load(x + column), bound)) column += 8;
            long stop = Math.Min(Columns, column + 8);
            for (; column < stop; column++)
            {
                // Equal is not better: the one in the heap has the lower index.
                if (Key(x[column]) <= Key(values[0])) continue;
                values[0] = x[column];
                indices[0] = (int)column;
                SiftDown(values, indices, 0, K);
            }
        }
        // The worst goes to the end, until the heap is empty.
        for (long last = K - 1; last > 0; last--)
        {
            (values[0], values[last]) = (values[last], values[0]);
            (indices[0], indices[last]) = (indices[last], indices[0]);
            SiftDown(values, indices, 0, last);
        }
    }

    private static void SiftDown(float* values, int* indices, long i, long n)
    {
        float value = values[i];
        int index = indices[i];
        while (true)
        {
            long child = 2 * i + 1;
            if (child >= n) break;
            if (child + 1 < n && IsWorse(values[child + 1], indices[child + 1], values[child], indices[child])) child++;
            if (!IsWorse(values[child], indices[child], value, index)) break;
            values[i] = values[child];
            indices[i] = indices[child];
            i = child;
        }
        values[i] = value;
        indices[i] = index;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsWorse(float value, int index, float otherValue, int otherIndex)
    {
        int key = Key(value), other = Key(otherValue);
        return key < other || (key == other && index > otherIndex);
    }

    /// <summary>An integer in the order of the values: NaN above all, the zeros equal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Key(float value)
    {
        if (float.IsNaN(value)) return int.MaxValue;
        int bits = BitConverter.SingleToInt32Bits(value + 0f);
        return bits ^ ((bits >> 31) & int.MaxValue);
    }
}
