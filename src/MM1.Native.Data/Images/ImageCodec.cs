using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using SkiaSharp;

namespace MM1.Native.Data;

/// <summary>
/// Image files to pixels and back; the only place that knows SkiaSharp. Colours are taken as they are stored: no colour management, colour profiles are not applied.
/// </summary>
public static unsafe class ImageCodec
{
    /// <summary>More scans than any encoder writes: each goes over the whole image, so a small file could keep a decoder busy for hours.</summary>
    private const int MaximumScans = 100;

    /// <summary>Rows that are decoded at a time: an MCU row, and little enough for the cache.</summary>
    private const int StripRows = 16;

    /// <summary>Larger buffers are given back to the system at once.</summary>
    private const int PooledBytes = 16 << 20;

    private static ReadOnlySpan<byte> EndOfJpeg => [0xFF, 0xD9];

    /// <summary>Decodes a JPEG, PNG, WebP or GIF file (the first frame of an animation).</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="options">Limits, orientation, background; null for the defaults.</param>
    /// <exception cref="BadImageException">The bytes are no such file, are over a limit, end too early or are damaged.</exception>
    public static ImageData Decode(ReadOnlySpan<byte> file, ImageDecodeOptions? options = null)
    {
        options ??= ImageDecodeOptions.Default;
        ImageFileLayout layout = Layout(file, options);
        if (layout.Whole) return Decode(file, layout, options);
        if (!options.AllowTruncated) throw Truncated(file, layout.Format);
        if (layout.Format != ImageFileFormat.Jpeg) return Decode(file, layout, options);
        // With an end mark the decoder makes what it can of a JPEG, also of a progressive one.
        byte[] ended = [.. file, .. EndOfJpeg];
        return Decode(ended, layout, options);
    }

    /// <summary>Reads the header alone.</summary>
    /// <exception cref="BadImageException">The bytes are no image file that is read, are over a limit, or the header is damaged.</exception>
    public static ImageHeader ReadHeader(ReadOnlySpan<byte> file, ImageDecodeOptions? options = null)
    {
        options ??= ImageDecodeOptions.Default;
        ImageFileLayout layout = Layout(file, options);
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = Open(data, layout, options);
            return new ImageHeader(layout.Format, codec.Info.Width, codec.Info.Height, layout.Orientation, codec.Info.AlphaType != SKAlphaType.Opaque);
        }
    }

    /// <summary>Decodes a file; what is wrong with it names the path.</summary>
    /// <exception cref="BadImageException">There is no such file, it is over a limit, or it cannot be decoded.</exception>
    /// <exception cref="IOException">The file is there and cannot be read.</exception>
    public static ImageData DecodeFile(string path, ImageDecodeOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= ImageDecodeOptions.Default;
        try
        {
            byte[] content;
            using (SafeFileHandle file = File.OpenHandle(path, options: FileOptions.SequentialScan))
            {
                long length = RandomAccess.GetLength(file);
                CheckBytes(length, options);
                content = GC.AllocateUninitializedArray<byte>((int)length);
                int read = 0;
                while (read < content.Length && RandomAccess.Read(file, content.AsSpan(read), read) is > 0 and int count) read += count;
                if (read < content.Length) throw new EndOfStreamException($"{path}: the file became shorter while it was read");
            }
            return Decode(content, options);
        }
        catch (BadImageException bad)
        {
            throw new BadImageException($"{path}: {bad.Message}", bad);
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BadImageException(BadImageException.Missing, $"{path}: there is no such image file", absent);
        }
    }

    /// <summary>Encodes as PNG, without loss.</summary>
    public static byte[] EncodePng(ImageData image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var info = new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque, null);
        using var bitmap = new SKBitmap(info);
        Span<byte> target = bitmap.GetPixelSpan();
        byte[] pixels = image.Pixels;
        for (int from = 0, to = 0; from < pixels.Length; from += 3, to += 4)
        {
            target[to] = pixels[from];
            target[to + 1] = pixels[from + 1];
            target[to + 2] = pixels[from + 2];
            target[to + 3] = 255;
        }
        using SKData encoded = bitmap.Encode(SKEncodedImageFormat.Png, 100) ?? throw new InvalidOperationException("SkiaSharp could not encode a PNG");
        return encoded.ToArray();
    }

    private static void CheckBytes(long length, ImageDecodeOptions options)
    {
        options.Check();
        if (length > options.MaximumBytes) throw new BadImageException(BadImageException.TooLarge, $"the image file has {length} bytes, and {options.MaximumBytes} are allowed");
    }

    private static ImageFileLayout Layout(ReadOnlySpan<byte> file, ImageDecodeOptions options)
    {
        CheckBytes(file.Length, options);
        ImageFileLayout layout = ImageFileLayout.Read(file);
        if (layout.Unsupported is not null) throw new BadImageException(BadImageException.Unsupported, $"{layout.Unsupported} is not read; convert it to a baseline JPEG or a PNG");
        if (layout.Scans > MaximumScans) throw new BadImageException(BadImageException.TooLarge, $"the JPEG file has {layout.Scans} scans, and {MaximumScans} are allowed");
        return layout;
    }

    private static BadImageException Truncated(ReadOnlySpan<byte> file, ImageFileFormat format) =>
        new(BadImageException.Truncated, $"the {Name(format)} file is truncated: it ends after {file.Length} bytes, before its image does");

    private static string Name(ImageFileFormat format) => format == ImageFileFormat.WebP ? "WebP" : format.ToString().ToUpperInvariant();

    private static SKCodec Open(SKData data, ImageFileLayout layout, ImageDecodeOptions options)
    {
        using var stream = new SKMemoryStream(data);
        SKCodec? codec = SKCodec.Create(stream, out SKCodecResult result);
        if (codec is null)
        {
            throw layout.Whole
                ? new BadImageException(BadImageException.Corrupt, $"the {Name(layout.Format)} file is damaged: its header cannot be read ({result})")
                : new BadImageException(BadImageException.Truncated, $"the {Name(layout.Format)} file is truncated: it ends within its header");
        }
        (long width, long height) = (codec.Info.Width, codec.Info.Height);
        if (width < 1 || height < 1 || width * height > options.MaximumPixels)
        {
            codec.Dispose();
            throw width < 1 || height < 1
                ? new BadImageException(BadImageException.Corrupt, $"the {Name(layout.Format)} file is damaged: an image of {width} x {height} pixels")
                : new BadImageException(BadImageException.TooLarge, $"the image has {width} x {height} pixels, and {options.MaximumPixels} are allowed");
        }
        return codec;
    }

    private static ImageData Decode(ReadOnlySpan<byte> file, ImageFileLayout layout, ImageDecodeOptions options)
    {
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = Open(data, layout, options);
            var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, codec.Info.AlphaType == SKAlphaType.Opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul, null);
            using ImageMemory.Hold? memory = ImageMemory.Shared.Take((long)info.Width * info.Height);
            int orientation = options.Orientation ? layout.Orientation : 1;
            RgbColor? background = info.AlphaType == SKAlphaType.Opaque ? null : options.Background;
            (int width, int height) = orientation > 4 ? (info.Height, info.Width) : (info.Width, info.Height);
            byte[] pixels = GC.AllocateUninitializedArray<byte>(3 * width * height);
            var rows = new PixelRows(pixels, info.Width, info.Height, orientation, background);
            SKCodecResult result = layout.Format == ImageFileFormat.Jpeg ? DecodeStrips(codec, info, rows) : DecodeWhole(codec, info, rows, clear: options.AllowTruncated);
            if (result == SKCodecResult.Success || (options.AllowTruncated && result is SKCodecResult.IncompleteInput)) return new ImageData(width, height, pixels);
            throw layout.Whole
                ? new BadImageException(BadImageException.Corrupt, $"the {Name(layout.Format)} file is damaged: its pixels cannot be decoded ({result})")
                : Truncated(file, layout.Format);
        }
    }

    /// <summary>A few rows at a time: the decoder's four bytes a pixel stay in the cache.</summary>
    private static SKCodecResult DecodeStrips(SKCodec codec, SKImageInfo info, PixelRows rows)
    {
        SKCodecResult started = codec.StartScanlineDecode(info);
        if (started != SKCodecResult.Success) return started;
        int stride = 4 * info.Width;
        byte[] strip = ArrayPool<byte>.Shared.Rent(stride * StripRows);
        try
        {
            fixed (byte* start = strip)
            {
                for (int y = 0; y < info.Height; y += StripRows)
                {
                    int count = Math.Min(StripRows, info.Height - y);
                    int got = codec.GetScanlines((nint)start, count, stride);
                    if (got < count) return SKCodecResult.ErrorInInput;
                    rows.Write(strip.AsSpan(0, count * stride), y, count);
                }
            }
            return SKCodecResult.Success;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(strip);
        }
    }

    private static SKCodecResult DecodeWhole(SKCodec codec, SKImageInfo info, PixelRows rows, bool clear)
    {
        nuint size = 4 * (nuint)info.Width * (nuint)info.Height;
        if (size <= PooledBytes)
        {
            byte[] pooled = ArrayPool<byte>.Shared.Rent((int)size);
            try
            {
                fixed (byte* start = pooled) return DecodeWhole(codec, info, rows, new Span<byte>(start, (int)size), clear);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(pooled);
            }
        }
        void* memory = NativeMemory.Alloc(size);
        try
        {
            return DecodeWhole(codec, info, rows, new Span<byte>(memory, (int)size), clear);
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    private static SKCodecResult DecodeWhole(SKCodec codec, SKImageInfo info, PixelRows rows, Span<byte> pixels, bool clear)
    {
        if (clear) pixels.Clear();
        SKCodecResult result;
        fixed (byte* start = pixels) result = codec.GetPixels(info, (nint)start);
        if (result is not (SKCodecResult.Success or SKCodecResult.IncompleteInput)) return result;
        for (int y = 0; y < info.Height; y += StripRows)
        {
            int count = Math.Min(StripRows, info.Height - y);
            rows.Write(pixels.Slice(y * 4 * info.Width, count * 4 * info.Width), y, count);
        }
        return result;
    }
}

/// <summary>An image file in memory, decoded when it is needed.</summary>
public sealed class EncodedImage : IImageFile
{
    private readonly ImageDecodeOptions? _options;
    private readonly string? _name;

    /// <summary>Wraps the bytes of a JPEG, PNG, WebP or GIF file.</summary>
    /// <param name="file">The bytes.</param>
    /// <param name="name">What messages call it, e.g. its path, or shard and member; null for no name.</param>
    /// <param name="options">How it is decoded; null for the defaults.</param>
    public EncodedImage(ReadOnlyMemory<byte> file, string? name = null, ImageDecodeOptions? options = null) => (File, _name, _options) = (file, name, options);

    /// <summary>The bytes of the file.</summary>
    public ReadOnlyMemory<byte> File { get; }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> ReadFile() => File;

    /// <inheritdoc/>
    public ImageData Load()
    {
        if (_name is null) return ImageCodec.Decode(File.Span, _options);
        try
        {
            return ImageCodec.Decode(File.Span, _options);
        }
        catch (BadImageException bad)
        {
            throw new BadImageException($"{_name}: {bad.Message}", bad);
        }
    }
}
