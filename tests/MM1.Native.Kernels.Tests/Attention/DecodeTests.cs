using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Attention;

public sealed class DecodeTests
{
    private const int MaxLength = 150;

    public static TheoryData<string, int, int, int, int> Cases()
    {
        var data = new TheoryData<string, int, int, int, int>();
        foreach (string device in TestDevices.Names)
        {
            data.Add(device, 1, 2, 2, 32);
            data.Add(device, 1, 8, 2, 64);
            data.Add(device, 3, 4, 1, 40);
            data.Add(device, 1, 1, 1, 8);
            data.Add(device, 70, 2, 1, 24);
            data.Add(device, 2, 2, 2, 256);
        }
        return data;
    }

    /// <summary>New tokens against a cache give the bits of the last rows of the whole sequence, alone or in a batch.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void EqualsTheWholeSequenceBitwise(string deviceName, int queryLength, int heads, int keyValueHeads, int headSize)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] lengths = [77, 0, 1, 128, MaxLength, 64];
        int batch = lengths.Length, columns = heads * headSize, keyColumns = keyValueHeads * headSize;
        using var cache = new Cache(device, batch, keyValueHeads, headSize);
        var queries = new float[batch * queryLength * columns];
        var expected = new float[queries.Length];
        for (int sequence = 0; sequence < batch; sequence++)
        {
            int length = lengths[sequence];
            AttentionCase whole = AttentionCase.Of("whole", AttentionMask.Causal, [length], [length], heads, keyValueHeads, headSize, seed: sequence);
            cache.Append(sequence, 0, whole.Key, whole.Value);
            using var operands = new AttentionOperands(whole, device);
            float[] output = operands.Run().Output;
            for (int token = Math.Max(0, queryLength - length); token < queryLength; token++)
            {
                Range row = ((length - queryLength + token) * columns)..((length - queryLength + token + 1) * columns);
                whole.Query[row].CopyTo(queries, (sequence * queryLength + token) * columns);
                output[row].CopyTo(expected, (sequence * queryLength + token) * columns);
            }
        }
        Agreement.CheckBitwise("Output", cache.Decode(queries, lengths, queryLength, heads, 1 / MathF.Sqrt(headSize)), expected);
    }

    public static IEnumerable<TheoryDataRow<string, DType>> DevicesAndTypes() => TestDevices.Names.Select(static name => new TheoryDataRow<string, DType>(name, DType.Float32)).Concat(
        AttentionNativeTests.OnNative(static name => new[] { DType.Float32, DType.BFloat16 }.Select(type => new TheoryDataRow<string, DType>(name, type)), new TheoryDataRow<string, DType>("", DType.Float32)));

    /// <summary>Several lengths at once against the reference; each sequence alone, and a second run, has the same bits.</summary>
    [Theory, MemberData(nameof(DevicesAndTypes))]
    public void AgreesWithTheReference(string deviceName, DType type)
    {
        const int QueryLength = 2, Heads = 4, KeyValueHeads = 2, HeadSize = 40, Columns = Heads * HeadSize, KeyColumns = KeyValueHeads * HeadSize;
        using Device device = TestDevices.Open(deviceName);
        // Beyond 256 keys a native device splits them.
        int[] lengths = [91, 0, 300, 1, 257];
        AttentionCase attention = AttentionCase.Of("decode", AttentionMask.Causal, [2, 2, 2, 2, 2], lengths, Heads, KeyValueHeads, HeadSize).In(type);
        Func<float, float>? narrow = type == DType.BFloat16 ? static value => (BFloat16)value : null;
        double[] exact = AttentionReference.Forward(attention.Shape, Samples.As<double>(attention.Query), Samples.As<double>(attention.Key), Samples.As<double>(attention.Value)).Output;
        float[] plain = Storage.Round(AttentionReference.Forward(attention.Shape, attention.Query, attention.Key, attention.Value, narrow).Output, type);
        using var cache = new Cache(device, lengths.Length, KeyValueHeads, HeadSize, type, 300);
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            Range rows = (attention.Shape.KeyOffsets[sequence] * KeyColumns)..(attention.Shape.KeyOffsets[sequence + 1] * KeyColumns);
            cache.Append(sequence, 0, attention.Key[rows], attention.Value[rows]);
        }
        float[] actual = cache.Decode(attention.Query, lengths, QueryLength, Heads, attention.Shape.Scale);
        Agreement.Check("Output", actual, exact, plain, stored: Storage.Rounding(type));
        Agreement.CheckBitwise("Output again", cache.Decode(attention.Query, lengths, QueryLength, Heads, attention.Shape.Scale), actual);
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            AttentionCase alone = attention.Alone(sequence);
            using var own = new Cache(device, 1, KeyValueHeads, HeadSize, type, 310);
            own.Append(0, 0, alone.Key, alone.Value);
            Agreement.CheckBitwise("Output alone", own.Decode(alone.Query, [lengths[sequence]], QueryLength, Heads, alone.Shape.Scale),
                actual.AsSpan(sequence * QueryLength * Columns, QueryLength * Columns));
        }
    }

    [Theory, MemberData(nameof(DevicesAndTypes))]
    public void AppendWritesRowsWhereTheyBelongAndSkipsPadding(string deviceName, DType type)
    {
        using Device device = TestDevices.Open(deviceName);
        float[] key = Storage.Round(Samples.Normal(1, 4 * 16), type), value = Storage.Round(Samples.Normal(2, 4 * 16), type);
        using DeviceBuffer keys = new(device, 4, 16, type, 24), values = new(device, 4, 16, type);
        keys.UploadFloats(key);
        values.UploadFloats(value);
        using DeviceBuffer keyCache = new(device, 2 * 3, 16, type, 40), valueCache = new(device, 2 * 3, 16, type);
        using DeviceBuffer sequences = DeviceBuffer.From<int>(device, [1, -1, 0, 1], 1, 4), positions = DeviceBuffer.From<int>(device, [2, -7, 1, 0], 1, 4);
        device.Kernels.KeyValueCacheAppend(default, new KeyValueCacheAppendArgs
        {
            Tokens = 4,
            Batch = 2,
            MaxLength = 3,
            KeyValueHeads = 2,
            HeadSize = 8,
            Sequences = sequences.Address,
            Positions = positions.Address,
            Key = keys,
            Value = values,
            KeyCache = keyCache,
            ValueCache = valueCache,
        });
        int[] rowOfToken = [5, -1, 1, 3];
        foreach ((DeviceBuffer cache, float[] source) in new[] { (keyCache, key), (valueCache, value) })
        {
            float[] content = cache.DownloadFloats();
            for (int row = 0; row < 6; row++)
            {
                int token = Array.IndexOf(rowOfToken, row);
                if (token < 0) Assert.All(content[(row * 16)..(row * 16 + 16)], x => Assert.True(float.IsNaN(x)));
                else Assert.Equal(source[(token * 16)..(token * 16 + 16)], content[(row * 16)..(row * 16 + 16)]);
            }
        }
    }

    /// <summary>A cache with gaps between its rows, poisoned where nothing was appended.</summary>
    private sealed class Cache(Device device, int batch, int keyValueHeads, int headSize, DType type = DType.Float32, int maxLength = MaxLength) : IDisposable
    {
        private readonly DeviceBuffer _keys = new(device, batch * maxLength, keyValueHeads * headSize, type, keyValueHeads * headSize + 8);
        private readonly DeviceBuffer _values = new(device, batch * maxLength, keyValueHeads * headSize, type, keyValueHeads * headSize + 16);

        public void Append(int sequence, int position, float[] key, float[] value)
        {
            int columns = keyValueHeads * headSize, tokens = key.Length / columns;
            using DeviceBuffer keys = new(device, tokens, columns, type), values = new(device, tokens, columns, type);
            keys.UploadFloats(key);
            values.UploadFloats(value);
            using DeviceBuffer sequences = DeviceBuffer.From<int>(device, Enumerable.Repeat(sequence, tokens).ToArray(), 1, tokens);
            using DeviceBuffer positions = DeviceBuffer.From<int>(device, Enumerable.Range(position, tokens).ToArray(), 1, tokens);
            device.Kernels.KeyValueCacheAppend(default, new KeyValueCacheAppendArgs
            {
                Tokens = tokens,
                Batch = batch,
                MaxLength = maxLength,
                KeyValueHeads = keyValueHeads,
                HeadSize = headSize,
                Sequences = sequences.Address,
                Positions = positions.Address,
                Key = keys,
                Value = values,
                KeyCache = _keys,
                ValueCache = _values,
            });
        }

        public float[] Decode(float[] query, int[] lengths, int queryLength, int heads, float scale)
        {
            int columns = heads * headSize, rows = batch * queryLength;
            using DeviceBuffer queries = new(device, rows, columns, type, columns + 8), output = new(device, rows, columns, type, columns + 24);
            queries.UploadFloats(query);
            using DeviceBuffer lengthBuffer = DeviceBuffer.From<int>(device, lengths, 1, batch);
            var args = new FlashAttentionDecodeArgs
            {
                Batch = batch,
                QueryLength = queryLength,
                Heads = heads,
                KeyValueHeads = keyValueHeads,
                HeadSize = headSize,
                MaxLength = maxLength,
                Lengths = lengthBuffer.Address,
                Query = queries,
                KeyCache = _keys,
                ValueCache = _values,
                Output = output,
                Scale = scale,
            };
            using var workspace = new DeviceBuffer(device, 1, device.Kernels.FlashAttentionDecodeWorkspaceBytes(args), DType.UInt8);
            device.Kernels.FlashAttentionDecode(new Launch(0, workspace.Address, workspace.Columns), args);
            workspace.CheckGuards();
            return output.DownloadFloats();
        }

        public void Dispose()
        {
            _keys.CheckGuards();
            _values.CheckGuards();
            _keys.Dispose();
            _values.Dispose();
        }
    }
}
