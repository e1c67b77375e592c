using System.Runtime.CompilerServices;

namespace MM1.Native.Data;

/// <summary>Brightness, contrast and saturation, in this order, each rounded to bytes (torchvision's adjustments of 8-bit images), in integers: the same bits everywhere.</summary>
internal static class ColorJitter
{
    private const int One = 1 << 16, Half = One / 2;

    /// <summary>Changes RGB pixels in place.</summary>
    /// <param name="pixels">Three bytes a pixel.</param>
    /// <param name="brightness">Factor of every value.</param>
    /// <param name="contrast">Factor of the distance to the mean grey.</param>
    /// <param name="saturation">Factor of the distance to the pixel's grey.</param>
    internal static void Apply(Span<byte> pixels, double brightness, double contrast, double saturation)
    {
        // Brightness and contrast treat each byte alike: one table for both.
        Span<byte> table = stackalloc byte[256];
        int bright = Fixed(brightness);
        for (int value = 0; value < 256; value++) table[value] = Clip((value * bright + Half) >> 16);
        if (contrast != 1)
        {
            long sum = 0;
            for (int i = 0; i + 2 < pixels.Length; i += 3) sum += Grey(table[pixels[i]], table[pixels[i + 1]], table[pixels[i + 2]]);
            long count = pixels.Length / 3;
            int mean = (int)((sum + count / 2) / count), factor = Fixed(contrast);
            for (int value = 0; value < 256; value++) table[value] = Clip(mean + (((table[value] - mean) * factor + Half) >> 16));
        }
        if (saturation == 1)
        {
            for (int i = 0; i < pixels.Length; i++) pixels[i] = table[pixels[i]];
            return;
        }
        int distance = Fixed(saturation);
        for (int i = 0; i + 2 < pixels.Length; i += 3)
        {
            int red = table[pixels[i]], green = table[pixels[i + 1]], blue = table[pixels[i + 2]], grey = Grey(red, green, blue);
            pixels[i] = Clip(grey + (((red - grey) * distance + Half) >> 16));
            pixels[i + 1] = Clip(grey + (((green - grey) * distance + Half) >> 16));
            pixels[i + 2] = Clip(grey + (((blue - grey) * distance + Half) >> 16));
        }
    }

    private static int Fixed(double factor) => (int)Math.Round(factor * One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Clip(int value) => (byte)Math.Clamp(value, 0, 255);

    /// <summary>Pillow's L of RGB (ITU-R 601-2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Grey(int red, int green, int blue) => (19595 * red + 38470 * green + 7471 * blue + Half) >> 16;
}
