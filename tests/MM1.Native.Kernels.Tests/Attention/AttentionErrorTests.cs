using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Attention;

/// <summary>Every argument rule of the family: the verb and the rule are named, and nothing has been written.</summary>
public sealed class AttentionErrorTests
{
    internal delegate void Break(ref FlashAttentionForwardArgs args);

    internal static readonly Dictionary<string, (Break Break, string Rule)> ForwardRules = new()
    {
        ["batch"] = ((ref FlashAttentionForwardArgs a) => a.Batch = -1, "Batch is -1; it must not be negative."),
        ["query tokens"] = ((ref FlashAttentionForwardArgs a) => a.QueryTokens = -2, "QueryTokens is -2"),
        ["key tokens"] = ((ref FlashAttentionForwardArgs a) => a.KeyTokens = -2, "KeyTokens is -2"),
        ["query length"] = ((ref FlashAttentionForwardArgs a) => a.MaxQueryLength = -2, "MaxQueryLength is -2"),
        ["key length"] = ((ref FlashAttentionForwardArgs a) => a.MaxKeyLength = -2, "MaxKeyLength is -2"),
        ["heads"] = ((ref FlashAttentionForwardArgs a) => a.Heads = 3, "KeyValueHeads 2 does not divide Heads 3."),
        ["no key heads"] = ((ref FlashAttentionForwardArgs a) => a.KeyValueHeads = 0, "KeyValueHeads 0 does not divide Heads 4."),
        ["head size 12"] = ((ref FlashAttentionForwardArgs a) => a.HeadSize = 12, "HeadSize is 12; it must be a multiple of 8 from 8 to 256."),
        ["head size 0"] = ((ref FlashAttentionForwardArgs a) => a.HeadSize = 0, "HeadSize is 0"),
        ["head size 264"] = ((ref FlashAttentionForwardArgs a) => a.HeadSize = 264, "HeadSize is 264"),
        ["mask"] = ((ref FlashAttentionForwardArgs a) => a.Mask = (AttentionMask)7, "Mask is none of"),
        ["one offset"] = ((ref FlashAttentionForwardArgs a) => a.CuSeqlensKey = 0, "must be given together"),
        ["prefix without lengths"] = ((ref FlashAttentionForwardArgs a) => a.Mask = AttentionMask.Prefix, "PrefixLengths must be given with the Prefix mask"),
        ["lengths without prefix"] = ((ref FlashAttentionForwardArgs a) => a.PrefixLengths = a.CuSeqlensKey, "PrefixLengths must be given with the Prefix mask"),
        ["longer than the maximum"] = ((ref FlashAttentionForwardArgs a) => a.MaxKeyLength = 8, "Document 1 of CuSeqlensKey has 9 rows; MaxKeyLength is 8."),
        ["past the tokens"] = ((ref FlashAttentionForwardArgs a) => a.QueryTokens = 13, "CuSeqlensQuery ends at 14; QueryTokens is 13."),
        ["too many"] = ((ref FlashAttentionForwardArgs a) => (a.CuSeqlensQuery, a.CuSeqlensKey) = (0, 0), "Batch 2 times MaxQueryLength 9 is more than QueryTokens 14."),
        ["no query"] = ((ref FlashAttentionForwardArgs a) => a.Query = default, "Query is missing"),
        ["key dtype"] = ((ref FlashAttentionForwardArgs a) => a.Key.DType = DType.BFloat16, "Key has dtype BFloat16; this device needs Float32."),
        ["value stride"] = ((ref FlashAttentionForwardArgs a) => a.Value.RowStride = 31, "Value has row stride 31, less than its 32 columns"),
        ["no output"] = ((ref FlashAttentionForwardArgs a) => a.Output = default, "Output is missing"),
        ["log-sum-exp stride"] = ((ref FlashAttentionForwardArgs a) => a.LogSumExp.RowStride = 13, "LogSumExp has row stride 13"),
    };

    public static TheoryData<string> ForwardNames() => [.. ForwardRules.Keys];

    [Theory, MemberData(nameof(ForwardNames))]
    public void ForwardAndBackwardNameTheRule(string name)
    {
        (Break broken, string rule) = ForwardRules[name];
        WithOperands((device, operands) =>
        {
            broken(ref operands.ForwardArgs);
            operands.BackwardArgs.Forward = operands.ForwardArgs;
            Expect("FlashAttentionForward", rule, () => device.Kernels.FlashAttentionForward(device.Launch(1 << 20), operands.ForwardArgs));
            Expect("FlashAttentionBackward", rule, () => device.Kernels.FlashAttentionBackward(device.Launch(1 << 20), operands.BackwardArgs));
        });
    }

    [Fact]
    public void OffsetsAscendFromZero() => WithOperands((device, operands) =>
    {
        using DeviceBuffer offsets = DeviceBuffer.From<int>(device, [0, 5, 3], 1, 3), late = DeviceBuffer.From<int>(device, [1, 5, 14], 1, 3);
        operands.ForwardArgs.CuSeqlensQuery = offsets.Address;
        Expect("FlashAttentionForward", "CuSeqlensQuery falls from 5 to 3 at document 1.", () => device.Kernels.FlashAttentionForward(device.Launch(1 << 20), operands.ForwardArgs));
        operands.ForwardArgs.CuSeqlensQuery = late.Address;
        Expect("FlashAttentionForward", "CuSeqlensQuery[0] is 1; the first document begins at row 0.", () => device.Kernels.FlashAttentionForward(device.Launch(1 << 20), operands.ForwardArgs));
    });

    [Fact]
    public void BackwardNeedsItsOwnOperandsToo() => WithOperands((device, operands) =>
    {
        FlashAttentionBackwardArgs good = operands.BackwardArgs;
        FlashAttentionBackwardArgs[] broken = [good, good, good, good, good];
        broken[0].Forward.LogSumExp = default;
        broken[1].OutputGradient = default;
        broken[2].QueryGradient.RowStride = 63;
        broken[3].KeyGradient = default;
        broken[4].ValueGradient.DType = DType.Int32;
        string[] rules = ["LogSumExp is missing", "OutputGradient is missing", "QueryGradient has row stride 63", "KeyGradient is missing", "ValueGradient has dtype Int32"];
        for (int i = 0; i < broken.Length; i++)
            Expect("FlashAttentionBackward", rules[i], () => device.Kernels.FlashAttentionBackward(device.Launch(1 << 20), broken[i]));
    });

    [Fact]
    public void WorkspacesMustBeLargeEnough() => WithOperands((device, operands) =>
    {
        Expect("FlashAttentionForward", "the workspace has 64 bytes", () => device.Kernels.FlashAttentionForward(new Launch(0, 256, 64), operands.ForwardArgs));
        Expect("FlashAttentionBackward", "the workspace has 64 bytes", () => device.Kernels.FlashAttentionBackward(new Launch(0, 256, 64), operands.BackwardArgs));
    });

    [Fact]
    public void DecodeAndAppendNameTheRule()
    {
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = 1, PinThreads = false });
        using DeviceBuffer tokens = new(device, 2, 16), cache = new(device, 2 * 4, 16), output = new(device, 2, 16);
        using DeviceBuffer lengths = DeviceBuffer.From<int>(device, [4, 5], 1, 2), negative = DeviceBuffer.From<int>(device, [4, -1], 1, 2), fine = DeviceBuffer.From<int>(device, [1, 0], 1, 2);
        var decode = new FlashAttentionDecodeArgs
        {
            Batch = 2,
            QueryLength = 1,
            Heads = 2,
            KeyValueHeads = 2,
            HeadSize = 8,
            MaxLength = 4,
            Lengths = fine.Address,
            Query = tokens,
            KeyCache = cache,
            ValueCache = cache,
            Output = output,
            Scale = 1,
        };
        Decode("Lengths[1] is 5; it must lie in [0, MaxLength = 4].", decode with { Lengths = lengths.Address });
        Decode("Lengths[1] is -1", decode with { Lengths = negative.Address });
        Decode("Lengths is missing", decode with { Lengths = 0 });
        Decode("QueryLength is -1", decode with { QueryLength = -1 });
        Decode("MaxLength is -4", decode with { MaxLength = -4 });
        Decode("Batch is -1", decode with { Batch = -1 });
        Decode("HeadSize is 9", decode with { HeadSize = 9 });
        Decode("does not divide", decode with { KeyValueHeads = 4 });
        Decode("Query is missing", decode with { Query = default });
        Decode("KeyCache is missing", decode with { KeyCache = default });
        Decode("ValueCache is missing", decode with { ValueCache = default });
        Decode("Output is missing", decode with { Output = default });
        Expect("FlashAttentionDecode", "the workspace has 1 bytes", () => device.Kernels.FlashAttentionDecode(new Launch(0, 256, 1), decode));

        var append = new KeyValueCacheAppendArgs
        {
            Tokens = 2,
            Batch = 2,
            MaxLength = 4,
            KeyValueHeads = 2,
            HeadSize = 8,
            Sequences = fine.Address,
            Positions = fine.Address,
            Key = tokens,
            Value = tokens,
            KeyCache = cache,
            ValueCache = cache,
        };
        Append("Sequences[0] is 4; the cache has 2 sequences.", append with { Sequences = lengths.Address });
        Append("Positions[0] is 4; it must lie in [0, MaxLength = 4).", append with { Positions = lengths.Address });
        Append("Sequences is missing", append with { Sequences = 0 });
        Append("Positions is missing", append with { Positions = 0 });
        Append("Tokens is -1", append with { Tokens = -1 });
        Append("Key is missing", append with { Key = default });
        Append("Value is missing", append with { Value = default });
        Append("KeyCache is missing", append with { KeyCache = default });
        Append("ValueCache is missing", append with { ValueCache = default });
        Assert.All(output.Download().Concat(cache.Download()), value => Assert.True(float.IsNaN(value)));

        void Decode(string rule, FlashAttentionDecodeArgs args) => Expect("FlashAttentionDecode", rule, () => device.Kernels.FlashAttentionDecode(device.Launch(1 << 20), args));
        void Append(string rule, KeyValueCacheAppendArgs args) => Expect("KeyValueCacheAppend", rule, () => device.Kernels.KeyValueCacheAppend(default, args));
    }

    private static void Expect(string verb, string rule, Action call)
    {
        KernelArgumentException exception = Assert.Throws<KernelArgumentException>(call);
        Assert.Equal(verb, exception.Verb);
        Assert.Contains(rule, exception.Message, StringComparison.Ordinal);
    }

    private static void WithOperands(Action<Device, AttentionOperands> test)
    {
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = 1, PinThreads = false });
        using var operands = new AttentionOperands(AttentionCase.Of("broken", AttentionMask.Causal, [5, 9], [5, 9], heads: 4, keyValueHeads: 2, headSize: 16), device);
        test(device, operands);
        Assert.True(operands.Untouched());
    }
}
