using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>A tensor to write: its bytes are asked for when their turn comes, so that one tensor at a time is in memory.</summary>
/// <param name="Name">Key.</param>
/// <param name="DType">Element type.</param>
/// <param name="Shape">Extents.</param>
/// <param name="Write">Writes exactly the tensor's bytes, little-endian and row-major.</param>
public sealed record SafeTensorsItem(string Name, DType DType, Shape Shape, Action<Stream> Write)
{
    /// <summary>An item of elements at hand.</summary>
    public static SafeTensorsItem From<T>(string name, T[] values, Shape shape) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Length != shape.Elements) throw new ArgumentException($"'{name}': {values.Length} values were given for shape {shape}.", nameof(values));
        return new SafeTensorsItem(name, DTypes.Of<T>(), shape, stream => stream.Write(MemoryMarshal.AsBytes<T>(values)));
    }
}

/// <summary>Writes safetensors files: to a temporary file beside the target, flushed to the disk, then renamed over it.</summary>
public static class SafeTensorsWriter
{
    /// <summary>Writes a file. A crash at any point leaves the old file, or none, or the whole new one.</summary>
    /// <param name="path">The target; replaced.</param>
    /// <param name="items">Tensors; written wider dtypes first, then by name, so that each is aligned.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">Two items share a name, or one is named <c>__metadata__</c>.</exception>
    public static void Write(string path, IEnumerable<SafeTensorsItem> items, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(items);
        SafeTensorsItem[] ordered = [.. items.OrderByDescending(item => item.DType.Size()).ThenBy(item => item.Name, StringComparer.Ordinal)];
        byte[] header = Header(ordered, metadata);
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
            {
                stream.Write(header);
                foreach (SafeTensorsItem item in ordered)
                {
                    long start = stream.Position, bytes = item.Shape.Elements * item.DType.Size();
                    item.Write(stream);
                    if (stream.Position - start != bytes) throw new InvalidOperationException($"Tensor '{item.Name}' wrote {stream.Position - start} bytes; {item.DType} {item.Shape} has {bytes}.");
                }
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static byte[] Header(SafeTensorsItem[] items, IReadOnlyDictionary<string, string>? metadata)
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                writer.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal)) writer.WriteString(key, value);
                writer.WriteEndObject();
            }
            var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
            long offset = 0;
            foreach (SafeTensorsItem item in items)
            {
                if (!names.Add(item.Name)) throw new ArgumentException($"Two tensors are named '{item.Name}', or that name is reserved.", nameof(items));
                writer.WriteStartObject(item.Name);
                writer.WriteString("dtype", SafeTensorsHeader.DTypeName(item.DType));
                writer.WriteStartArray("shape");
                foreach (long extent in item.Shape) writer.WriteNumberValue(extent);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(offset);
                writer.WriteNumberValue(offset += item.Shape.Elements * item.DType.Size());
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        // Spaces fill the header so that the data begins at a multiple of eight.
        int length = (json.WrittenCount + 7) / 8 * 8;
        var bytes = new byte[8 + length];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, length);
        bytes.AsSpan(8).Fill((byte)' ');
        json.WrittenSpan.CopyTo(bytes.AsSpan(8));
        return bytes;
    }
}
