using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>What a norm makes of a register: the forward writes it, the backward of an activation computes it again with the same bits.</summary>
internal static unsafe class NormValue
{
    /// <summary>(x - center) * scale * weight + bias.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Of<T, TCentered, TWeight, TBias>(T x, T center, T scale, float* weight, float* bias)
        where T : unmanaged, ISimd<T>
        where TCentered : struct, IFlag
        where TWeight : struct, IFlag
        where TBias : struct, IFlag
    {
        T value = TCentered.IsOn ? x - center : x;
        value *= scale;
        if (TWeight.IsOn && TBias.IsOn) return T.MultiplyAdd(value, T.Load(weight), T.Load(bias));
        if (TWeight.IsOn) return value * T.Load(weight);
        return TBias.IsOn ? value + T.Load(bias) : value;
    }
}
