using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Reductions;

/// <summary>
/// Reductions, softmax, selections and embeddings on bfloat16, which only native devices have; their float32 cases run in the tests of the verbs. The whole
/// lists of shapes are the native suite's (tests/kernels): here it is the way from C# that is tested.
/// </summary>
public sealed class ReductionsInBFloat16Tests
{
    private const int Rows = 13;

    public static IEnumerable<TheoryDataRow<string, int, int>> Shapes() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, int, int>("", 0, 0) { Skip = TestDevices.NativeMissing }]
        : from name in TestDevices.Native from shape in new[] { (64, 0), (37, 3), (1100, 8) } select new TheoryDataRow<string, int, int>(name, shape.Item1, shape.Item2);

    [Theory, MemberData(nameof(Shapes))]
    public void SoftmaxBothWays(string device, int columns, int padding)
    {
        float[] x = Values(1, Rows * columns), dy = Values(2, Rows * columns);
        using var bench = new KernelBench(device);
        DeviceBuffer output = Output(bench, Rows, columns, padding), gradient = Output(bench, Rows, columns, padding);
        bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = Rows, Columns = columns, X = Input(bench, x, Rows, columns, padding), Output = output, Scale = 0.5f });
        float[] plain = Storage.Round(ReductionReference.Softmax(x, Rows, columns, 0.5f), DType.BFloat16);
        bench.Kernels.SoftmaxBackward(default, new SoftmaxBackwardArgs
        {
            Rows = Rows,
            Columns = columns,
            Output = Input(bench, plain, Rows, columns, padding),
            OutputGradient = Input(bench, dy, Rows, columns, padding),
            InputGradient = gradient,
            Scale = 0.5f,
        });
        bench.CheckGuards();
        Check("output", output, ReductionReference.Softmax(Samples.As<double>(x), Rows, columns, 0.5f), plain);
        Check("gradient", gradient, ReductionReference.SoftmaxBackward(Samples.As<double>(dy), Samples.As<double>(plain), Rows, columns, 0.5f),
            Storage.Round(ReductionReference.SoftmaxBackward(dy, plain, Rows, columns, 0.5f), DType.BFloat16));
    }

    [Theory, MemberData(nameof(Shapes))]
    public void SumsAndSelections(string device, int columns, int padding)
    {
        const int k = 3;
        float[] x = Values(3, Rows * columns);
        using var bench = new KernelBench(device);
        DeviceBuffer input = Input(bench, x, Rows, columns, padding), sums = bench.Output(Rows, 1), total = Output(bench, 1, columns, padding);
        DeviceBuffer values = Output(bench, Rows, k, padding), indices = bench.Output(Rows, k, padding, null, DType.Int32), first = bench.Output(Rows, 1, 0, null, DType.Int32);
        bench.Kernels.Reduce(default, new ReduceArgs { Rows = Rows, Columns = columns, X = input, Output = sums });
        var args = new ReduceRowsArgs { Rows = Rows, Columns = columns, OutputRows = 1, X = input, Output = total };
        bench.Kernels.ReduceRows(bench.Launch(bench.Kernels.ReduceRowsWorkspaceBytes(args)), args);
        bench.Kernels.TopK(default, new TopKArgs { Rows = Rows, Columns = columns, K = k, X = input, Values = values, Indices = indices });
        bench.Kernels.ArgMax(default, new ArgMaxArgs { Rows = Rows, Columns = columns, X = input, Indices = first });
        bench.CheckGuards();
        // A sum of both signs is smaller than what was rounded on the way.
        Agreement.Check("sums", sums.Download(), ReductionReference.Reduce(Reduction.Sum, Samples.As<double>(x), Rows, columns), ReductionReference.Reduce(Reduction.Sum, x, Rows, columns),
            5.96e-8 * Math.Sqrt(columns));
        Check("total", total, ReductionReference.ReduceRows(Broadcast.Cycle, Samples.As<double>(x), null, Rows, columns, 1),
            Storage.Round(ReductionReference.ReduceRows(Broadcast.Cycle, x, null, Rows, columns, 1), DType.BFloat16));
        int[] found = indices.Download<int>(), largest = first.Download<int>();
        float[] foundValues = values.DownloadFloats();
        for (int row = 0; row < Rows; row++)
        {
            int[] order = ReductionReference.Order(x.AsSpan(row * columns, columns));
            Assert.Equal(order[..k], found[(row * k)..((row + 1) * k)]);
            Assert.Equal(order[0], largest[row]);
            Agreement.CheckBitwise("values", foundValues.AsSpan(row * k, k), order[..k].Select(c => x[row * columns + c]).ToArray());
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public void EmbeddingsAndPlacements(string device, int columns, int padding)
    {
        const int Vocabulary = 5, ImageTokens = 4;
        int[] ids = Samples.Integers(4, Rows, Vocabulary), placement = [-1, 2, -1, 0, -1, -1, -1, 3, -1, -1, -1, -1, -1];
        long[] wide = Array.ConvertAll(ids, id => (long)id);
        float[] table = Values(5, Vocabulary * columns), image = Values(6, ImageTokens * columns);
        using var bench = new KernelBench(device);
        DeviceBuffer idBuffer = bench.Input(ids, 1, Rows)!, places = bench.Input(placement, 1, Rows)!;
        DeviceBuffer text = Output(bench, Rows, columns, padding), tableGradient = bench.Output(Vocabulary, columns, padding);
        DeviceBuffer textGradient = Output(bench, Rows, columns, padding), imageGradient = Output(bench, ImageTokens, columns, padding), placed = Output(bench, Rows, columns, padding);
        bench.Kernels.EmbeddingGather(default, new EmbeddingGatherArgs { Tokens = Rows, Vocabulary = Vocabulary, Width = columns, Ids = idBuffer, Table = Input(bench, table, Vocabulary, columns, padding), Output = text });
        bench.Kernels.ImageTokenPlacementForward(default, new ImageTokenPlacementForwardArgs
        {
            Tokens = Rows,
            ImageTokens = ImageTokens,
            Width = columns,
            Placement = places,
            Text = text,
            Image = Input(bench, image, ImageTokens, columns, padding),
            Output = placed,
        });
        bench.Kernels.ImageTokenPlacementBackward(default, new ImageTokenPlacementBackwardArgs
        {
            Tokens = Rows,
            ImageTokens = ImageTokens,
            Width = columns,
            Placement = places,
            OutputGradient = placed,
            TextGradient = textGradient,
            ImageGradient = imageGradient,
        });
        var args = new EmbeddingScatterAddArgs { Tokens = Rows, Vocabulary = Vocabulary, Width = columns, Ids = idBuffer, OutputGradient = textGradient, TableGradient = tableGradient };
        bench.Kernels.EmbeddingScatterAdd(bench.Launch(bench.Kernels.EmbeddingScatterAddWorkspaceBytes(args)), args);
        bench.CheckGuards();
        float[] rows = EmbeddingReference.Gather(wide, table, columns), expected = EmbeddingReference.Place(placement, rows, image, columns);
        (float[] expectedText, float[] expectedImage) = EmbeddingReference.PlaceBackward(placement, expected, ImageTokens, columns);
        Agreement.CheckBitwise("gather", text.DownloadFloats(), rows);
        Agreement.CheckBitwise("placement", placed.DownloadFloats(), expected);
        Agreement.CheckBitwise("text gradient", textGradient.DownloadFloats(), expectedText);
        Agreement.CheckBitwise("image gradient", imageGradient.DownloadFloats(), expectedImage);
        // In ascending order of tokens, to the bit.
        Agreement.CheckBitwise("table gradient", tableGradient.Download(), EmbeddingReference.ScatterAdd(wide, expectedText, new float[table.Length], columns, 0f));
    }

    private static float[] Values(int seed, int count) => Storage.Round(Samples.Normal(seed, count), DType.BFloat16);

    private static DeviceBuffer Input(KernelBench bench, float[] values, int rows, int columns, int padding) => bench.Input(Storage.ToBFloat16(values), rows, columns, padding)!;

    private static DeviceBuffer Output(KernelBench bench, int rows, int columns, int padding) => bench.Output(rows, columns, padding, dtype: DType.BFloat16);

    private static void Check(string what, DeviceBuffer actual, double[] reference, float[] plain) =>
        Agreement.Check(what, actual.DownloadFloats(), reference, plain, stored: Storage.Rounding(DType.BFloat16));
}
