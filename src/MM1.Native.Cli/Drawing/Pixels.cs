using MM1.Native.Data;
using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>Images onto canvases, and canvases into files.</summary>
internal static class Pixels
{
    private static readonly SKSamplingOptions Nearest = new(SKFilterMode.Nearest);
    private static readonly SKSamplingOptions Smooth = new(SKFilterMode.Linear, SKMipmapMode.Linear);

    /// <summary>Draws an image into a square box, its shape kept: small ones enlarged by whole pixels, large ones made smaller smoothly.</summary>
    public static void Draw(SKCanvas canvas, ImageData image, float x, float y, float side)
    {
        float scale = Math.Min(side / image.Width, side / image.Height);
        float width = image.Width * scale, height = image.Height * scale;
        using SKBitmap bitmap = ToBitmap(image);
        using SKImage drawn = SKImage.FromBitmap(bitmap);
        var box = SKRect.Create(x + (side - width) / 2, y + (side - height) / 2, width, height);
        canvas.DrawImage(drawn, box, scale >= 1 ? Nearest : Smooth);
    }

    /// <summary>Writes a picture as PNG, whole or not at all.</summary>
    public static void Save(SKSurface surface, string path)
    {
        using SKImage image = surface.Snapshot();
        using SKData data = image.Encode(SKEncodedImageFormat.Png, 100);
        WholeFile.Write(path, data.AsSpan());
    }

    /// <summary>A surface of a size, white.</summary>
    public static SKSurface Surface(int width, int height)
    {
        SKSurface surface = SKSurface.Create(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Premul))
            ?? throw new InvalidOperationException($"a picture of {width} x {height} pixels cannot be made");
        surface.Canvas.Clear(Palette.Background);
        return surface;
    }

    private static SKBitmap ToBitmap(ImageData image)
    {
        var bitmap = new SKBitmap(new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        Span<byte> target = bitmap.GetPixelSpan();
        byte[] pixels = image.Pixels;
        for (int from = 0, to = 0; from < pixels.Length; from += 3, to += 4)
        {
            (target[to], target[to + 1], target[to + 2]) = (pixels[from], pixels[from + 1], pixels[from + 2]);
            target[to + 3] = 255;
        }
        return bitmap;
    }
}
