using MM1.Native.Autograd;

namespace MM1.Native.Models;

/// <summary>What a <see cref="WeightLayout"/> does to a shape and to elements.</summary>
internal static class WeightLayouts
{
    public static Shape Apply(Shape shape, WeightLayout layout, Shape wanted) => layout switch
    {
        WeightLayout.ChannelsLast when shape.Rank == 4 => [shape[0], shape[2], shape[3], shape[1]],
        WeightLayout.Transposed when shape.Rank == 2 => [shape[1], shape[0]],
        WeightLayout.Reshaped when Essential(shape).SequenceEqual(Essential(wanted)) => wanted,
        _ => shape,
    };

    public static void Apply(Span<float> values, Shape shape, WeightLayout layout)
    {
        if (layout == WeightLayout.ChannelsLast)
        {
            for (int start = 0, size = (int)(shape[1] * shape[2] * shape[3]); start < values.Length; start += size)
                Transpose(values.Slice(start, size), (int)shape[1], (int)(shape[2] * shape[3]));
        }
        else if (layout == WeightLayout.Transposed)
        {
            Transpose(values, (int)shape[0], (int)shape[1]);
        }
    }

    private static IEnumerable<long> Essential(Shape shape) => shape.Where(extent => extent != 1);

    private static void Transpose(Span<float> values, int rows, int columns)
    {
        float[] source = values.ToArray();
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) values[j * rows + i] = source[i * columns + j];
        }
    }
}
