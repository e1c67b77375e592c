namespace MM1.Native.IlgpuBaseline;

/// <summary>Both sides on the same normal numbers, each against float64: one CSV row a shape.</summary>
internal sealed class Comparison(BaselineRunner baseline, EngineRunner engine, bool timed)
{
    private const int LargestChecked = 256; // elements of a result that are computed in float64, spread over it

    private bool _right = true;

    /// <summary>Whether all results were right.</summary>
    public bool Run()
    {
        foreach ((int m, int n, int k) in timed ? new[] { (1024, 1024, 1024), (4096, 4096, 4096) } : [(33, 17, 45), (16, 32, 16)]) Gemm(m, n, k);
        foreach ((int rows, int columns) in timed ? new[] { (4096, 1024), (8192, 8192) } : [(3, 300), (2, 7)]) Softmax(rows, columns);
        return _right;
    }

    private void Gemm(int m, int n, int k)
    {
        float[] a = Normal(1, m * k), b = Normal(2, k * n);
        int rounds = timed ? 9 : 1;
        (float[] ours, double seconds) = engine.Gemm(a, b, m, n, k, rounds);
        double Exact(int at)
        {
            double sum = 0;
            for (int i = 0; i < k; i++) sum += (double)a[at / n * k + i] * b[i * n + at % n];
            return sum;
        }
        foreach (bool tiled in new[] { false, true })
        {
            (float[] theirs, double other) = baseline.Gemm(tiled, a, b, m, n, k, rounds);
            // A float32 sum in order: roundings of partial sums as large as the result, which add up as a random walk does.
            Row($"gemm {(tiled ? "tiled" : "naive")}", $"{m}x{n}x{k}", Error(theirs, Exact), Error(ours, Exact), 4 * Math.Sqrt(k) * 5.96e-8, other, seconds);
        }
    }

    private void Softmax(int rows, int columns)
    {
        float[] x = Normal(3, rows * columns);
        int rounds = timed ? 9 : 1;
        (float[] ours, double seconds) = engine.Softmax(x, rows, columns, rounds);
        (float[] theirs, double other) = baseline.Softmax(x, rows, columns, rounds);
        double Exact(int at)
        {
            ReadOnlySpan<float> row = x.AsSpan(at / columns * columns, columns);
            double sum = 0;
            foreach (float value in row) sum += Math.Exp(value);
            return Math.Exp(x[at]) / sum;
        }
        Row("softmax", $"{rows}x{columns}", Error(theirs, Exact), Error(ours, Exact), 4e-6, other, seconds);
    }

    private void Row(string what, string shape, double theirs, double ours, double limit, double other, double seconds)
    {
        bool right = theirs <= limit && ours <= limit; // false for NaN
        _right &= right;
        Console.WriteLine($"{what},{shape},{theirs:E2},{ours:E2},{(right ? 1 : 0)},{(timed ? $"{other * 1e3:F4},{seconds * 1e3:F4},{other / seconds:F2}" : ",,")}");
    }

    /// <summary>Largest difference from float64 over the largest value of the elements looked at.</summary>
    private static double Error(float[] values, Func<int, double> exact)
    {
        double worst = 0, scale = 0;
        int step = Math.Max(1, values.Length / LargestChecked);
        for (int at = 0; at < values.Length; at += step)
        {
            double right = exact(at), error = Math.Abs(values[at] - right);
            if (double.IsNaN(error)) return double.NaN;
            worst = Math.Max(worst, error);
            scale = Math.Max(scale, Math.Abs(right));
        }
        return worst / scale;
    }

    private static float[] Normal(int seed, int count)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }
}
