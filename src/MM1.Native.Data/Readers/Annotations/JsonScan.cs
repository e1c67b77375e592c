using System.Globalization;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>Looks into a record while its file is indexed, without building anything.</summary>
internal static class JsonScan
{
    /// <summary>The value of a key as a name: a string, or the digits of an integer. Null where it is not there or something else: the record is kept, and reading it says what is wrong.</summary>
    /// <param name="record">The bytes of a whole JSON value.</param>
    /// <param name="key">The key, in UTF-8.</param>
    internal static string? Name(ReadOnlySpan<byte> record, ReadOnlySpan<byte> key)
    {
        try
        {
            var reader = new Utf8JsonReader(record);
            if (!Find(ref reader, key)) return null;
            return reader.TokenType switch
            {
                JsonTokenType.String => reader.GetString(),
                JsonTokenType.Number when reader.TryGetInt64(out long number) => number.ToString(CultureInfo.InvariantCulture),
                _ => null,
            };
        }
        catch (InvalidOperationException) // the value, or a key before it, is not valid Unicode
        {
            return null;
        }
    }

    /// <summary>How many elements the list of a key has; -1 where there is no list.</summary>
    internal static int Count(ReadOnlySpan<byte> record, ReadOnlySpan<byte> key)
    {
        try
        {
            var reader = new Utf8JsonReader(record);
            if (!Find(ref reader, key) || reader.TokenType != JsonTokenType.StartArray) return -1;
            int count = 0;
            for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; count++) reader.Skip();
            return count;
        }
        catch (InvalidOperationException) // a key before it is not valid Unicode
        {
            return -1;
        }
    }

    private static bool Find(ref Utf8JsonReader reader, ReadOnlySpan<byte> key)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool here = reader.ValueTextEquals(key);
            reader.Read();
            if (here) return true;
            reader.Skip();
        }
        return false;
    }
}
