using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Fills a range of the output, a buffer of words at a time. Element i is a function of its index in the stream alone, so
/// neither the range nor the width of <typeparamref name="T"/> shows in the bits.
/// </summary>
internal unsafe struct RandomFillJob<T> : IRangeJob where T : unmanaged, ISimd<T>
{
    private const int Buffer = 1024;

    public float* Output;
    public ulong Seed;
    public ulong Purpose;
    public ulong FirstIndex;
    public Distribution Distribution;
    /// <summary>Normal kinds: factor and addend. Uniform: High - Low and Low.</summary>
    public float Factor, Addend;
    /// <summary>Smallest and largest result; infinite for none.</summary>
    public float Least, Greatest;
    /// <summary>Truncated normal: the words, as signed numbers, whose values lie in the range.</summary>
    public WordRange Words;

    [SkipLocalsInit]
    public readonly void Run(long begin, long end, int worker)
    {
        const int Words = Buffer + Philox.WordsPerBlock * Philox.GroupBlocks;
        uint* words = stackalloc uint[Words];
        float* first = stackalloc float[2 * Buffer], second = first + Buffer;
        for (long done = begin; done < end; done += Buffer)
        {
            int count = (int)Math.Min(Buffer, end - done);
            ulong index = FirstIndex + (ulong)done;
            int skip = (int)(index % Philox.WordsPerBlock);
            Philox.Generate(Seed, Purpose, index / Philox.WordsPerBlock, (skip + count + Philox.WordsPerBlock - 1) / Philox.WordsPerBlock, words);
            uint* drawn = words + skip;
            if (Distribution == Distribution.Uniform)
            {
                RandomConversion.Uniform(drawn, first, count);
                Finish(first, Output + done, count);
                continue;
            }
            if (Distribution == Distribution.TruncatedNormal) this.Words.Map(drawn, count);
            RandomConversion.Symmetric(drawn, first, second, count);
            int i = 0;
            for (; i + T.Count <= count; i += T.Count) T.Store(RandomConversion.Normal(T.Load(first + i), T.Load(second + i)), first + i);
            for (; i < count; i++) SimdScalar.Store(RandomConversion.Normal(SimdScalar.Load(first + i), SimdScalar.Load(second + i)), first + i);
            Finish(first, Output + done, count);
        }
    }

    /// <summary>value * Factor + Addend, kept within the limits.</summary>
    private readonly void Finish(float* values, float* output, int count)
    {
        int i = 0;
        for (; i + T.Count <= count; i += T.Count) T.Store(Finish(T.Load(values + i)), output + i);
        for (; i < count; i++) SimdScalar.Store(Finish(SimdScalar.Load(values + i)), output + i);
    }

    // Selections, not Min and Max: those may differ between devices in the sign of zero.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly TLanes Finish<TLanes>(TLanes value) where TLanes : unmanaged, ISimd<TLanes>
    {
        TLanes result = TLanes.MultiplyAdd(value, TLanes.Create(Factor), TLanes.Create(Addend));
        TLanes least = TLanes.Create(Least), greatest = TLanes.Create(Greatest);
        result = TLanes.Select(TLanes.GreaterThan(least, result), least, result);
        return TLanes.Select(TLanes.GreaterThan(result, greatest), greatest, result);
    }
}
