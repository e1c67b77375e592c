using System.Globalization;
using System.Text.Json;
using MM1.Native.Kernels;

namespace MM1.Native.TestSupport;

/// <summary>One operator test of the ONNX standard: a graph of one node (or a few), its inputs and the outputs it must give.</summary>
public sealed class OnnxCase
{
    private readonly JsonElement _attributes;

    internal OnnxCase(JsonElement test)
    {
        Name = test.GetProperty("test").GetString()!;
        JsonElement[] nodes = [.. test.GetProperty("nodes").EnumerateArray()];
        NodeCount = nodes.Length;
        Operator = nodes[0].GetProperty("op_type").GetString()!;
        _attributes = nodes[0].GetProperty("attributes");
        NodeInputs = [.. nodes[0].GetProperty("inputs").EnumerateArray().Select(name => name.GetString()!)];
        NodeOutputs = [.. nodes[0].GetProperty("outputs").EnumerateArray().Select(name => name.GetString()!)];
        Inputs = test.GetProperty("inputs").EnumerateArray().Select(tensor => new OnnxTensor(tensor)).ToDictionary(tensor => tensor.Name);
        Outputs = test.GetProperty("outputs").EnumerateArray().Select(tensor => new OnnxTensor(tensor)).ToDictionary(tensor => tensor.Name);
    }

    /// <summary>ONNX's name of the test.</summary>
    public string Name { get; }

    /// <summary>Nodes of the graph; the members here describe the first.</summary>
    public int NodeCount { get; }

    /// <summary>The node's operator, for example <c>Softmax</c>.</summary>
    public string Operator { get; }

    /// <summary>Names of the node's inputs in the operator's order; empty where an optional one is left out.</summary>
    public IReadOnlyList<string> NodeInputs { get; }

    /// <summary>Names of the node's outputs in the operator's order; empty where an optional one is left out.</summary>
    public IReadOnlyList<string> NodeOutputs { get; }

    /// <summary>Input tensors by name.</summary>
    public IReadOnlyDictionary<string, OnnxTensor> Inputs { get; }

    /// <summary>Expected tensors by name.</summary>
    public IReadOnlyDictionary<string, OnnxTensor> Outputs { get; }

    /// <summary>The operator's input at this place, or null where it is left out.</summary>
    public OnnxTensor? Input(int place) =>
        place < NodeInputs.Count && NodeInputs[place].Length > 0 ? Inputs[NodeInputs[place]] : null;

    /// <summary>The operator's expected output at this place, or null where it is left out.</summary>
    public OnnxTensor? Output(int place) =>
        place < NodeOutputs.Count && NodeOutputs[place].Length > 0 ? Outputs[NodeOutputs[place]] : null;

    public bool Has(string attribute) => _attributes.TryGetProperty(attribute, out _);

    public long Integer(string attribute, long otherwise) => _attributes.TryGetProperty(attribute, out JsonElement value) ? value.GetInt64() : otherwise;

    public double Number(string attribute, double otherwise) => _attributes.TryGetProperty(attribute, out JsonElement value) ? value.GetDouble() : otherwise;

    public string Text(string attribute, string otherwise) => _attributes.TryGetProperty(attribute, out JsonElement value) ? value.GetString()! : otherwise;

    public long[] Integers(string attribute) =>
        _attributes.TryGetProperty(attribute, out JsonElement value) ? [.. value.EnumerateArray().Select(item => item.GetInt64())] : [];

    public override string ToString() => Name;
}

/// <summary>A tensor of an operator test.</summary>
public sealed class OnnxTensor
{
    internal OnnxTensor(JsonElement tensor)
    {
        Name = tensor.GetProperty("name").GetString()!;
        DTypeName = tensor.GetProperty("dtype").GetString()!;
        Shape = [.. tensor.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt64())];
        Values = [.. tensor.GetProperty("data").EnumerateArray().Select(Value)];
        if (Values.Length != Count) throw new InvalidDataException($"Tensor '{Name}' has {Values.Length} values for shape [{string.Join(", ", Shape)}].");
    }

    public string Name { get; }

    /// <summary>As in the file: <c>float32</c>, <c>int64</c>, <c>bfloat16</c>, <c>bool</c>...</summary>
    public string DTypeName { get; }

    /// <summary>The storage type, or <see cref="Kernels.DType.None"/> where the engine has none (uint64...).</summary>
    public DType DType => DTypeName switch
    {
        "float64" => DType.Float64,
        "float32" => DType.Float32,
        "bfloat16" => DType.BFloat16,
        "float16" => DType.Float16,
        "int64" => DType.Int64,
        "int32" => DType.Int32,
        "uint8" => DType.UInt8,
        "bool" => DType.Bool,
        _ => DType.None,
    };

    public long[] Shape { get; }

    public long Count
    {
        get
        {
            long count = 1;
            foreach (long extent in Shape) count *= extent;
            return count;
        }
    }

    /// <summary>All values, row-major. Exact for every dtype but integers beyond 2^53.</summary>
    public double[] Values { get; }

    public float[] Floats() => [.. Values.Select(value => (float)value)];

    public int[] Integers() => [.. Values.Select(value => checked((int)value))];

    /// <summary>Product of the extents in [begin, end) of the shape: rows before an axis, columns after it.</summary>
    public long Extent(int begin, int end)
    {
        long count = 1;
        for (int i = begin; i < end; i++) count *= Shape[i];
        return count;
    }

    private static double Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.String => value.GetString() switch
        {
            "NaN" => double.NaN,
            "Infinity" or "inf" => double.PositiveInfinity,
            "-Infinity" or "-inf" => double.NegativeInfinity,
            string text => double.Parse(text, CultureInfo.InvariantCulture),
            null => throw new InvalidDataException("A null where a number is expected."),
        },
        _ => throw new InvalidDataException($"A {value.ValueKind} where a number is expected."),
    };
}

/// <summary>Reader of the operator vectors (<c>tensors/onnx_ops/*.jsonl</c> of the test data).</summary>
public static class OnnxCases
{
    /// <summary>Path of a file of vectors below the test data, by family: <c>softmax</c>, <c>attention</c>...</summary>
    public static string PathOf(string family) => $"tensors/onnx_ops/{family}.jsonl";

    /// <summary>All tests of a family, or null where the data is not on this machine.</summary>
    public static IReadOnlyList<OnnxCase>? TryRead(string family)
    {
        string? path = TestData.TryPath(PathOf(family));
        if (path is null) return null;
        var cases = new List<OnnxCase>();
        foreach (string line in File.ReadLines(path))
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            using JsonDocument document = JsonDocument.Parse(line);
            cases.Add(new OnnxCase(document.RootElement.Clone()));
        }
        return cases;
    }
}
