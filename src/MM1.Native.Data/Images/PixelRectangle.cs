namespace MM1.Native.Data;

/// <summary>A part of an image, in pixels from its upper left corner.</summary>
/// <param name="Left">The first column.</param>
/// <param name="Top">The first row.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
public readonly record struct PixelRectangle(int Left, int Top, int Width, int Height)
{
    /// <exception cref="ArgumentOutOfRangeException">It is empty or leaves the image.</exception>
    internal void Check(int width, int height, string name)
    {
        if (Left < 0 || Top < 0 || Width < 1 || Height < 1 || Width > width - Left || Height > height - Top)
            throw new ArgumentOutOfRangeException(name, this, $"the part does not lie in an image of {width} x {height} pixels");
    }
}
