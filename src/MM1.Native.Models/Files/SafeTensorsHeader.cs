using System.Text;
using System.Text.Json;
using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>One tensor of a file: where its bytes are.</summary>
/// <param name="Name">Key.</param>
/// <param name="DType">Element type.</param>
/// <param name="Shape">Extents.</param>
/// <param name="Offset">First byte, from the beginning of the file.</param>
/// <param name="Bytes">Length in bytes.</param>
public sealed record SafeTensorsEntry(string Name, DType DType, Shape Shape, long Offset, long Bytes);

/// <summary>
/// The header of a safetensors file: eight bytes of length, JSON of name to dtype, shape and offsets, then the data without
/// holes (the format's README). Everything is checked before anything is believed.
/// </summary>
internal static class SafeTensorsHeader
{
    public const long MaximumBytes = 100_000_000;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static string? DTypeName(DType dtype) => dtype switch
    {
        DType.Float64 => "F64",
        DType.Float32 => "F32",
        DType.BFloat16 => "BF16",
        DType.Float16 => "F16",
        DType.Int64 => "I64",
        DType.Int32 => "I32",
        DType.UInt8 => "U8",
        DType.Bool => "BOOL",
        _ => null,
    };

    /// <summary>Checks the length field against the file; returns the header's bytes.</summary>
    public static long CheckLength(string path, ulong headerBytes, long fileBytes)
    {
        if (headerBytes > MaximumBytes)
            throw new SafeTensorsException(path, SafeTensorsError.HeaderTooLarge, $"the header claims {headerBytes} bytes, more than {MaximumBytes}; this is no safetensors file, or it is damaged.");
        if ((long)headerBytes + 8 > fileBytes)
            throw new SafeTensorsException(path, SafeTensorsError.InvalidHeaderLength, $"the header claims {headerBytes} bytes, the file has {fileBytes - 8} after the length; it is truncated.");
        return (long)headerBytes;
    }

    /// <summary>Reads and checks a header; entries come in order of their data.</summary>
    public static (List<SafeTensorsEntry> Entries, Dictionary<string, string> Metadata) Parse(string path, ReadOnlySpan<byte> header, long fileBytes)
    {
        string text;
        try
        {
            text = Utf8.GetString(header);
        }
        catch (DecoderFallbackException)
        {
            throw new SafeTensorsException(path, SafeTensorsError.InvalidHeader, "the header is not valid UTF-8.");
        }
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var raw = new List<RawEntry>();
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("the header must be an object");
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.NameEquals("__metadata__"))
                {
                    foreach (JsonProperty value in property.Value.EnumerateObject())
                        metadata.Add(value.Name, value.Value.GetString() ?? throw new JsonException($"metadata '{value.Name}' must be a string"));
                }
                else
                {
                    raw.Add(RawEntry.Read(property));
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new SafeTensorsException(path, SafeTensorsError.InvalidHeaderDeserialization, $"the header is not valid: {error.Message}");
        }
        return (Validate(path, raw, 8 + header.Length, fileBytes), metadata);
    }

    private static List<SafeTensorsEntry> Validate(string path, List<RawEntry> raw, long dataStart, long fileBytes)
    {
        raw.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        var entries = new List<SafeTensorsEntry>(raw.Count);
        ulong position = 0;
        foreach (RawEntry entry in raw)
        {
            if (entry.Begin != position || entry.End < entry.Begin)
                throw new SafeTensorsException(path, SafeTensorsError.InvalidOffset, $"tensor '{entry.Name}' lies at [{entry.Begin}, {entry.End}); it must begin at {position}, where the one before it ends.");
            position = entry.End;
            DType dtype = Enum.GetValues<DType>().FirstOrDefault(candidate => DTypeName(candidate) == entry.DType);
            if (dtype == DType.None)
                throw new SafeTensorsException(path, SafeTensorsError.UnsupportedTensor, $"tensor '{entry.Name}' has dtype {entry.DType}; supported are F64, F32, BF16, F16, I64, I32, U8 and BOOL.");
            ulong bytes;
            var extents = new long[entry.Shape.Length];
            try
            {
                checked
                {
                    bytes = (ulong)dtype.Size();
                    ulong elements = 1;
                    foreach (ulong extent in entry.Shape) elements *= extent;
                    bytes *= elements;
                    for (int i = 0; i < extents.Length; i++) extents[i] = (long)entry.Shape[i];
                }
            }
            catch (OverflowException)
            {
                throw new SafeTensorsException(path, SafeTensorsError.ValidationOverflow, $"tensor '{entry.Name}' of shape [{string.Join(", ", entry.Shape)}] has more bytes than can be counted.");
            }
            if (bytes != entry.End - entry.Begin)
                throw new SafeTensorsException(path, SafeTensorsError.TensorInvalidInfo, $"tensor '{entry.Name}', {entry.DType} [{string.Join(", ", entry.Shape)}], needs {bytes} bytes; its offsets give {entry.End - entry.Begin}.");
            if (extents.Length > Shape.MaximumRank)
                throw new SafeTensorsException(path, SafeTensorsError.UnsupportedTensor, $"tensor '{entry.Name}' has {extents.Length} dimensions; at most {Shape.MaximumRank} are supported.");
            entries.Add(new SafeTensorsEntry(entry.Name, dtype, new Shape(extents), dataStart + (long)entry.Begin, (long)bytes));
        }
        if (position != (ulong)(fileBytes - dataStart))
            throw new SafeTensorsException(path, SafeTensorsError.MetadataIncompleteBuffer, $"the tensors take {position} bytes, the file has {fileBytes - dataStart} for them; it is truncated or has something behind it.");
        return entries;
    }

    private readonly record struct RawEntry(string Name, string DType, ulong[] Shape, ulong Begin, ulong End)
    {
        public static RawEntry Read(JsonProperty property)
        {
            JsonElement offsets = property.Value.GetProperty("data_offsets");
            if (offsets.GetArrayLength() != 2) throw new JsonException($"tensor '{property.Name}' must have two data_offsets");
            return new RawEntry(property.Name,
                property.Value.GetProperty("dtype").GetString() ?? throw new JsonException($"tensor '{property.Name}' has no dtype"),
                [.. property.Value.GetProperty("shape").EnumerateArray().Select(extent => extent.GetUInt64())],
                offsets[0].GetUInt64(), offsets[1].GetUInt64());
        }
    }
}
