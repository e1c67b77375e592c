using System.Buffers.Binary;

namespace MM1.Native.Data;

/// <summary>
/// What the container of an image file says before any pixel is decoded: its format, whether the file goes to its end, the EXIF orientation. The decoder reports
/// success on some files that are cut, and knows the orientation of JPEG files only.
/// </summary>
/// <param name="Format">The format, by content.</param>
/// <param name="Whole">Whether everything that the first frame needs is there, up to the format's own end mark.</param>
/// <param name="Orientation">The EXIF orientation, 1 (also where there is none) to 8.</param>
/// <param name="Scans">Scans of a JPEG file.</param>
/// <param name="Unsupported">The variant of the format that decoders do not read, or null.</param>
internal readonly record struct ImageFileLayout(ImageFileFormat Format, bool Whole, int Orientation = 1, int Scans = 0, string? Unsupported = null)
{
    private static ReadOnlySpan<byte> PngSignature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <exception cref="BadImageException">The bytes are of no format that is read, or contradict their format at once.</exception>
    internal static ImageFileLayout Read(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty) throw new BadImageException(BadImageException.NotAnImage, "not an image file: it is empty");
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8])) return Jpeg(file);
        if (file.StartsWith(PngSignature)) return Png(file);
        if (file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8)) return new ImageFileLayout(ImageFileFormat.Gif, GifFrameIsWhole(file));
        if (file.StartsWith("RIFF"u8) && (file.Length < 12 || file[8..12].SequenceEqual("WEBP"u8))) return WebP(file);
        if (file.Length < 8 && PngSignature.StartsWith(file)) throw Cut("PNG");
        if (OtherFormat(file) is { } other)
            throw new BadImageException(BadImageException.Unsupported, $"{other}: JPEG, PNG, WebP and GIF files are read; convert it to one of these");
        string hint = LooksLikeMarkup(file) ? "; it reads like a web page or other text" : "";
        throw new BadImageException(BadImageException.NotAnImage, $"not an image file of a known format ({file.Length} bytes, the first {Convert.ToHexString(file[..Math.Min(8, file.Length)])}{hint})");
    }

    private static BadImageException Cut(string format) => new(BadImageException.Truncated, $"the {format} file ends within its header");

    /// <summary>Markers as libjpeg walks them: what is no marker where one should be is skipped. Entropy-coded data end at the next marker that is no restart.</summary>
    private static ImageFileLayout Jpeg(ReadOnlySpan<byte> file)
    {
        int at = 2, orientation = 1, scans = 0;
        string? unsupported = null;
        while (true)
        {
            int next = file[at..].IndexOf((byte)0xFF);
            if (next < 0 || at + next + 1 >= file.Length) break;
            at += next + 1;
            byte marker = file[at];
            if (marker == 0xFF) continue; // fill: look again from this byte
            at++;
            if (marker == 0xD9) return new ImageFileLayout(ImageFileFormat.Jpeg, scans > 0, orientation, scans, unsupported);
            if (marker is 0 or 1 or (>= 0xD0 and <= 0xD8)) continue;
            if (at + 2 > file.Length) break;
            int length = BinaryPrimitives.ReadUInt16BigEndian(file[at..]);
            if (length < 2) continue;
            ReadOnlySpan<byte> body = file[(at + 2)..Math.Min(at + length, file.Length)];
            if (marker == 0xE1 && orientation == 1 && body.StartsWith("Exif\0\0"u8)) orientation = ExifOrientation(body[6..]);
            if (marker == 0xDA) scans++;
            if (marker is 0xC3 or (>= 0xC5 and <= 0xC7) or (>= 0xC9 and <= 0xCB) or (>= 0xCD and <= 0xCF)) unsupported ??= "a lossless, hierarchical or arithmetic-coded JPEG";
            if (marker is >= 0xC0 and <= 0xC2 && body.Length > 0 && body[0] != 8) unsupported ??= $"a JPEG of {body[0]} bits a sample";
            at = Math.Min(at + length, file.Length);
        }
        return new ImageFileLayout(ImageFileFormat.Jpeg, false, orientation, scans, unsupported);
    }

    private static ImageFileLayout Png(ReadOnlySpan<byte> file)
    {
        int orientation = 1;
        long at = 8;
        while (at + 8 <= file.Length)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(file[(int)at..]);
            ReadOnlySpan<byte> type = file.Slice((int)at + 4, 4);
            if (length > int.MaxValue || !IsLetters(type) || (at == 8 && !(type.SequenceEqual("IHDR"u8) && length == 13)))
                throw new BadImageException(BadImageException.Corrupt, $"the PNG file is damaged: no chunk at byte {at}");
            long end = at + 12 + length;
            if (end > file.Length) return new ImageFileLayout(ImageFileFormat.Png, false, orientation);
            if (type.SequenceEqual("eXIf"u8)) orientation = ExifOrientation(file.Slice((int)at + 8, (int)length));
            if (type.SequenceEqual("IEND"u8)) return new ImageFileLayout(ImageFileFormat.Png, true, orientation);
            at = end;
        }
        return new ImageFileLayout(ImageFileFormat.Png, false, orientation);
    }

    private static bool IsLetters(ReadOnlySpan<byte> type)
    {
        foreach (byte letter in type)
            if (!char.IsAsciiLetter((char)letter)) return false;
        return true;
    }

    private static ImageFileLayout WebP(ReadOnlySpan<byte> file)
    {
        if (file.Length < 16) throw Cut("WebP");
        long declared = 8L + BinaryPrimitives.ReadUInt32LittleEndian(file[4..]);
        bool whole = declared >= 20 && file.Length >= declared;
        int orientation = 1;
        long at = 12;
        while (at + 8 <= Math.Min(file.Length, declared))
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(file[((int)at + 4)..]);
            long end = at + 8 + length;
            if (file.Slice((int)at, 4).SequenceEqual("EXIF"u8) && end <= file.Length)
            {
                ReadOnlySpan<byte> exif = file.Slice((int)at + 8, (int)length);
                orientation = ExifOrientation(exif.StartsWith("Exif\0\0"u8) ? exif[6..] : exif);
            }
            at = end + (length & 1);
        }
        return new ImageFileLayout(ImageFileFormat.WebP, whole, orientation);
    }

    /// <summary>Whether the blocks go on to the end of the first frame's data.</summary>
    private static bool GifFrameIsWhole(ReadOnlySpan<byte> file)
    {
        if (file.Length < 13) throw Cut("GIF");
        int at = 13 + ColorTable(file[10]);
        while (at < file.Length)
        {
            switch (file[at])
            {
                case 0x21: // an extension: label, then blocks
                    at += 2;
                    if (!SkipBlocks(file, ref at)) return false;
                    break;
                case 0x2C: // a frame: place, size, flags; its colours; the code size; blocks
                    if (at + 10 > file.Length) return false;
                    at += 10 + ColorTable(file[at + 9]) + 1;
                    return SkipBlocks(file, ref at);
                case 0x3B: // the trailer, and no frame before it
                    return true;
                default:
                    return true; // no block: the decoder says what it makes of it
            }
        }
        return false;

        static int ColorTable(byte flags) => (flags & 0x80) == 0 ? 0 : 3 << ((flags & 7) + 1);

        static bool SkipBlocks(ReadOnlySpan<byte> file, ref int at)
        {
            while (at < file.Length)
            {
                int length = file[at];
                at += 1 + length;
                if (length == 0) return true;
            }
            return false;
        }
    }

    /// <summary>Tag 0x0112 of the first directory of a TIFF structure; 1 where there is none or it is damaged, as readers of photographs do.</summary>
    private static int ExifOrientation(ReadOnlySpan<byte> tiff)
    {
        if (tiff.Length < 8) return 1;
        bool little = tiff.StartsWith("II*\0"u8);
        if (!little && !tiff.StartsWith("MM\0*"u8)) return 1;
        uint directory = Number32(tiff[4..], little);
        if (directory + 2L > tiff.Length) return 1;
        int entries = Number16(tiff[(int)directory..], little);
        for (long at = directory + 2L; entries-- > 0 && at + 12 <= tiff.Length; at += 12)
        {
            ReadOnlySpan<byte> entry = tiff.Slice((int)at, 12);
            if (Number16(entry, little) != 0x0112) continue;
            int value = Number16(entry[2..], little) == 3 ? Number16(entry[8..], little) : 0; // a SHORT stands in the entry itself
            return value is >= 1 and <= 8 ? value : 1;
        }
        return 1;

        static int Number16(ReadOnlySpan<byte> at, bool little) => little ? BinaryPrimitives.ReadUInt16LittleEndian(at) : BinaryPrimitives.ReadUInt16BigEndian(at);
        static uint Number32(ReadOnlySpan<byte> at, bool little) => little ? BinaryPrimitives.ReadUInt32LittleEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);
    }

    private static string? OtherFormat(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8)) return "a TIFF file";
        if (file.Length >= 26 && file.StartsWith("BM"u8)) return "a BMP file";
        if (file.Length >= 12 && file[4..8].SequenceEqual("ftyp"u8)) return file[8..11].SequenceEqual("avi"u8) ? "an AVIF file" : "a HEIF file or a film";
        if (file.StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 12, (byte)'J', (byte)'X', (byte)'L', (byte)' ']) || file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x0A])) return "a JPEG XL file";
        if (file.StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 12, (byte)'j', (byte)'P', (byte)' ', (byte)' ']) || file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x4F, 0xFF, 0x51])) return "a JPEG 2000 file";
        if (file.StartsWith("8BPS"u8)) return "a Photoshop file";
        if (file.StartsWith("%PDF"u8)) return "a PDF file";
        if (file.StartsWith((ReadOnlySpan<byte>)[0, 0, 1, 0])) return "an icon file";
        if (file.Length >= 3 && file[0] == 'P' && file[1] is >= (byte)'1' and <= (byte)'7' && file[2] is (byte)'\n' or (byte)' ' or (byte)'\r') return "a PNM file";
        return null;
    }

    private static bool LooksLikeMarkup(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> start = file[..Math.Min(file.Length, 64)];
        foreach (byte letter in start)
            if (letter is < 32 and not ((byte)'\n' or (byte)'\r' or (byte)'\t')) return false;
        return start.TrimStart(" \t\r\n"u8).StartsWith("<"u8) || start.TrimStart(" \t\r\n"u8).StartsWith("{"u8);
    }
}
