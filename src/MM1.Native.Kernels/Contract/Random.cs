using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Counter-based random numbers, Philox4x32-10 (Salmon et al. 2011): element i is word i % 4 of the block with counter (i / 4 low, i / 4 high, Purpose low, Purpose high)
    /// and key Seed, i counted from Offset (+ StepState.RandomCounter). The same bits on every device: float arithmetic is given step by step in docs/architecture.md.
    /// </summary>
    void RandomFill(in Launch launch, in RandomFillArgs args);
}

/// <summary>Distributions of <see cref="IKernels.RandomFill"/> (<c>mm1_distribution</c>).</summary>
public enum Distribution
{
    /// <summary>Uniform in [Low, High).</summary>
    Uniform = 0,
    /// <summary>Normal with Mean and StandardDeviation.</summary>
    Normal = 1,
    /// <summary>Normal with Mean and StandardDeviation, restricted to [Low, High] by inversion (torch's trunc_normal_).</summary>
    TruncatedNormal = 2,
}

/// <summary>Arguments of <see cref="IKernels.RandomFill"/> (<c>mm1_random_fill_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct RandomFillArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<RandomFillArgs>();
    /// <summary>Distribution.</summary>
    public Distribution Distribution;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Elements.</summary>
    public long Count;
    /// <summary>float32 [Count], contiguous.</summary>
    public Operand Output;
    /// <summary>Key.</summary>
    public ulong Seed;
    /// <summary>Upper half of the counter: a hash of purpose and dotted name.</summary>
    public ulong Purpose;
    /// <summary>First element's index in the stream.</summary>
    public long Offset;
    /// <summary>Optional: its RandomCounter is added to Offset.</summary>
    public nint StepState;
    /// <summary>Normal kinds.</summary>
    public float Mean;
    /// <summary>Normal kinds.</summary>
    public float StandardDeviation = 1;
    /// <summary>Uniform and truncated.</summary>
    public float Low;
    /// <summary>Uniform and truncated.</summary>
    public float High = 1;

    /// <summary>Defaults; every other field zero.</summary>
    public RandomFillArgs() { }
}
