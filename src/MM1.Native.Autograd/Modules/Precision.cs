using System.Text.Json.Serialization;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>The dtype that a model computes in. Masters, their gradients, statistics and losses are float32 in each.</summary>
public enum Precision
{
    /// <summary>BFloat16 where the device computes in it (the CUDA devices), else Float32.</summary>
    Auto,
    /// <summary>True float32, never tf32.</summary>
    Float32,
    /// <summary>bfloat16 products and activations with float32 sums (Micikevicius et al. 2017, arXiv 1710.03740, without loss scaling, which bfloat16's range spares).</summary>
    [JsonStringEnumMemberName("bfloat16")]
    BFloat16,
}

/// <summary>What a <see cref="Precision"/> means on a device.</summary>
public static class Precisions
{
    /// <summary>The dtype in which <paramref name="device"/> computes.</summary>
    /// <exception cref="ArgumentException">The device does not compute in it.</exception>
    public static DType ComputeDType(this Precision precision, Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        bool has = device.Computes(DType.BFloat16);
        if (precision == Precision.BFloat16 && !has)
            throw new ArgumentException($"Device {device} does not compute in bfloat16; use precision float32 (or auto), or a CUDA device.", nameof(precision));
        return has && precision != Precision.Float32 ? DType.BFloat16 : DType.Float32;
    }

    /// <summary>The shadow that <see cref="Module.Build"/> needs for it: None in float32, where operations read the masters.</summary>
    /// <exception cref="ArgumentException">The device does not compute in it.</exception>
    public static DType Shadow(this Precision precision, Device device) =>
        precision.ComputeDType(device) is var dtype && dtype == DType.Float32 ? DType.None : dtype;
}
