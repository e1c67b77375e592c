using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Writes the compute copy of updated parameters while they are still in the cache.</summary>
internal static unsafe class ShadowCopy
{
    /// <summary>Elements between updates and copies: the parameters are read back from the L1 cache.</summary>
    public const long Elements = 2048;

    /// <summary>Whether a shadow can have this dtype.</summary>
    public static bool Supports(DType dtype) => dtype is DType.BFloat16 or DType.Float16 or DType.Float32;

    /// <summary>Elements [begin, begin + count) of the tensor; nothing where it has no shadow.</summary>
    public static void Write(OptimizerTensor* tensor, long begin, long count)
    {
        if (tensor->Shadow == 0) return;
        float* source = (float*)tensor->Master + begin;
        switch (tensor->ShadowDType)
        {
            case DType.BFloat16:
                ToBFloat16(source, (ushort*)tensor->Shadow + begin, count);
                break;
            case DType.Float16:
                TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(source, (int)count), new Span<Half>((Half*)tensor->Shadow + begin, (int)count));
                break;
            default:
                Buffer.MemoryCopy(source, (float*)tensor->Shadow + begin, count * sizeof(float), count * sizeof(float));
                break;
        }
    }

    /// <summary>To the nearest, ties to even; NaN stays NaN: the bits of <see cref="BFloat16"/>'s conversion.</summary>
    private static void ToBFloat16(float* source, ushort* destination, long count)
    {
        long i = 0;
        for (; i + 16 <= count; i += 16)
            Vector256.Narrow(Round(Vector256.Load(source + i)), Round(Vector256.Load(source + i + 8))).Store(destination + i);
        for (; i < count; i++) destination[i] = ((BFloat16)source[i]).ToBits();
    }

    private static Vector256<uint> Round(Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32();
        Vector256<uint> upper = bits >>> 16;
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256<uint>.One)) >>> 16;
        return Vector256.ConditionalSelect(Vector256.IsNaN(value).AsUInt32(), upper | Vector256.Create(0x40u), rounded);
    }
}
