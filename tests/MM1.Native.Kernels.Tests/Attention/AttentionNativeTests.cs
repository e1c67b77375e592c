using System.Text.RegularExpressions;
using MM1.Native.TestSupport;
using Xunit;
using static MM1.Native.Kernels.Tests.Attention.AttentionCase;

namespace MM1.Native.Kernels.Tests.Attention;

/// <summary>
/// Attention on native devices, in float32 and bfloat16: what <see cref="FlashAttentionTests"/> asks of the CPU, with shapes that an emulator can walk in
/// seconds. The native tests (tests/kernels/attention) have the long list.
/// </summary>
public sealed partial class AttentionNativeTests
{
    private static readonly AttentionCase[] Cases =
    [
        Of("one query, one key", AttentionMask.Causal, [1], [1]),
        Of("239 queries, 1 key, causal: rows that see nothing", AttentionMask.Causal, [239], [1], heads: 1, keyValueHeads: 1, headSize: 8),
        Of("3 queries, 300 keys, causal", AttentionMask.Causal, [3], [300], heads: 1, keyValueHeads: 1, layout: AttentionLayout.Gaps),
        Of("no queries", AttentionMask.Causal, [0], [19]),
        Of("no keys", AttentionMask.Full, [19], [0]),
        Of("nothing", AttentionMask.Full, [], []),
        .. new[] { 8, 40, 64, 80, 128, 256 }.Select(headSize =>
            Of($"head size {headSize}", AttentionMask.Causal, [37], [51], keyValueHeads: 1, headSize: headSize, layout: AttentionLayout.Gaps)),
        Of("8 heads on 2, fused", AttentionMask.Causal, [40, 21], [40, 21], heads: 8, keyValueHeads: 2, headSize: 24, layout: AttentionLayout.Fused),
        Of("batch of 2, full, rows behind", AttentionMask.Full, [48, 48], [70, 70], packed: false, extra: 5, layout: AttentionLayout.Gaps),
        Of("packed, empty documents, rows behind", AttentionMask.Causal, [0, 5, 0, 64, 1, 70, 0, 0], [0, 5, 0, 64, 1, 70, 0, 0], extra: 7, layout: AttentionLayout.Fused),
        Of("packed, lengths differ", AttentionMask.Causal, [5, 0, 64, 17, 9], [7, 12, 40, 17, 0], extra: 3),
        Of("prefixes", AttentionMask.Prefix, [30, 30, 30, 30, 45, 10], [30, 30, 30, 30, 15, 75], prefixes: [0, 13, 30, 99, 20, 70], layout: AttentionLayout.Gaps),
        // Exponentials of the log-sum-exp under- and overflow, length % 128 == 64.
        Of("log-sum-exp near -110", AttentionMask.Causal, [192], [192], heads: 1, keyValueHeads: 1, headSize: 64, shift: -20),
        Of("log-sum-exp near -200", AttentionMask.Causal, [192], [192], heads: 1, keyValueHeads: 1, headSize: 64, shift: -40),
        Of("log-sum-exp near -200, a scale that rounds", AttentionMask.Causal, [192], [192], heads: 1, keyValueHeads: 1, headSize: 80, shift: -30),
        Of("log-sum-exp near 200", AttentionMask.Full, [64], [192], heads: 1, keyValueHeads: 1, headSize: 64, shift: 20),
        Of("log-sum-exp above 200, causal", AttentionMask.Causal, [192], [192], heads: 1, keyValueHeads: 1, headSize: 64, shift: 25),
        Of("sharp rows", AttentionMask.Causal, [92], [92], heads: 1, keyValueHeads: 1, spread: 6),
    ];

    public static IEnumerable<TheoryDataRow<string, DType, string>> DevicesAndCases() => OnNative(
        static name => from @case in Cases from type in new[] { DType.Float32, DType.BFloat16 } select new TheoryDataRow<string, DType, string>(name, type, @case.Name),
        new TheoryDataRow<string, DType, string>("", DType.Float32, ""));

    [Theory, MemberData(nameof(DevicesAndCases))]
    public void AgreesWithTheReference(string deviceName, DType type, string name)
    {
        using Device device = TestDevices.Open(deviceName);
        FlashAttentionTests.Check(Cases.Single(item => item.Name == name).In(type), device);
    }

    /// <summary>The bits of a document depend neither on the others nor on where it lies.</summary>
    [Theory, MemberData(nameof(DevicesAndTypes))]
    public void BitsDependOnNoOtherDocument(string deviceName, DType type)
    {
        using Device device = TestDevices.Open(deviceName);
        AttentionCase together = Of("together", AttentionMask.Causal, [71, 0, 16, 1, 97], [71, 5, 40, 1, 97], heads: 4, keyValueHeads: 2, headSize: 16, extra: 2).In(type);
        AttentionShape shape = together.Shape;
        AttentionResults expected = Run(together, device);
        for (int document = 0; document < shape.Documents; document++)
        {
            AttentionResults actual = Run(together.Alone(document), device);
            int columns = shape.Heads * shape.HeadSize, keyColumns = shape.KeyValueHeads * shape.HeadSize;
            Range query = (shape.QueryOffsets[document] * columns)..(shape.QueryOffsets[document + 1] * columns);
            Range key = (shape.KeyOffsets[document] * keyColumns)..(shape.KeyOffsets[document + 1] * keyColumns);
            Agreement.CheckBitwise("Output", actual.Output, expected.Output.AsSpan(query));
            Agreement.CheckBitwise("QueryGradient", actual.QueryGradient, expected.QueryGradient.AsSpan(query));
            Agreement.CheckBitwise("KeyGradient", actual.KeyGradient, expected.KeyGradient.AsSpan(key));
            Agreement.CheckBitwise("ValueGradient", actual.ValueGradient, expected.ValueGradient.AsSpan(key));
        }
    }

    /// <summary>The rules of the CPU in the library's words. What lies in device memory cannot be checked there.</summary>
    [Theory, MemberData(nameof(DevicesAndRules))]
    public void ForwardAndBackwardNameTheRule(string deviceName, string name)
    {
        using Device device = TestDevices.Open(deviceName);
        using var operands = new AttentionOperands(Of("broken", AttentionMask.Causal, [5, 9], [5, 9], heads: 4, keyValueHeads: 2, headSize: 16), device);
        (AttentionErrorTests.Break broken, string rule) = AttentionErrorTests.ForwardRules[name];
        broken(ref operands.ForwardArgs);
        operands.BackwardArgs.Forward = operands.ForwardArgs;
        Expect("FlashAttentionForward", rule, () => device.Kernels.FlashAttentionForward(device.Launch(1 << 20), operands.ForwardArgs));
        Expect("FlashAttentionBackward", rule, () => device.Kernels.FlashAttentionBackward(device.Launch(1 << 20), operands.BackwardArgs));
        Assert.True(operands.Untouched());
    }

    public static IEnumerable<TheoryDataRow<string, DType>> DevicesAndTypes() =>
        OnNative(static name => new[] { DType.Float32, DType.BFloat16 }.Select(type => new TheoryDataRow<string, DType>(name, type)), new TheoryDataRow<string, DType>("", DType.Float32));

    public static IEnumerable<TheoryDataRow<string, string>> DevicesAndRules() => OnNative(
        static name => AttentionErrorTests.ForwardRules.Keys.Except(["longer than the maximum", "past the tokens"]).Select(rule => new TheoryDataRow<string, string>(name, rule)), new TheoryDataRow<string, string>("", ""));

    internal static IEnumerable<TRow> OnNative<TRow>(Func<string, IEnumerable<TRow>> rows, TRow skipped) where TRow : TheoryDataRowBase
    {
        if (TestDevices.Native.Length > 0) return TestDevices.Native.SelectMany(rows);
        skipped.Skip = TestDevices.NativeMissing;
        return [skipped];
    }

    private static AttentionResults Run(AttentionCase attention, Device device)
    {
        using var operands = new AttentionOperands(attention, device);
        return operands.Run();
    }

    private static void Expect(string verb, string rule, Action call)
    {
        KernelArgumentException exception = Assert.Throws<KernelArgumentException>(call);
        Assert.Equal(verb, exception.Verb);
        Assert.Contains(InC(rule), exception.Message, StringComparison.Ordinal);
    }

    /// <summary>"Value has row stride 31" as C says it: "value has row_stride 31".</summary>
    private static string InC(string rule) => Names().Replace(rule, static name => Inner().Replace(name.Value, "_").ToLowerInvariant())
        .Replace("row stride", "row_stride", StringComparison.Ordinal).Replace("this device needs", "this call needs", StringComparison.Ordinal)
        .Replace("b_float16", "bfloat16", StringComparison.Ordinal);

    [GeneratedRegex("[A-Z][A-Za-z0-9]*")]
    private static partial Regex Names();

    [GeneratedRegex("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")]
    private static partial Regex Inner();
}
