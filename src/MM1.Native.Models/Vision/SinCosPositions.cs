namespace MM1.Native.Models;

/// <summary>
/// Fixed positions of a grid: the first half of the channels encodes the column, the second the row; each half is sines, then
/// cosines, of position * 10000^(-i / quarter) (MAE's code, and AIM's).
/// </summary>
internal static class SinCosPositions
{
    /// <summary>[height * width, channels], row-major.</summary>
    public static float[] Table(int height, int width, long channels)
    {
        if (channels % 4 != 0) throw new ArgumentException($"{channels} channels are not a multiple of 4.", nameof(channels));
        int quarter = (int)(channels / 4), offset = 0;
        var table = new float[checked(height * width * 4 * quarter)];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                for (int i = 0; i < quarter; i++)
                {
                    double frequency = Math.Pow(10000, -i / (double)quarter);
                    (double sineX, double cosineX) = Math.SinCos(x * frequency);
                    (double sineY, double cosineY) = Math.SinCos(y * frequency);
                    table[offset + i] = (float)sineX;
                    table[offset + quarter + i] = (float)cosineX;
                    table[offset + 2 * quarter + i] = (float)sineY;
                    table[offset + 3 * quarter + i] = (float)cosineY;
                }
                offset += 4 * quarter;
            }
        }
        return table;
    }
}
