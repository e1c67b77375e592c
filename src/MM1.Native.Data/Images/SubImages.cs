namespace MM1.Native.Data;

/// <summary>A high resolution image as several of the encoder's size: an overview and tiles (MM1, section "SFT with high resolution": 1344 x 1344 as 672 x 672 and four of 672 x 672).</summary>
public static class SubImages
{
    /// <summary>Overview and tiles of an image.</summary>
    /// <param name="image">The image, of any size.</param>
    /// <param name="tileSize">Pixels of a side of each result.</param>
    /// <param name="columns">Tiles side by side (default 2).</param>
    /// <param name="rows">Tiles one above the other (default 2).</param>
    /// <param name="overviewFirst">Whether the overview comes before the tiles, as in MM1 and SPHINX, or after them, as MM1.5 found better (default first).</param>
    /// <param name="preparation">How an image of other proportions is brought to a square, before it is cut and for the overview; null squashes. Not for grids that are no squares.</param>
    /// <returns>The overview, resized from the image itself, and the tiles row by row, cut from the image resized to the whole grid: <c>[overview, TL, TR, BL, BR]</c> for 2 x 2.</returns>
    /// <exception cref="ArgumentException">A preparation other than squashing for a grid that is no square.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public static IReadOnlyList<ImageData> Decompose(ImageData image, int tileSize, int columns = 2, int rows = 2, bool overviewFirst = true, BicubicResize? preparation = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tileSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        bool squash = preparation is null || preparation.Mode == ImageResizeMode.Squash;
        if (!squash && columns != rows) throw new ArgumentException($"a grid of {columns} x {rows} tiles is no square: the image can only be squashed into it", nameof(preparation));
        ImageData overview = squash ? BicubicResize.Resize(image, tileSize, tileSize) : preparation!.Prepare(image, tileSize);
        ImageData whole = squash ? BicubicResize.Resize(image, checked(columns * tileSize), checked(rows * tileSize)) : preparation!.Prepare(image, checked(columns * tileSize));
        var images = new List<ImageData>(1 + columns * rows);
        if (overviewFirst) images.Add(overview);
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) images.Add(whole.Crop(new PixelRectangle(column * tileSize, row * tileSize, tileSize, tileSize)));
        if (!overviewFirst) images.Add(overview);
        return images;
    }
}
