using System.Runtime.InteropServices;
using MM1.Native.TestSupport;

namespace MM1.Native.Kernels.Tests;

/// <summary>One parameter tensor of a test.</summary>
public sealed record TensorSpec(int Rows, int Columns)
{
    public bool Factored { get; init; }
    public DType Shadow { get; init; }
    public float LearningRateScale { get; init; } = 1;
    public float WeightDecay { get; init; }

    public int Count => Rows * Columns;

    public float[] Master(int seed) => Samples.Normal(seed, Count);

    public float[] Gradient(int seed) => Samples.Normal(seed + 1000, Count, 0.1);

    public float[] FirstMoment(int seed) => Samples.Normal(seed + 2000, Count, 0.05);

    /// <summary>Positive, as squares are.</summary>
    public float[] SecondMoment(int seed, int count) => [.. Samples.Normal(seed + 3000, count, 0.1).Select(x => x * x + 1e-4f)];
}

/// <summary>Tensors with their optimizer state, and the records that name them, in device memory.</summary>
internal sealed class OptimizerTensors : IDisposable
{
    private readonly Device _device;
    private readonly TensorSpec[] _specs;
    private readonly List<DeviceBuffer> _all = [];
    private readonly DeviceBuffer[] _masters, _gradients, _firsts, _seconds, _rows, _columns;
    private readonly DeviceBuffer?[] _shadows;
    private readonly DeviceBuffer _records;

    public OptimizerTensors(Device device, TensorSpec[] specs, bool zeroState = false)
    {
        _device = device;
        _specs = specs;
        Records = new OptimizerTensor[specs.Length];
        float[] State(float[] values) => zeroState ? new float[values.Length] : values;
        _masters = Each((spec, i) => Buffer(spec.Master(i)));
        _gradients = Each((spec, i) => Buffer(spec.Gradient(i)));
        _firsts = Each((spec, i) => Buffer(State(spec.FirstMoment(i))));
        _seconds = Each((spec, i) => Buffer(State(spec.SecondMoment(i, spec.Factored ? 0 : spec.Count))));
        _rows = Each((spec, i) => Buffer(State(spec.SecondMoment(i, spec.Factored ? spec.Rows : 0))));
        _columns = Each((spec, i) => Buffer(State(spec.SecondMoment(i + 1, spec.Factored ? spec.Columns : 0))));
        _shadows = [.. specs.Select(spec => spec.Shadow == DType.None ? null : Keep(new DeviceBuffer(device, 1, spec.Count, spec.Shadow)))];
        for (int i = 0; i < specs.Length; i++)
        {
            Records[i] = new OptimizerTensor
            {
                Master = _masters[i].Address,
                Shadow = _shadows[i]?.Address ?? 0,
                Gradient = _gradients[i].Address,
                FirstMoment = _firsts[i].Address,
                SecondMoment = specs[i].Factored ? 0 : _seconds[i].Address,
                SecondMomentRow = specs[i].Factored ? _rows[i].Address : 0,
                SecondMomentColumn = specs[i].Factored ? _columns[i].Address : 0,
                Count = specs[i].Count,
                Rows = specs[i].Rows,
                Columns = specs[i].Columns,
                LearningRateScale = specs[i].LearningRateScale,
                WeightDecay = specs[i].WeightDecay,
                ShadowDType = specs[i].Shadow,
            };
        }
        _records = Keep(new DeviceBuffer(device, 1, MemoryMarshal.AsBytes<OptimizerTensor>(Records).Length, DType.UInt8));
        UploadRecords();
    }

    public OptimizerTensor[] Records { get; }

    public nint Address => _records.Address;

    public int Length => _specs.Length;

    /// <summary>Takes over what was changed in <see cref="Records"/>.</summary>
    public void UploadRecords() => _records.Upload<byte>(MemoryMarshal.AsBytes<OptimizerTensor>(Records));

    public void UploadGradient(int tensor, float[] values) => _gradients[tensor].Upload<float>(values);

    public void UploadMaster(int tensor, float[] values) => _masters[tensor].Upload<float>(values);

    public void UploadMoments(int tensor, float[] first, float[] second)
    {
        _firsts[tensor].Upload<float>(first);
        _seconds[tensor].Upload<float>(second);
    }

    public float[] Master(int tensor) => _masters[tensor].Download();

    /// <summary>Everything that an optimizer may write; shadows as float32.</summary>
    public Dictionary<string, float[]> Download()
    {
        var results = new Dictionary<string, float[]>();
        for (int i = 0; i < _specs.Length; i++)
        {
            results[$"master {i}"] = _masters[i].Download();
            results[$"first moment {i}"] = _firsts[i].Download();
            results[$"second moment {i}"] = _seconds[i].Download();
            results[$"row means {i}"] = _rows[i].Download();
            results[$"column means {i}"] = _columns[i].Download();
            _gradients[i].CheckGuards();
        }
        _records.CheckGuards();
        return results;
    }

    /// <summary>A shadow, element by element as float32; null where the tensor has none.</summary>
    public float[]? Shadow(int tensor) => _specs[tensor].Shadow switch
    {
        DType.BFloat16 => [.. _shadows[tensor]!.Download<BFloat16>().Select(x => (float)x)],
        DType.Float16 => [.. _shadows[tensor]!.Download<Half>().Select(x => (float)x)],
        DType.Float32 => _shadows[tensor]!.Download(),
        _ => null,
    };

    /// <summary>Throws unless every shadow is its master, rounded to nearest even.</summary>
    public void CheckShadows()
    {
        for (int i = 0; i < _specs.Length; i++)
        {
            if (Shadow(i) is not { } shadow) continue;
            float[] expected = [.. Master(i).Select(x => _specs[i].Shadow == DType.BFloat16 ? (float)(BFloat16)x : _specs[i].Shadow == DType.Float16 ? (float)(Half)x : x)];
            Agreement.CheckBitwise($"shadow {i}", shadow, expected);
        }
    }

    public void Dispose()
    {
        foreach (DeviceBuffer buffer in _all) buffer.Dispose();
    }

    private DeviceBuffer[] Each(Func<TensorSpec, int, DeviceBuffer> make) => [.. _specs.Select(make)];

    private DeviceBuffer Buffer(float[] values) => Keep(DeviceBuffer.From<float>(_device, values, 1, values.Length));

    private DeviceBuffer Keep(DeviceBuffer buffer)
    {
        _all.Add(buffer);
        return buffer;
    }
}
