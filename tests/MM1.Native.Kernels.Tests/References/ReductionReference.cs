using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>Reductions written plainly, for float64 (the reference) and float32.</summary>
internal static class ReductionReference
{
    public static T[] Reduce<T>(Reduction reduction, T[] x, int rows, int columns) where T : IFloatingPointIeee754<T>
    {
        var output = new T[rows];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<T> values = x.AsSpan(row * columns, columns);
            T result = reduction == Reduction.Max ? T.NegativeInfinity : T.Zero;
            foreach (T value in values) result = reduction == Reduction.Max ? T.Max(result, value) : result + value;
            output[row] = reduction == Reduction.Mean ? result / T.CreateChecked(columns) : result;
        }
        return output;
    }

    public static T[] ReduceRows<T>(Broadcast broadcast, T[] x, T[]? multiplier, int rows, int columns, int outputRows) where T : IFloatingPointIeee754<T>
    {
        bool perRow = broadcast == Broadcast.PerRow;
        var output = new T[perRow ? rows : outputRows * columns];
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < columns; c++)
            {
                T value = x[row * columns + c];
                if (multiplier is not null) value *= multiplier[row * columns + c];
                output[perRow ? row : ElementwiseReference.SmallRow(broadcast, row, rows, outputRows) * columns + c] += value;
            }
        }
        return output;
    }

    /// <summary>Columns of a row from the largest down: NaN first, equal ones by column.</summary>
    public static int[] Order(ReadOnlySpan<float> row)
    {
        float[] values = row.ToArray();
        var columns = new int[values.Length];
        for (int c = 0; c < columns.Length; c++) columns[c] = c;
        Array.Sort(columns, (a, b) =>
        {
            bool nanA = float.IsNaN(values[a]), nanB = float.IsNaN(values[b]);
            if (nanA != nanB) return nanA ? -1 : 1;
            if (!nanA && values[a] != values[b]) return values[a] > values[b] ? -1 : 1;
            return a.CompareTo(b);
        });
        return columns;
    }

    public static T[] Softmax<T>(T[] x, int rows, int columns, float scale) where T : IFloatingPointIeee754<T>
    {
        var output = new T[x.Length];
        T factor = T.CreateChecked(scale);
        for (int row = 0; row < rows; row++)
        {
            T maximum = T.NegativeInfinity, sum = T.Zero;
            for (int c = 0; c < columns; c++) maximum = T.Max(maximum, factor * x[row * columns + c]);
            if (T.IsNegativeInfinity(maximum)) continue;
            for (int c = 0; c < columns; c++)
            {
                output[row * columns + c] = T.Exp(factor * x[row * columns + c] - maximum);
                sum += output[row * columns + c];
            }
            for (int c = 0; c < columns; c++) output[row * columns + c] /= sum;
        }
        return output;
    }

    public static T[] SoftmaxBackward<T>(T[] outputGradient, T[] output, int rows, int columns, float scale) where T : IFloatingPointIeee754<T>
    {
        var gradient = new T[output.Length];
        for (int row = 0; row < rows; row++)
        {
            T dot = T.Zero;
            for (int c = 0; c < columns; c++) dot += outputGradient[row * columns + c] * output[row * columns + c];
            for (int c = 0; c < columns; c++)
                gradient[row * columns + c] = T.CreateChecked(scale) * output[row * columns + c] * (outputGradient[row * columns + c] - dot);
        }
        return gradient;
    }
}
