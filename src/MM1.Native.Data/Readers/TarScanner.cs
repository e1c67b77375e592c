using System.Buffers.Binary;
using System.Text;

namespace MM1.Native.Data;

/// <summary>A file in a tar archive.</summary>
/// <param name="Name">Its path in the archive, as it is written there.</param>
/// <param name="Offset">Where its content begins.</param>
/// <param name="Size">Bytes of its content.</param>
internal readonly record struct TarMember(string Name, long Offset, long Size);

/// <summary>
/// Finds the files of a tar archive from its headers alone: POSIX.1-1988 (ustar), POSIX.1-2001 (pax), GNU and the form before them (v7). Names and sizes of pax and GNU
/// extensions are followed; folders, links and devices are passed over. Every header is checked; a damaged archive is one error with the place, never half a list.
/// </summary>
internal sealed class TarScanner(PooledFile file)
{
    private const int Block = 512;
    private const int MaximumExtension = 1 << 20; // bytes of a pax header or a long name
    private const int TrailerLooked = 1 << 20;
    private readonly byte[] _buffer = new byte[64 << 10];
    private long _bufferStart;
    private int _buffered;
    private long _at;
    private string? _longName;
    private long? _longSize;

    /// <summary>The next file.</summary>
    /// <returns>False at the end mark.</returns>
    /// <exception cref="InvalidDataException">The archive is damaged or cut off, or holds something that is not supported.</exception>
    internal bool Next(out TarMember member)
    {
        while (true)
        {
            long at = _at;
            if (at == file.Length) throw Damaged(at, at == 0 ? "the file is empty" : "the archive is cut off: its end mark (blocks of zeros) is missing; it was never completed, or some of it is lost");
            ReadOnlySpan<byte> header = Bytes(at, Block, "header");
            if (IsZero(header))
            {
                CheckTrailer(at + Block);
                member = default;
                return false;
            }
            CheckSum(header, at);
            byte type = header[156];
            long size = Number(header.Slice(124, 12), at, "size");
            if (size < 0) throw Damaged(at, $"the size of a member is negative ({size})");
            bool hasContent = type is not ((byte)'1' or (byte)'2' or (byte)'3' or (byte)'4' or (byte)'5' or (byte)'6');
            bool isExtension = type is (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K';
            if (!isExtension && _longSize is { } given) size = given;
            if (!hasContent) size = 0;
            long content = at + Block;
            // Compared without adding to the size: a hostile one would overflow.
            if (size > file.Length - content)
                throw Damaged(at, $"a member of {size} bytes begins here, and {Math.Max(0, file.Length - content)} are left: the archive is cut off or its header is wrong");
            _at = content + (size + Block - 1) / Block * Block;
            if (_at > file.Length) throw Damaged(at, "the archive is cut off in the padding of its last member");
            switch (type)
            {
                case (byte)'x':
                    ReadPax(content, size, at);
                    continue;
                case (byte)'L':
                    _longName = Text(Extension(content, size, at, "long name"));
                    continue;
                case (byte)'g' or (byte)'K' or (byte)'V':
                    continue; // nothing of a global header, a link's long name or a volume's label matters
                case (byte)'S':
                    throw Damaged(at, "sparse members are not supported; make the archive without --sparse");
                case (byte)'M':
                    throw Damaged(at, "archives of several volumes are not supported");
                case 0 or (byte)'0' or (byte)'7':
                    string name = _longName ?? HeaderName(header);
                    (_longName, _longSize) = (null, null);
                    if (name.EndsWith('/')) continue; // v7's way to write a folder
                    member = new TarMember(name, content, size);
                    return true;
                default:
                    (_longName, _longSize) = (null, null); // folders, links, devices and private types
                    continue;
            }
        }
    }

    private static string HeaderName(ReadOnlySpan<byte> header)
    {
        string name = Text(header[..100]);
        // POSIX archives ("ustar" and a zero) have a prefix; in GNU's the place means something else.
        if (!header.Slice(257, 6).SequenceEqual("ustar\0"u8) || header[345] == 0) return name;
        return Text(header.Slice(345, 155)) + "/" + name;
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>An octal number, or a two's complement one where the first bit is set (GNU).</summary>
    private long Number(ReadOnlySpan<byte> field, long at, string what)
    {
        if ((field[0] & 0x80) != 0)
        {
            // The first bit is the mark; what is left is a signed number of 95 bits, of which a long holds 64.
            long high = field[0] == 0xFF ? -1 : field[0] & 0x7F;
            for (int i = 1; i < field.Length - 8; i++)
                if (field[i] != (byte)high || high is not (0 or -1)) throw Damaged(at, $"the {what} of a member is out of range");
            long low = BinaryPrimitives.ReadInt64BigEndian(field[^8..]);
            if (high is not (0 or -1) || low < 0 != high < 0) throw Damaged(at, $"the {what} of a member is out of range");
            return low;
        }
        long value = 0;
        ReadOnlySpan<byte> digits = field.Trim(" \0"u8);
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7') throw Damaged(at, $"the {what} of a member is no octal number");
            value = value * 8 + (digit - '0'); // 12 digits of 3 bits fit
        }
        return value;
    }

    private void CheckSum(ReadOnlySpan<byte> header, long at)
    {
        int unsigned = 8 * ' ', signed = 8 * ' '; // the field itself counts as spaces
        for (int i = 0; i < Block; i++)
        {
            if (i is >= 148 and < 156) continue;
            unsigned += header[i];
            signed += (sbyte)header[i];
        }
        ReadOnlySpan<byte> field = header.Slice(148, 8).Trim(" \0"u8);
        long written = 0;
        bool isNumber = field.Length > 0;
        foreach (byte digit in field)
        {
            isNumber &= digit is >= (byte)'0' and <= (byte)'7';
            written = written * 8 + (digit - '0');
        }
        if (isNumber && (written == unsigned || written == signed)) return; // some old programs added signed bytes
        throw Damaged(at, at == 0 ? "not a tar archive: the checksum of the first header is wrong" : "the checksum of a header is wrong: the archive is damaged");
    }

    /// <summary>Records "length key=value\n" of the header of the next member.</summary>
    private void ReadPax(long content, long size, long at)
    {
        ReadOnlySpan<byte> records = Extension(content, size, at, "pax header");
        while (records.Length > 0 && records[0] != 0)
        {
            int space = records.IndexOf((byte)' ');
            int length = 0;
            if (space is < 1 or > 8) throw Damaged(at, "a pax header is malformed");
            foreach (byte digit in records[..space])
            {
                if (digit is < (byte)'0' or > (byte)'9') throw Damaged(at, "a pax header is malformed");
                length = length * 10 + (digit - '0');
            }
            if (length < space + 3 || length > records.Length || records[length - 1] != (byte)'\n') throw Damaged(at, "a pax header is malformed");
            ReadOnlySpan<byte> record = records[(space + 1)..(length - 1)];
            int equals = record.IndexOf((byte)'=');
            if (equals < 1) throw Damaged(at, "a pax header is malformed");
            ReadOnlySpan<byte> key = record[..equals], value = record[(equals + 1)..];
            if (key.SequenceEqual("path"u8)) _longName = Encoding.UTF8.GetString(value);
            else if (key.SequenceEqual("size"u8))
            {
                if (!long.TryParse(value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out long given))
                    throw Damaged(at, "the size in a pax header is no number");
                _longSize = given;
            }
            else if (key.StartsWith("GNU.sparse."u8)) throw Damaged(at, "sparse members are not supported; make the archive without --sparse");
            records = records[length..];
        }
    }

    private ReadOnlySpan<byte> Extension(long content, long size, long at, string what)
    {
        if (size > MaximumExtension) throw Damaged(at, $"a {what} has {size} bytes; at most {MaximumExtension} are read");
        var bytes = new byte[size];
        file.Read(content, bytes);
        return bytes;
    }

    /// <summary>After the end mark come zeros alone: something else is a second archive, which would be passed over in silence.</summary>
    private void CheckTrailer(long at)
    {
        long end = Math.Min(file.Length, at + TrailerLooked);
        while (at < end)
        {
            int count = (int)Math.Min(_buffer.Length, end - at);
            file.Read(at, _buffer.AsSpan(0, count));
            int other = _buffer.AsSpan(0, count).IndexOfAnyExcept((byte)0);
            if (other >= 0) throw Damaged(at + other, "something follows the archive's end mark; archives are joined with tar --concatenate, not with cat");
            at += count;
        }
    }

    private ReadOnlySpan<byte> Bytes(long at, int count, string what)
    {
        if (at < _bufferStart || at + count > _bufferStart + _buffered)
        {
            _bufferStart = at;
            _buffered = file.ReadSome(at, _buffer);
            if (_buffered < count) throw Damaged(at, $"the archive is cut off inside a {what}");
        }
        return _buffer.AsSpan((int)(at - _bufferStart), count);
    }

    private static bool IsZero(ReadOnlySpan<byte> block) => block.IndexOfAnyExcept((byte)0) < 0;

    private InvalidDataException Damaged(long at, string what) => new($"{file.Name}: byte {at}: {what}");
}
