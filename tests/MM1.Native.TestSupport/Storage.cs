using MM1.Native.Kernels;

namespace MM1.Native.TestSupport;

/// <summary>What storing in a narrower type does to float32 values.</summary>
public static class Storage
{
    /// <summary>Rounding unit of a type that is narrower than float32, relative to the value; 0 of float32.</summary>
    public static double Rounding(DType dtype) => dtype == DType.BFloat16 ? 1.0 / 256 : 0;

    /// <summary>The values as a type would store them.</summary>
    public static float[] Round(float[] values, DType dtype) => dtype == DType.BFloat16 ? ToFloat32(ToBFloat16(values)) : values;

    /// <summary>The values with 10 bits of mantissa, to nearest.</summary>
    public static float[] RoundToTf32(float[] values) =>
        Array.ConvertAll(values, value => BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + 0x1000) & ~0x1FFFu));

    public static BFloat16[] ToBFloat16(ReadOnlySpan<float> values)
    {
        var stored = new BFloat16[values.Length];
        for (int i = 0; i < values.Length; i++) stored[i] = (BFloat16)values[i];
        return stored;
    }

    public static float[] ToFloat32(ReadOnlySpan<BFloat16> values)
    {
        var read = new float[values.Length];
        for (int i = 0; i < values.Length; i++) read[i] = values[i];
        return read;
    }
}
