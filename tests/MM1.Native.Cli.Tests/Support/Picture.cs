using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>A picture file that a test looks at.</summary>
internal sealed class Picture(string path)
{
    private readonly ImageData _image = ImageCodec.Decode(File.ReadAllBytes(path));

    public int Width => _image.Width;

    public int Height => _image.Height;

    /// <summary>Share of pixels in a box that are not white.</summary>
    public double Ink(int left, int top, int width, int height)
    {
        int count = 0;
        for (int y = top; y < top + height; y++)
            for (int x = left; x < left + width; x++)
                if (At(x, y) != (255, 255, 255)) count++;
        return (double)count / width / height;
    }

    /// <summary>Pixels of a colour, nearly.</summary>
    public int Count((int Red, int Green, int Blue) colour, int tolerance = 24)
    {
        int count = 0;
        for (int y = 0; y < Height; y++)
        {
            for (int x = 0; x < Width; x++)
            {
                (int red, int green, int blue) = At(x, y);
                if (Math.Abs(red - colour.Red) <= tolerance && Math.Abs(green - colour.Green) <= tolerance && Math.Abs(blue - colour.Blue) <= tolerance) count++;
            }
        }
        return count;
    }

    public void ShouldHaveInk(int left, int top, int width, int height, double least = 0.002) =>
        Assert.True(Ink(left, top, width, height) > least, $"nothing is drawn at {left}, {top} of {Width} x {Height}");

    private (int Red, int Green, int Blue) At(int x, int y)
    {
        int at = 3 * (y * _image.Width + x);
        return (_image.Pixels[at], _image.Pixels[at + 1], _image.Pixels[at + 2]);
    }
}
