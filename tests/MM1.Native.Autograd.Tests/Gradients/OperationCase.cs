using MM1.Native.Kernels;
using MM1.Native.TestSupport;

namespace MM1.Native.Autograd.Tests;

/// <summary>An operation to prove: the shapes of its differentiable inputs, and how it is called.</summary>
internal sealed record OperationCase(string Name, Shape[] Inputs, Func<CaseContext, Tensor[], Tensor[]> Run)
{
    /// <summary>Changes the sample values of an input, where the operation wants them in some range.</summary>
    public Func<int, float, float> Adjust { get; init; } = (_, value) => value;

    public OperationCase(string name, Shape[] inputs, Func<CaseContext, Tensor[], Tensor> run)
        : this(name, inputs, (context, tensors) => [run(context, tensors)]) { }

    /// <summary>Values on a grid of 1/1024, so that steps of 1/64 and 1/128 from them are exact in float32.</summary>
    public float[] Values(int input)
    {
        float[] values = Samples.Normal(100 + input, Inputs[input].Elements);
        for (int i = 0; i < values.Length; i++) values[i] = Adjust(input, MathF.Round(Math.Clamp(values[i], -3, 3) * 1024) / 1024);
        return values;
    }

    public override string ToString() => Name;
}

/// <summary>A device and the tables that cases need on it.</summary>
internal sealed class CaseContext(string device) : IDisposable
{
    private readonly List<RotaryTable> _tables = [];

    public Device Device { get; } = TestDevices.Open(device);

    public RotaryTable Rotary(long size, RotaryStyle style = RotaryStyle.Half)
    {
        RotaryTable? table = _tables.Find(candidate => candidate.RotarySize == size && candidate.Style == style);
        if (table is null) _tables.Add(table = new RotaryTable(Device, 32, size, 100, style));
        return table;
    }

    public void Dispose()
    {
        foreach (RotaryTable table in _tables) table.Dispose();
        Device.Dispose();
    }
}
