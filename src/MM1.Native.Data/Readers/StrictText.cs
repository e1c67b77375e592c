using System.Text;
using System.Text.Unicode;

namespace MM1.Native.Data;

/// <summary>UTF-8 bytes to text; what is no UTF-8 is an error with its place, never a replacement character.</summary>
internal static class StrictText
{
    /// <summary>The text of bytes.</summary>
    /// <param name="bytes">UTF-8.</param>
    /// <param name="where">Begins the message and is the document's name.</param>
    /// <exception cref="BadDocumentException">Cause "encoding".</exception>
    internal static string Decode(ReadOnlySpan<byte> bytes, string where)
    {
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF])) bytes = bytes[3..];
        if (!Utf8.IsValid(bytes)) throw NotUtf8(bytes, where);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <exception cref="BadDocumentException">Cause "encoding".</exception>
    internal static void Check(ReadOnlySpan<byte> bytes, string where)
    {
        if (!Utf8.IsValid(bytes)) throw NotUtf8(bytes, where);
    }

    /// <summary>Checks a whole file.</summary>
    /// <exception cref="InvalidDataException">A byte is no UTF-8.</exception>
    internal static void CheckFile(PooledFile file, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 20];
        long at = 0;
        while (at < file.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = file.ReadSome(at, buffer);
            ReadOnlySpan<byte> chunk = buffer.AsSpan(0, count);
            if (at == 0) LineIndex.CheckStart(chunk, file.Name);
            int whole = at + count == file.Length ? count : count - CutTail(chunk);
            if (!Utf8.IsValid(chunk[..whole]))
            {
                int bad = FirstBad(chunk[..whole]);
                throw new InvalidDataException($"{file.Name}: byte {at + bad} (0x{chunk[bad]:X2}) is no UTF-8; convert the file, e.g. with iconv -f latin1 -t utf-8");
            }
            if (count == 0) throw new IOException($"{file.Name}: the file became shorter while it was in use");
            at += whole;
        }
    }

    /// <summary>Bytes at the end of a chunk that may be the beginning of a character.</summary>
    private static int CutTail(ReadOnlySpan<byte> chunk)
    {
        for (int back = 1; back <= Math.Min(3, chunk.Length); back++)
        {
            byte lead = chunk[^back];
            if ((lead & 0xC0) == 0x80) continue;
            int length = lead switch { >= 0xF0 => 4, >= 0xE0 => 3, >= 0xC0 => 2, _ => 1 };
            return length > back ? back : 0;
        }
        return 0;
    }

    private static int FirstBad(ReadOnlySpan<byte> bytes)
    {
        int at = 0;
        while (at < bytes.Length && Rune.DecodeFromUtf8(bytes[at..], out _, out int used) == System.Buffers.OperationStatus.Done) at += used;
        return at;
    }

    private static BadDocumentException NotUtf8(ReadOnlySpan<byte> bytes, string where)
    {
        int bad = FirstBad(bytes);
        return new BadDocumentException("encoding", $"{where}: byte {bad} (0x{bytes[bad]:X2}) is no UTF-8", where);
    }
}
