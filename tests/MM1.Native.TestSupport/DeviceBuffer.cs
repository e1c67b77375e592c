using System.Numerics;
using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.TestSupport;

/// <summary>
/// A rows x columns operand in device memory, made to catch mistakes: guard bytes before, after and (with a row stride above
/// the columns) between the rows; content poisoned with NaN (floats) or a large odd pattern (integers) until written.
/// </summary>
public sealed class DeviceBuffer : IDisposable
{
    private const int Guard = 256;
    private const byte GuardByte = 0xA5;
    private readonly Device _device;
    private readonly DeviceMemory _memory;
    private readonly int _size;

    public DeviceBuffer(Device device, long rows, long columns, DType dtype = DType.Float32, long rowStride = 0)
    {
        _device = device;
        Rows = rows;
        Columns = columns;
        DType = dtype;
        RowStride = rowStride == 0 ? columns : rowStride;
        _size = dtype.Size();
        _memory = device.Allocate(Span() + 2 * Guard);
        var bytes = new byte[_memory.Length];
        Array.Fill(bytes, GuardByte);
        for (long row = 0; row < rows; row++) bytes.AsSpan(RowOffset(row), checked((int)(columns * _size))).Fill(0xFF);
        device.CopyFromHost(_memory.Address, bytes);
    }

    public long Rows { get; }
    public long Columns { get; }
    public long RowStride { get; }
    public DType DType { get; }

    /// <summary>Device address of the first element.</summary>
    public nint Address => _memory.Address + Guard;

    public Operand Operand => new(Address, DType, RowStride);

    public static implicit operator Operand(DeviceBuffer? buffer) => buffer?.Operand ?? default;

    /// <summary>A float32 buffer with content, optionally with a row stride.</summary>
    public static DeviceBuffer From<T>(Device device, ReadOnlySpan<T> values, long rows, long columns, long rowStride = 0) where T : unmanaged
    {
        var buffer = new DeviceBuffer(device, rows, columns, DTypes.Of<T>(), rowStride);
        buffer.Upload(values);
        return buffer;
    }

    /// <summary>Writes all elements, row-major without padding.</summary>
    public void Upload<T>(ReadOnlySpan<T> values) where T : unmanaged
    {
        if (DTypes.Of<T>() != DType) throw new ArgumentException($"The buffer holds {DType}.");
        if (values.Length != Rows * Columns) throw new ArgumentException($"{values.Length} values for [{Rows}, {Columns}].");
        for (long row = 0; row < Rows; row++)
            _device.CopyFromHost(_memory.Address + RowOffset(row), MemoryMarshal.AsBytes(values.Slice((int)(row * Columns), (int)Columns)));
    }

    /// <summary>All elements, row-major without padding. Also checks the guards.</summary>
    public T[] Download<T>() where T : unmanaged
    {
        if (DTypes.Of<T>() != DType) throw new ArgumentException($"The buffer holds {DType}.");
        CheckGuards();
        var values = new T[Rows * Columns];
        for (long row = 0; row < Rows; row++)
            _device.CopyToHost(MemoryMarshal.AsBytes(values.AsSpan((int)(row * Columns), (int)Columns)), _memory.Address + RowOffset(row));
        return values;
    }

    public float[] Download() => Download<float>();

    /// <summary>Writes all elements of a float32 or bfloat16 buffer, rounding where it must.</summary>
    public void UploadFloats(ReadOnlySpan<float> values)
    {
        if (DType == DType.BFloat16) Upload<BFloat16>(Storage.ToBFloat16(values));
        else Upload(values);
    }

    /// <summary>All elements of a float32 or bfloat16 buffer. Also checks the guards.</summary>
    public float[] DownloadFloats() => DType == DType.BFloat16 ? Storage.ToFloat32(Download<BFloat16>()) : Download<float>();

    /// <summary>Throws if a byte outside the elements was written.</summary>
    public void CheckGuards()
    {
        var bytes = new byte[_memory.Length];
        _device.CopyToHost(bytes, _memory.Address);
        int end = 0;
        for (long row = 0; row <= Rows; row++)
        {
            int begin = row < Rows ? RowOffset(row) : bytes.Length;
            int bad = bytes.AsSpan(end, begin - end).IndexOfAnyExcept(GuardByte);
            if (bad >= 0)
                throw new InvalidOperationException($"Byte {end + bad - Guard} of a [{Rows}, {Columns}] {DType} operand (stride {RowStride}) was written; it lies outside.");
            if (row < Rows) end = begin + (int)(Columns * _size);
        }
    }

    public void Dispose() => _memory.Dispose();

    private long Span() => Rows == 0 ? 0 : ((Rows - 1) * RowStride + Columns) * _size;

    private int RowOffset(long row) => checked((int)(Guard + row * RowStride * _size));
}
