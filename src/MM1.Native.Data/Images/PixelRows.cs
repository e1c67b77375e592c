using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Data;

/// <summary>Where decoded rows go: four bytes a pixel become three, laid over a background where there is one, turned upright by the EXIF orientation.</summary>
internal readonly struct PixelRows(byte[] pixels, int width, int height, int orientation, RgbColor? background)
{
    /// <summary>Takes rows as they are stored, from <paramref name="y"/>; <paramref name="rgba"/> may be changed.</summary>
    internal void Write(Span<byte> rgba, int y, int count)
    {
        if (background is { } color) LayOver(rgba, color);
        if (orientation == 1)
        {
            ToRgb(rgba, pixels.AsSpan(3 * width * y, 3 * width * count));
            return;
        }
        // EXIF 2 to 8: where the pixel (x, y) as stored stands upright.
        (int start, int right, int down) = orientation switch
        {
            2 => (width - 1, -1, width),
            3 => (width * height - 1, -1, -width),
            4 => (width * (height - 1), 1, -width),
            5 => (0, height, 1),
            6 => (height - 1, height, -1),
            7 => (width * height - 1, -height, -1),
            8 => (height * (width - 1), -height, 1),
            _ => (0, 1, width),
        };
        if (orientation < 5)
        {
            for (int row = 0; row < count; row++) Scatter(rgba.Slice(4 * width * row, 4 * width), start + (y + row) * down, right);
            return;
        }
        // Columns of the strip become runs of the upright rows: neighbours are written together.
        for (int x = 0; x < width; x++)
        {
            int at = start + x * right + y * down;
            for (int row = 0; row < count; row++, at += down)
            {
                int from = 4 * (row * width + x), to = 3 * at;
                pixels[to] = rgba[from];
                pixels[to + 1] = rgba[from + 1];
                pixels[to + 2] = rgba[from + 2];
            }
        }
    }

    private void Scatter(ReadOnlySpan<byte> row, int at, int step)
    {
        for (int from = 0; from < row.Length; from += 4, at += step)
        {
            pixels[3 * at] = row[from];
            pixels[3 * at + 1] = row[from + 1];
            pixels[3 * at + 2] = row[from + 2];
        }
    }

    /// <summary>Drops every fourth byte.</summary>
    internal static void ToRgb(ReadOnlySpan<byte> rgba, Span<byte> rgb)
    {
        int from = 0, to = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            Vector128<byte> pack = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255);
            ref byte source = ref Unsafe.AsRef(in rgba[0]), target = ref rgb[0];
            // Each store writes four bytes too many, which the next one covers.
            for (; to + 16 <= rgb.Length; from += 16, to += 12)
                Vector128.Shuffle(Vector128.LoadUnsafe(ref source, (nuint)from), pack).StoreUnsafe(ref target, (nuint)to);
        }
        for (; to < rgb.Length; from += 4, to += 3)
        {
            rgb[to] = rgba[from];
            rgb[to + 1] = rgba[from + 1];
            rgb[to + 2] = rgba[from + 2];
        }
    }

    /// <summary>(colour * alpha + background * (255 - alpha)) / 255, rounded as Pillow's paste with a mask rounds.</summary>
    private static void LayOver(Span<byte> rgba, RgbColor background)
    {
        for (int i = 0; i < rgba.Length; i += 4)
        {
            int alpha = rgba[i + 3];
            if (alpha == 255) continue;
            rgba[i] = Mix(rgba[i], background.Red, alpha);
            rgba[i + 1] = Mix(rgba[i + 1], background.Green, alpha);
            rgba[i + 2] = Mix(rgba[i + 2], background.Blue, alpha);
        }

        static byte Mix(int color, int below, int alpha)
        {
            int sum = color * alpha + below * (255 - alpha) + 128;
            return (byte)(((sum >> 8) + sum) >> 8);
        }
    }
}
