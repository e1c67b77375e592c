using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// A safetensors file, mapped into memory: opening checks the whole header, tensors are read where they lie. Dispose it when
/// the spans that it gave are no longer used.
/// </summary>
public sealed unsafe class SafeTensorsFile : IDisposable
{
    private readonly Dictionary<string, SafeTensorsEntry> _byName = new(StringComparer.Ordinal);
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _bytes;
    private bool _disposed;

    private SafeTensorsFile(string path, long fileBytes, MemoryMappedFile map)
    {
        (Path, _map) = (path, map);
        _view = map.CreateViewAccessor(0, fileBytes, MemoryMappedFileAccess.Read);
        byte* bytes = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref bytes);
        _bytes = bytes + _view.PointerOffset;
        try
        {
            long headerBytes = SafeTensorsHeader.CheckLength(path, BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(_bytes, 8)), fileBytes);
            (List<SafeTensorsEntry> entries, Dictionary<string, string> metadata) = SafeTensorsHeader.Parse(path, new ReadOnlySpan<byte>(_bytes + 8, (int)headerBytes), fileBytes);
            (Entries, Metadata) = (entries, metadata);
            foreach (SafeTensorsEntry entry in entries) _byName.Add(entry.Name, entry);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>All tensors, in order of their data.</summary>
    public IReadOnlyList<SafeTensorsEntry> Entries { get; }

    /// <summary>The strings of <c>__metadata__</c>; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <exception cref="SafeTensorsException">The file breaks a rule of the format, or is a pickle.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using SafeFileHandle handle = File.OpenHandle(path);
        long length = RandomAccess.GetLength(handle);
        PickleFiles.Refuse(path, handle);
        if (length < 8) throw new SafeTensorsException(path, SafeTensorsError.HeaderTooSmall, $"the file has {length} bytes; a safetensors file has at least 8.");
        var map = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        return new SafeTensorsFile(path, length, map);
    }

    /// <summary>The tensor of a name, or null.</summary>
    public SafeTensorsEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The bytes of a tensor in the file's dtype, valid until <see cref="Dispose"/>.</summary>
    /// <exception cref="ArgumentException">The tensor has more bytes than a span can hold (2 GiB).</exception>
    public ReadOnlySpan<byte> Bytes(SafeTensorsEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (entry.Bytes > int.MaxValue) throw new ArgumentException($"{Path}: tensor '{entry.Name}' has {entry.Bytes} bytes; read it in parts.", nameof(entry));
        return Bytes(entry, 0, entry.Bytes);
    }

    /// <summary>The elements of a tensor in the file's dtype.</summary>
    public T[] Read<T>(SafeTensorsEntry entry) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (DTypes.Of<T>() != entry.DType) throw new ArgumentException($"{Path}: tensor '{entry.Name}' holds {entry.DType}, not {DTypes.Of<T>()}.", nameof(entry));
        return MemoryMarshal.Cast<byte, T>(Bytes(entry)).ToArray();
    }

    /// <summary>The elements of a floating-point tensor as float32.</summary>
    /// <param name="entry">The tensor: F64, F32, BF16 or F16.</param>
    /// <param name="destination">As long as the tensor has elements.</param>
    public void ReadFloat32(SafeTensorsEntry entry, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (destination.Length != entry.Shape.Elements) throw new ArgumentException($"{Path}: tensor '{entry.Name}' has {entry.Shape.Elements} elements; there is space for {destination.Length}.", nameof(destination));
        // In parts: a tensor of float64 may have more bytes than a span can hold.
        const int Part = 1 << 24;
        int size = entry.DType.Size();
        for (int start = 0; start < destination.Length; start += Part)
        {
            Span<float> part = destination.Slice(start, Math.Min(Part, destination.Length - start));
            ReadOnlySpan<byte> bytes = Bytes(entry, (long)start * size, (long)part.Length * size);
            switch (entry.DType)
            {
                case DType.Float32:
                    MemoryMarshal.Cast<byte, float>(bytes).CopyTo(part);
                    break;
                case DType.Float64:
                    ReadOnlySpan<double> doubles = MemoryMarshal.Cast<byte, double>(bytes);
                    for (int i = 0; i < part.Length; i++) part[i] = (float)doubles[i];
                    break;
                case DType.BFloat16:
                    ReadOnlySpan<BFloat16> brains = MemoryMarshal.Cast<byte, BFloat16>(bytes);
                    for (int i = 0; i < part.Length; i++) part[i] = brains[i];
                    break;
                case DType.Float16:
                    ReadOnlySpan<Half> halves = MemoryMarshal.Cast<byte, Half>(bytes);
                    for (int i = 0; i < part.Length; i++) part[i] = (float)halves[i];
                    break;
                default:
                    throw new ArgumentException($"{Path}: tensor '{entry.Name}' holds {entry.DType}, which is no floating-point type.", nameof(entry));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }

    private ReadOnlySpan<byte> Bytes(SafeTensorsEntry entry, long start, long length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new ReadOnlySpan<byte>(_bytes + entry.Offset + start, (int)length);
    }
}
