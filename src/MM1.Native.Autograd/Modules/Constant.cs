using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// Values that a module keeps on the device beside its parameters: a table that is computed once. Its tensor belongs to no arena, requires no gradient,
/// and lives until the constant is disposed. A recorded step may read it, where a copy from the host would be refused.
/// </summary>
public sealed class Constant : IDisposable
{
    private readonly DeviceMemory _memory;
    private readonly TensorState _state;

    /// <summary>Copies the values to the device.</summary>
    /// <param name="device">Where they are kept.</param>
    /// <param name="values">Row-major; as many as the shape has elements.</param>
    /// <param name="shape">Extents.</param>
    /// <param name="dtype">Float32, or BFloat16: rounded to nearest, ties to even.</param>
    public Constant(Device device, ReadOnlySpan<float> values, Shape shape, DType dtype = DType.Float32)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (dtype is not (DType.Float32 or DType.BFloat16)) throw new ArgumentException($"A constant is Float32 or BFloat16, not {dtype}.", nameof(dtype));
        if (values.Length != shape.Elements) throw new ArgumentException($"{values.Length} values do not fill {shape}.", nameof(values));
        _memory = device.Allocate(shape.Elements * dtype.Size());
        if (dtype == DType.Float32)
        {
            device.CopyFromHost(_memory.Address, MemoryMarshal.AsBytes(values));
        }
        else
        {
            var halves = new BFloat16[values.Length];
            for (int i = 0; i < halves.Length; i++) halves[i] = (BFloat16)values[i];
            device.CopyFromHost(_memory.Address, MemoryMarshal.AsBytes<BFloat16>(halves));
        }
        _state = new TensorState { Device = device, Shape = shape, DType = dtype, Address = _memory.Address, References = 1 };
    }

    /// <summary>The values; not to be written.</summary>
    public Tensor Value => new(_state);

    /// <inheritdoc/>
    public void Dispose()
    {
        _state.Generation++;
        _memory.Dispose();
    }
}
