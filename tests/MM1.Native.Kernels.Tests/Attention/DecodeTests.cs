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

    [Fact]
    public void AgreesWithTheReference()
    {
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = 2, PinThreads = false });
        AttentionCase attention = AttentionCase.Of("decode", AttentionMask.Causal, [2], [91], heads: 4, keyValueHeads: 2);
        using var cache = new Cache(device, 1, 2, 32);
        cache.Append(0, 0, attention.Key, attention.Value);
        double[] exact = AttentionReference.Forward(attention.Shape, Samples.As<double>(attention.Query), Samples.As<double>(attention.Key), Samples.As<double>(attention.Value)).Output;
        float[] plain = AttentionReference.Forward(attention.Shape, attention.Query, attention.Key, attention.Value).Output;
        Agreement.Check("Output", cache.Decode(attention.Query, [91], 2, 4, attention.Shape.Scale), exact, plain);
    }

    [Fact]
    public void AppendWritesRowsWhereTheyBelongAndSkipsPadding()
    {
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = 1, PinThreads = false });
        float[] key = Samples.Normal(1, 4 * 16), value = Samples.Normal(2, 4 * 16);
        using DeviceBuffer keys = DeviceBuffer.From<float>(device, key, 4, 16, 24), values = DeviceBuffer.From<float>(device, value, 4, 16);
        using DeviceBuffer keyCache = new(device, 2 * 3, 16, rowStride: 40), valueCache = new(device, 2 * 3, 16);
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
            float[] content = cache.Download();
            for (int row = 0; row < 6; row++)
            {
                int token = Array.IndexOf(rowOfToken, row);
                if (token < 0) Assert.All(content[(row * 16)..(row * 16 + 16)], x => Assert.True(float.IsNaN(x)));
                else Assert.Equal(source[(token * 16)..(token * 16 + 16)], content[(row * 16)..(row * 16 + 16)]);
            }
        }
    }

    /// <summary>A cache with gaps between its rows, poisoned where nothing was appended.</summary>
    private sealed class Cache(Device device, int batch, int keyValueHeads, int headSize) : IDisposable
    {
        private readonly DeviceBuffer _keys = new(device, batch * MaxLength, keyValueHeads * headSize, rowStride: keyValueHeads * headSize + 8);
        private readonly DeviceBuffer _values = new(device, batch * MaxLength, keyValueHeads * headSize, rowStride: keyValueHeads * headSize + 16);

        public void Append(int sequence, int position, float[] key, float[] value)
        {
            int columns = keyValueHeads * headSize, tokens = key.Length / columns;
            using DeviceBuffer keys = DeviceBuffer.From<float>(device, key, tokens, columns), values = DeviceBuffer.From<float>(device, value, tokens, columns);
            using DeviceBuffer sequences = DeviceBuffer.From<int>(device, Enumerable.Repeat(sequence, tokens).ToArray(), 1, tokens);
            using DeviceBuffer positions = DeviceBuffer.From<int>(device, Enumerable.Range(position, tokens).ToArray(), 1, tokens);
            device.Kernels.KeyValueCacheAppend(default, new KeyValueCacheAppendArgs
            {
                Tokens = tokens,
                Batch = batch,
                MaxLength = MaxLength,
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
            using DeviceBuffer queries = DeviceBuffer.From<float>(device, query, rows, columns, columns + 8), output = new(device, rows, columns, rowStride: columns + 24);
            using DeviceBuffer lengthBuffer = DeviceBuffer.From<int>(device, lengths, 1, batch);
            var args = new FlashAttentionDecodeArgs
            {
                Batch = batch,
                QueryLength = queryLength,
                Heads = heads,
                KeyValueHeads = keyValueHeads,
                HeadSize = headSize,
                MaxLength = MaxLength,
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
            return output.Download();
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
