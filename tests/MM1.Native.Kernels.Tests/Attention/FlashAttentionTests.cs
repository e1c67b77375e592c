using MM1.Native.TestSupport;
using Xunit;
using static MM1.Native.Kernels.Tests.Attention.AttentionCase;

namespace MM1.Native.Kernels.Tests.Attention;

public sealed class FlashAttentionTests
{
    private static readonly AttentionCase[] Cases =
    [
        // Pairs of lengths.
        Of("one query, one key", AttentionMask.Causal, [1], [1]),
        Of("239 queries, 1 key, full", AttentionMask.Full, [239], [1]),
        Of("239 queries, 1 key, causal: rows that see nothing", AttentionMask.Causal, [239], [1]),
        Of("799 queries, 3 keys, causal: rows that see nothing", AttentionMask.Causal, [799], [3], layout: AttentionLayout.Gaps),
        Of("1023 queries, 1024 keys, causal", AttentionMask.Causal, [1023], [1024], heads: 1, keyValueHeads: 1),
        Of("3 queries, 300 keys, causal", AttentionMask.Causal, [3], [300], layout: AttentionLayout.Gaps),
        Of("no queries", AttentionMask.Causal, [0], [19]),
        Of("no keys", AttentionMask.Full, [19], [0]),
        Of("nothing", AttentionMask.Full, [], []),
        // Head sizes, with lengths that are odd everywhere.
        .. new[] { 8, 24, 32, 40, 64, 80, 96, 128, 256 }.Select(headSize =>
            Of($"head size {headSize}", AttentionMask.Causal, [77], [101], keyValueHeads: 1, headSize: headSize, layout: AttentionLayout.Gaps)),
        // Grouped queries.
        Of("8 heads on 2, fused", AttentionMask.Causal, [70, 51], [70, 51], heads: 8, keyValueHeads: 2, headSize: 24, layout: AttentionLayout.Fused),
        Of("4 heads on 1", AttentionMask.Full, [66], [131], heads: 4, keyValueHeads: 1, headSize: 64),
        // Batches and packed documents.
        Of("batch of 3, fused", AttentionMask.Causal, [65, 65, 65], [65, 65, 65], packed: false, layout: AttentionLayout.Fused),
        Of("batch of 2, full, rows behind", AttentionMask.Full, [48, 48], [96, 96], packed: false, extra: 5, layout: AttentionLayout.Gaps),
        Of("packed, empty documents, rows behind", AttentionMask.Causal, [0, 5, 0, 64, 1, 130, 0, 0], [0, 5, 0, 64, 1, 130, 0, 0], extra: 7, layout: AttentionLayout.Fused),
        Of("packed, lengths differ", AttentionMask.Causal, [5, 0, 64, 17, 9], [7, 12, 40, 17, 0], extra: 3),
        // Prefixes: none, part, all, beyond the keys, with lengths that differ.
        Of("prefixes", AttentionMask.Prefix, [60, 60, 60, 60, 90, 10], [60, 60, 60, 60, 30, 75], prefixes: [0, 23, 60, 99, 20, 70], layout: AttentionLayout.Gaps),
        // Scores far from zero, length % 128 == 64.
        Of("log-sum-exp near -400", AttentionMask.Causal, [192], [192], heads: 1, keyValueHeads: 1, shift: -70),
        Of("log-sum-exp near 400", AttentionMask.Full, [192], [192], heads: 1, keyValueHeads: 1, shift: 70),
        Of("sharp rows", AttentionMask.Causal, [192], [192], heads: 1, keyValueHeads: 1, spread: 6),
    ];

    public static TheoryData<string, string> DevicesAndCases()
    {
        var data = new TheoryData<string, string>();
        foreach (string device in TestDevices.Names)
        {
            foreach (AttentionCase attention in Cases) data.Add(device, attention.Name);
        }
        return data;
    }

    [Theory, MemberData(nameof(DevicesAndCases))]
    public void AgreesWithTheReference(string deviceName, string name)
    {
        using Device device = TestDevices.Open(deviceName);
        Check(Cases.Single(item => item.Name == name), device);
    }

    /// <summary>The gradients too, and a second run has the same bits.</summary>
    internal static void Check(AttentionCase attention, Device device)
    {
        AttentionShape shape = attention.Shape;
        using var operands = new AttentionOperands(attention, device);
        AttentionResults actual = operands.Run();
        Result<double> exact = Expect<double>(attention);
        Result<float> plain = Expect<float>(attention);
        double stored = Storage.Rounding(attention.Compute);
        Agreement.Check("Output", actual.Output, exact.Output, plain.Output, stored: stored);
        Agreement.Check("LogSumExp", actual.LogSumExp, exact.LogSumExp, plain.LogSumExp);
        CheckGradient("QueryGradient", actual.QueryGradient, exact.QueryGradient, plain.QueryGradient, attention.Key);
        CheckGradient("KeyGradient", actual.KeyGradient, exact.KeyGradient, plain.KeyGradient, attention.Query);
        Agreement.Check("ValueGradient", actual.ValueGradient, exact.ValueGradient, plain.ValueGradient, stored: stored);
        for (int row = shape.QueryOffsets[^1]; row < shape.QueryTokens; row++)
        {
            int columns = shape.Heads * shape.HeadSize;
            Assert.All(actual.Output[(row * columns)..((row + 1) * columns)], value => Assert.Equal(0f, value));
            Assert.All(actual.QueryGradient[(row * columns)..((row + 1) * columns)], value => Assert.Equal(0f, value));
        }
        CheckSame(operands.Run(), actual);

        void CheckGradient(string what, float[] gradient, double[] reference, float[] straightforward, float[] factor)
        {
            if (attention.Compute == DType.Float32 && device.Kind == DeviceKind.Cpu || reference.Any(static value => value != 0))
            {
                Agreement.Check(what, gradient, reference, straightforward, stored: stored);
                return;
            }
            // A key alone has all of the weight, and the gradient of its score is the difference of two equal sums: nothing but a few roundings of their size.
            double sums = Root(attention.OutputGradient) * Root(attention.Value) * Math.Sqrt(shape.HeadSize), limit = 8 * 5.96e-8 * sums * shape.Scale * Root(factor);
            Assert.All(gradient, value => Assert.InRange(value, -limit, limit));
        }

        static double Root(float[] values) => Math.Sqrt(values.Sum(static value => (double)value * value) / Math.Max(values.Length, 1));
    }

    [Theory, InlineData(AttentionMask.Full), InlineData(AttentionMask.Causal), InlineData(AttentionMask.Prefix)]
    public void TheReferencesGradientsAreFiniteDifferences(AttentionMask mask)
    {
        AttentionCase attention = Of("small", mask, [5, 4], [6, 3], heads: 4, keyValueHeads: 2, headSize: 8, prefixes: mask == AttentionMask.Prefix ? [4, 2] : null);
        AttentionShape shape = attention.Shape;
        double[] query = Samples.As<double>(attention.Query), key = Samples.As<double>(attention.Key), value = Samples.As<double>(attention.Value);
        double[] weights = Samples.As<double>(attention.OutputGradient);
        (double[] output, double[] logSumExp) = AttentionReference.Forward(shape, query, key, value);
        (double[] queryGradient, double[] keyGradient, double[] valueGradient) = AttentionReference.Backward(shape, query, key, value, output, logSumExp, weights);
        Agreement.CheckFiniteDifferences("query", x => Loss(x, key, value), query, queryGradient);
        Agreement.CheckFiniteDifferences("key", x => Loss(query, x, value), key, keyGradient);
        Agreement.CheckFiniteDifferences("value", x => Loss(query, key, x), value, valueGradient);

        double Loss(double[] q, double[] k, double[] v) => AttentionReference.Forward(shape, q, k, v).Output.Zip(weights, (a, b) => a * b).Sum();
    }

    [Theory, InlineData(AttentionMask.Causal, 32), InlineData(AttentionMask.Full, 40), InlineData(AttentionMask.Prefix, 64)]
    public void BitsDependOnNeitherTheOtherDocumentsNorTheThreads(AttentionMask mask, int headSize)
    {
        int[] queries = [211, 0, 16, 1, 97, 300], keys = [211, 5, 80, 1, 97, 330];
        AttentionCase together = Of("together", mask, queries, keys, heads: 4, keyValueHeads: 2, headSize: headSize, extra: 2,
            prefixes: mask == AttentionMask.Prefix ? [100, 3, 70, 0, 13, 200] : null);
        AttentionResults expected = Run(together, 1);
        CheckSame(Run(together, 2), expected);
        for (int document = 0; document < queries.Length; document++)
        {
            AttentionCase alone = together.Alone(document);
            AttentionResults actual = Run(alone, 1);
            AttentionShape shape = together.Shape;
            int columns = shape.Heads * headSize, keyColumns = shape.KeyValueHeads * headSize;
            Range query = (shape.QueryOffsets[document] * columns)..(shape.QueryOffsets[document + 1] * columns);
            Range key = (shape.KeyOffsets[document] * keyColumns)..(shape.KeyOffsets[document + 1] * keyColumns);
            Agreement.CheckBitwise("Output", actual.Output, expected.Output.AsSpan(query));
            Agreement.CheckBitwise("QueryGradient", actual.QueryGradient, expected.QueryGradient.AsSpan(query));
            Agreement.CheckBitwise("KeyGradient", actual.KeyGradient, expected.KeyGradient.AsSpan(key));
            Agreement.CheckBitwise("ValueGradient", actual.ValueGradient, expected.ValueGradient.AsSpan(key));
            for (int head = 0; head < shape.Heads; head++)
            {
                int at = head * shape.QueryTokens + shape.QueryOffsets[document];
                Agreement.CheckBitwise("LogSumExp", actual.LogSumExp.AsSpan(head * queries[document], queries[document]), expected.LogSumExp.AsSpan(at, queries[document]));
            }
        }
    }

    [Theory, InlineData(2), InlineData(3), InlineData(8)]
    public void OneHeadOnManyThreadsGivesTheSameBits(int threads)
    {
        // Fewer items than threads: the backward pass computes keys and queries apart.
        AttentionCase attention = Of("one head", AttentionMask.Causal, [700], [700], heads: 1, keyValueHeads: 1);
        CheckSame(Run(attention, threads), Run(attention, 1));
        AttentionCase grouped = Of("one key head", AttentionMask.Full, [300], [500], heads: 3, keyValueHeads: 1, headSize: 16);
        CheckSame(Run(grouped, threads), Run(grouped, 1));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void ARowsBitsDependOnNoOtherQuery(bool full)
    {
        // Queries [100, 117) of 200 causal ones, and of full ones, as a call of their own.
        AttentionCase whole = Of("whole", full ? AttentionMask.Full : AttentionMask.Causal, [200], [200]);
        int columns = whole.Shape.Heads * whole.Shape.HeadSize, keys = full ? 200 : 117;
        AttentionCase part = whole with
        {
            Shape = whole.Shape with { QueryOffsets = [0, 17], KeyOffsets = [0, keys], QueryTokens = 17, KeyTokens = keys },
            Query = whole.Query[(100 * columns)..(117 * columns)],
            Key = whole.Key[..(keys * columns)],
            Value = whole.Value[..(keys * columns)],
            OutputGradient = whole.OutputGradient[(100 * columns)..(117 * columns)],
        };
        AttentionResults all = Run(whole, 1), some = Run(part, 1);
        Agreement.CheckBitwise("Output", some.Output, all.Output.AsSpan((100 * columns)..(117 * columns)));
        Agreement.CheckBitwise("QueryGradient", some.QueryGradient, all.QueryGradient.AsSpan((100 * columns)..(117 * columns)));
    }

    [Fact]
    public void LogSumExpIsOptionalInTheForwardPass()
    {
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = 1, PinThreads = false });
        AttentionCase attention = Of("no log-sum-exp", AttentionMask.Causal, [40], [40]);
        using AttentionOperands with = new(attention, device), without = new(attention, device);
        float[] expected = with.Run().Output;
        without.BackwardArgs.Forward.LogSumExp = with.ForwardArgs.LogSumExp;
        without.ForwardArgs.LogSumExp = default;
        Agreement.CheckBitwise("Output", without.Run().Output, expected);
    }

    private static AttentionResults Run(AttentionCase attention, int threads)
    {
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = threads, PinThreads = false });
        using var operands = new AttentionOperands(attention, device);
        return operands.Run();
    }

    internal static void CheckSame(AttentionResults actual, AttentionResults expected)
    {
        Agreement.CheckBitwise("Output", actual.Output, expected.Output);
        Agreement.CheckBitwise("LogSumExp", actual.LogSumExp, expected.LogSumExp);
        Agreement.CheckBitwise("QueryGradient", actual.QueryGradient, expected.QueryGradient);
        Agreement.CheckBitwise("KeyGradient", actual.KeyGradient, expected.KeyGradient);
        Agreement.CheckBitwise("ValueGradient", actual.ValueGradient, expected.ValueGradient);
    }

    private sealed record Result<T>(T[] Output, T[] LogSumExp, T[] QueryGradient, T[] KeyGradient, T[] ValueGradient);

    // In float32 the straightforward form rounds where the device's type asks for it: probabilities, gradients of scores, results.
    private static Result<T> Expect<T>(AttentionCase attention) where T : System.Numerics.IFloatingPointIeee754<T>
    {
        bool rounds = attention.Compute == DType.BFloat16 && typeof(T) == typeof(float);
        Func<T, T>? narrow = rounds ? value => T.CreateChecked((float)(BFloat16)float.CreateChecked(value)) : null;
        T[] query = Samples.As<T>(attention.Query), key = Samples.As<T>(attention.Key), value = Samples.As<T>(attention.Value);
        (T[] output, T[] logSumExp) = AttentionReference.Forward(attention.Shape, query, key, value, narrow);
        if (narrow is not null) output = Array.ConvertAll(output, item => narrow(item));
        (T[] queryGradient, T[] keyGradient, T[] valueGradient) =
            AttentionReference.Backward(attention.Shape, query, key, value, output, logSumExp, Samples.As<T>(attention.OutputGradient), narrow);
        if (narrow is null) return new Result<T>(output, logSumExp, queryGradient, keyGradient, valueGradient);
        T[] Stored(T[] values) => Array.ConvertAll(values, item => narrow(item));
        return new Result<T>(output, logSumExp, Stored(queryGradient), Stored(keyGradient), Stored(valueGradient));
    }
}
