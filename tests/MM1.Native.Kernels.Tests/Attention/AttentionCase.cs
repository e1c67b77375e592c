using MM1.Native.TestSupport;
using Xunit.Sdk;

namespace MM1.Native.Kernels.Tests.Attention;

/// <summary>How the operands of a case lie in memory.</summary>
public enum AttentionLayout
{
    /// <summary>Each operand by itself, rows without gaps.</summary>
    Plain,
    /// <summary>Each operand by itself, with gaps of different sizes between the rows.</summary>
    Gaps,
    /// <summary>Query, key and value are columns of one buffer, and so are their gradients.</summary>
    Fused,
}

/// <summary>One conformance case: data and shape, and how to run it on a device.</summary>
public sealed record AttentionCase(string Name, AttentionShape Shape, bool Packed, AttentionLayout Layout, float[] Query, float[] Key, float[] Value, float[] OutputGradient,
    DType Compute = DType.Float32)
{
    /// <summary>Documents of given lengths after one another; <paramref name="extra"/> rows follow that belong to none.</summary>
    public static AttentionCase Of(string name, AttentionMask mask, int[] queries, int[] keys, int heads = 2, int keyValueHeads = 2, int headSize = 32,
        bool packed = true, int extra = 0, AttentionLayout layout = AttentionLayout.Plain, int[]? prefixes = null, double spread = 1, double shift = 0, int seed = 1)
    {
        int[] queryOffsets = Offsets(queries), keyOffsets = Offsets(keys);
        int queryTokens = queryOffsets[^1] + extra, keyTokens = keyOffsets[^1] + extra;
        var shape = new AttentionShape(mask, 1 / MathF.Sqrt(headSize), heads, keyValueHeads, headSize, queryOffsets, keyOffsets, prefixes, queryTokens, keyTokens);
        float[] query = Samples.Normal(seed, (long)queryTokens * heads * headSize, spread), key = Samples.Normal(seed + 1, (long)keyTokens * keyValueHeads * headSize, spread);
        // A shift moves every score by about shift * sqrt(headSize).
        for (int i = 0; i < query.Length; i++) query[i] += (float)Math.Abs(shift);
        for (int i = 0; i < key.Length; i++) key[i] += Math.Sign(shift);
        float[] value = Samples.Normal(seed + 2, key.Length), outputGradient = Samples.Normal(seed + 3, query.Length);
        return new AttentionCase(name, shape, packed, layout, query, key, value, outputGradient);
    }

    /// <summary>The same tokens of one document alone.</summary>
    public AttentionCase Alone(int document)
    {
        int q0 = Shape.QueryOffsets[document], q1 = Shape.QueryOffsets[document + 1], k0 = Shape.KeyOffsets[document], k1 = Shape.KeyOffsets[document + 1];
        int columns = Shape.Heads * Shape.HeadSize, keyColumns = Shape.KeyValueHeads * Shape.HeadSize;
        return this with
        {
            Shape = Shape with
            {
                QueryOffsets = [0, q1 - q0],
                KeyOffsets = [0, k1 - k0],
                Prefixes = Shape.Prefixes is null ? null : [Shape.Prefixes[document]],
                QueryTokens = q1 - q0,
                KeyTokens = k1 - k0,
            },
            Query = Query[(q0 * columns)..(q1 * columns)],
            Key = Key[(k0 * keyColumns)..(k1 * keyColumns)],
            Value = Value[(k0 * keyColumns)..(k1 * keyColumns)],
            OutputGradient = OutputGradient[(q0 * columns)..(q1 * columns)],
        };
    }

    /// <summary>The same in another precision: operands rounded to it.</summary>
    public AttentionCase In(DType compute) => this with
    {
        Query = Storage.Round(Query, compute),
        Key = Storage.Round(Key, compute),
        Value = Storage.Round(Value, compute),
        OutputGradient = Storage.Round(OutputGradient, compute),
        Compute = compute,
    };

    public override string ToString() => Compute == DType.Float32 ? Name : $"{Name} in {Compute}";

    private static int[] Offsets(int[] lengths)
    {
        var offsets = new int[lengths.Length + 1];
        for (int i = 0; i < lengths.Length; i++) offsets[i + 1] = offsets[i] + lengths[i];
        return offsets;
    }
}

/// <summary>What attention gives for a case, row-major without gaps.</summary>
public sealed record AttentionResults(float[] Output, float[] LogSumExp, float[] QueryGradient, float[] KeyGradient, float[] ValueGradient);

/// <summary>The operands of a case on a device.</summary>
public sealed class AttentionOperands : IDisposable
{
    private readonly AttentionCase _case;
    private readonly Device _device;
    private readonly DeviceBuffer[] _inputs, _gradients;
    private readonly DeviceBuffer _output, _logSumExp, _outputGradient;
    private readonly DeviceBuffer? _queryOffsets, _keyOffsets, _prefixes;
    public FlashAttentionForwardArgs ForwardArgs;
    public FlashAttentionBackwardArgs BackwardArgs;

    public AttentionOperands(AttentionCase attention, Device device)
    {
        _case = attention;
        _device = device;
        AttentionShape shape = attention.Shape;
        int columns = shape.Heads * shape.HeadSize, keyColumns = shape.KeyValueHeads * shape.HeadSize, gap = attention.Layout == AttentionLayout.Gaps ? 8 : 0;
        Operand[] inputs, gradients;
        if (attention.Layout == AttentionLayout.Fused)
        {
            if (shape.QueryTokens != shape.KeyTokens) throw new XunitException("A fused buffer needs as many queries as keys.");
            int width = columns + 2 * keyColumns;
            var fused = new float[(long)shape.QueryTokens * width];
            for (int row = 0; row < shape.QueryTokens; row++)
            {
                attention.Query.AsSpan(row * columns, columns).CopyTo(fused.AsSpan(row * width));
                attention.Key.AsSpan(row * keyColumns, keyColumns).CopyTo(fused.AsSpan(row * width + columns));
                attention.Value.AsSpan(row * keyColumns, keyColumns).CopyTo(fused.AsSpan(row * width + columns + keyColumns));
            }
            _inputs = [Buffer(fused, shape.QueryTokens, width)];
            _gradients = [new DeviceBuffer(device, shape.QueryTokens, width, attention.Compute)];
            inputs = Columns(_inputs[0], columns, keyColumns);
            gradients = Columns(_gradients[0], columns, keyColumns);
        }
        else
        {
            _inputs =
            [
                Buffer(attention.Query, shape.QueryTokens, columns, gap),
                Buffer(attention.Key, shape.KeyTokens, keyColumns, 2 * gap),
                Buffer(attention.Value, shape.KeyTokens, keyColumns, 3 * gap),
            ];
            _gradients =
            [
                new DeviceBuffer(device, shape.QueryTokens, columns, attention.Compute, columns + 2 * gap),
                new DeviceBuffer(device, shape.KeyTokens, keyColumns, attention.Compute, keyColumns + 3 * gap),
                new DeviceBuffer(device, shape.KeyTokens, keyColumns, attention.Compute, keyColumns + gap),
            ];
            inputs = [.. _inputs.Select(buffer => buffer.Operand)];
            gradients = [.. _gradients.Select(buffer => buffer.Operand)];
        }
        _output = new DeviceBuffer(device, shape.QueryTokens, columns, attention.Compute, columns + 5 * gap);
        _logSumExp = new DeviceBuffer(device, shape.Heads, shape.QueryTokens, rowStride: shape.QueryTokens + gap);
        _outputGradient = Buffer(attention.OutputGradient, shape.QueryTokens, columns, gap);
        if (attention.Packed)
        {
            _queryOffsets = DeviceBuffer.From<int>(device, shape.QueryOffsets, 1, shape.QueryOffsets.Length);
            _keyOffsets = DeviceBuffer.From<int>(device, shape.KeyOffsets, 1, shape.KeyOffsets.Length);
        }
        if (shape.Prefixes is not null) _prefixes = DeviceBuffer.From<int>(device, shape.Prefixes, 1, shape.Prefixes.Length);
        ForwardArgs = new FlashAttentionForwardArgs
        {
            Mask = shape.Mask,
            Scale = shape.Scale,
            Batch = shape.Documents,
            Heads = shape.Heads,
            KeyValueHeads = shape.KeyValueHeads,
            HeadSize = shape.HeadSize,
            QueryTokens = shape.QueryTokens,
            KeyTokens = shape.KeyTokens,
            MaxQueryLength = Longest(shape.QueryOffsets),
            MaxKeyLength = Longest(shape.KeyOffsets),
            CuSeqlensQuery = _queryOffsets?.Address ?? 0,
            CuSeqlensKey = _keyOffsets?.Address ?? 0,
            PrefixLengths = _prefixes?.Address ?? 0,
            Query = inputs[0],
            Key = inputs[1],
            Value = inputs[2],
            Output = _output,
            LogSumExp = _logSumExp,
        };
        BackwardArgs = new FlashAttentionBackwardArgs
        {
            Forward = ForwardArgs,
            OutputGradient = _outputGradient,
            QueryGradient = gradients[0],
            KeyGradient = gradients[1],
            ValueGradient = gradients[2],
        };
    }

    /// <summary>Forward, then backward, each with a poisoned workspace of just the bytes that it asked for.</summary>
    public AttentionResults Run()
    {
        IKernels kernels = _device.Kernels;
        using (var workspace = new DeviceBuffer(_device, 1, kernels.FlashAttentionForwardWorkspaceBytes(ForwardArgs), DType.UInt8))
        {
            kernels.FlashAttentionForward(new Launch(0, workspace.Address, workspace.Columns), ForwardArgs);
            workspace.CheckGuards();
        }
        using (var workspace = new DeviceBuffer(_device, 1, kernels.FlashAttentionBackwardWorkspaceBytes(BackwardArgs), DType.UInt8))
        {
            kernels.FlashAttentionBackward(new Launch(0, workspace.Address, workspace.Columns), BackwardArgs);
            workspace.CheckGuards();
        }
        return Download();
    }

    /// <summary>Whether every output still holds its poison.</summary>
    public bool Untouched() => _gradients.Append(_output).Append(_logSumExp).All(buffer => buffer.DownloadFloats().All(float.IsNaN));

    private AttentionResults Download()
    {
        AttentionShape shape = _case.Shape;
        int columns = shape.Heads * shape.HeadSize, keyColumns = shape.KeyValueHeads * shape.HeadSize;
        float[] output = _output.DownloadFloats(), logSumExp = _logSumExp.Download();
        if (_gradients.Length == 3)
            return new AttentionResults(output, logSumExp, _gradients[0].DownloadFloats(), _gradients[1].DownloadFloats(), _gradients[2].DownloadFloats());
        float[] fused = _gradients[0].DownloadFloats();
        return new AttentionResults(output, logSumExp, Cut(fused, 0, columns), Cut(fused, columns, keyColumns), Cut(fused, columns + keyColumns, keyColumns));

        float[] Cut(float[] rows, int first, int count)
        {
            int width = columns + 2 * keyColumns;
            var cut = new float[shape.QueryTokens * count];
            for (int row = 0; row < shape.QueryTokens; row++) rows.AsSpan(row * width + first, count).CopyTo(cut.AsSpan(row * count));
            return cut;
        }
    }

    public void Dispose()
    {
        foreach (DeviceBuffer buffer in _inputs.Concat(_gradients)) buffer.Dispose();
        _output.Dispose();
        _logSumExp.Dispose();
        _outputGradient.Dispose();
        _queryOffsets?.Dispose();
        _keyOffsets?.Dispose();
        _prefixes?.Dispose();
    }

    private DeviceBuffer Buffer(float[] values, int rows, int columns, int gap = 0)
    {
        var buffer = new DeviceBuffer(_device, rows, columns, _case.Compute, columns + gap);
        buffer.UploadFloats(values);
        return buffer;
    }

    private static Operand[] Columns(DeviceBuffer fused, int columns, int keyColumns) =>
    [
        fused.Operand,
        fused.Operand with { Data = fused.Address + columns * fused.DType.Size() },
        fused.Operand with { Data = fused.Address + (columns + keyColumns) * fused.DType.Size() },
    ];

    private static int Longest(int[] offsets)
    {
        int longest = 0;
        for (int i = 1; i < offsets.Length; i++) longest = Math.Max(longest, offsets[i] - offsets[i - 1]);
        return longest;
    }
}
