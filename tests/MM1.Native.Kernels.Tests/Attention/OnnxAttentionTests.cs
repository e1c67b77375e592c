using System.Text.Json;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Attention;

/// <summary>The operator vectors of the ONNX standard (operator Attention) that the contract covers.</summary>
public sealed class OnnxAttentionTests
{
    private const string File = "tensors/onnx_ops/attention.jsonl";

    /// <summary>
    /// Left out: arbitrary masks (attn_mask), soft caps, float16, a value head size of its own, head sizes that are no multiple of
    /// eight, graphs of several nodes, and causal masks aligned to the upper left, which differ from ours when there are more keys than queries.
    /// </summary>
    [Fact]
    public void CoveredCasesAgree()
    {
        string? path = TestData.TryPath(File);
        if (path is null) Assert.Skip(TestData.Missing(File));
        int covered = 0, leftOut = 0, decoded = 0;
        using var device = Device.Parse("cpu", new DeviceOptions { Threads = 2, PinThreads = false });
        foreach (string line in System.IO.File.ReadLines(path).Where(line => line.Length > 0))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            Node node = Node.Read(document.RootElement);
            AttentionCase? attention = Convert(node);
            if (attention is null)
            {
                leftOut++;
                continue;
            }
            covered++;
            double[] expected = Samples.As<double>(Rows(node.Output, attention.Shape.Heads));
            double[] exact = AttentionReference.Forward(attention.Shape, Samples.As<double>(attention.Query), Samples.As<double>(attention.Key), Samples.As<double>(attention.Value)).Output;
            for (int i = 0; i < expected.Length; i++) Assert.True(Math.Abs(exact[i] - expected[i]) < 3e-7, $"{node.Name}: the reference gives {exact[i]}, ONNX {expected[i]} at {i}.");
            float[] plain = AttentionReference.Forward(attention.Shape, attention.Query, attention.Key, attention.Value).Output;
            using var operands = new AttentionOperands(attention, device);
            Agreement.Check(node.Name, operands.Run().Output, exact, plain);
            if (node.KeyLengths is null) continue;
            decoded++;
            Agreement.Check(node.Name + ", decoded", Decode(device, node, attention), exact, plain);
        }
        // Exact, so that a change of the file or of the rules above cannot quietly run less.
        Assert.Equal((11, 40, 3), (covered, leftOut, decoded));
    }

    private static AttentionCase? Convert(Node node)
    {
        Tensor query = node.Inputs["Q"], key = node.Inputs["K"], value = node.Inputs["V"];
        if (node.Several || node.Inputs.ContainsKey("attn_mask") || node.SoftCap || query.DType != "float32") return null;
        int heads = query.Heads(node.Heads), keyHeads = key.Heads(node.KeyHeads), headSize = query.HeadSize(heads);
        if (headSize % 8 != 0 || value.HeadSize(keyHeads) != headSize) return null;
        int batch = query.Shape[0], queries = query.Tokens, keys = key.Tokens, past = node.Inputs.TryGetValue("past_key", out Tensor? pastKey) ? pastKey.Tokens : 0;
        if (node.Causal && node.KeyLengths is null && queries != keys) return null;
        int[] lengths = node.KeyLengths ?? Enumerable.Repeat(past + keys, batch).ToArray();
        return AttentionCase.Of(node.Name, node.Causal ? AttentionMask.Causal : AttentionMask.Full, Enumerable.Repeat(queries, batch).ToArray(), lengths, heads, keyHeads, headSize) is var attention
            ? attention with
            {
                Shape = attention.Shape with { Scale = node.Scale ?? attention.Shape.Scale },
                Query = Rows(query, heads),
                Key = Concatenate("past_key", key),
                Value = Concatenate("past_value", value),
            }
            : null;

        // Rows of all sequences: the past, then the new ones, cut to the length.
        float[] Concatenate(string pastName, Tensor now)
        {
            float[] rows = Rows(now, keyHeads), before = past == 0 ? [] : Rows(node.Inputs[pastName], keyHeads);
            int columns = keyHeads * headSize;
            var joined = new List<float>();
            for (int sequence = 0; sequence < batch; sequence++)
            {
                IEnumerable<float> all = before.Skip(sequence * past * columns).Take(past * columns).Concat(rows.Skip(sequence * keys * columns).Take(keys * columns));
                joined.AddRange(all.Take(lengths[sequence] * columns));
            }
            return [.. joined];
        }
    }

    private static float[] Decode(Device device, Node node, AttentionCase attention)
    {
        AttentionShape shape = attention.Shape;
        int batch = shape.Documents, columns = shape.Heads * shape.HeadSize, keyColumns = shape.KeyValueHeads * shape.HeadSize, capacity = node.Inputs["K"].Tokens;
        using DeviceBuffer query = DeviceBuffer.From<float>(device, attention.Query, shape.QueryTokens, columns), output = new(device, shape.QueryTokens, columns);
        using DeviceBuffer keys = DeviceBuffer.From<float>(device, Rows(node.Inputs["K"], shape.KeyValueHeads), batch * capacity, keyColumns);
        using DeviceBuffer values = DeviceBuffer.From<float>(device, Rows(node.Inputs["V"], shape.KeyValueHeads), batch * capacity, keyColumns);
        using DeviceBuffer lengths = DeviceBuffer.From<int>(device, node.KeyLengths!, 1, batch);
        var args = new FlashAttentionDecodeArgs
        {
            Batch = batch,
            QueryLength = shape.QueryTokens / batch,
            Heads = shape.Heads,
            KeyValueHeads = shape.KeyValueHeads,
            HeadSize = shape.HeadSize,
            MaxLength = capacity,
            Lengths = lengths.Address,
            Query = query,
            KeyCache = keys,
            ValueCache = values,
            Output = output,
            Scale = shape.Scale,
        };
        device.Kernels.FlashAttentionDecode(device.Launch(device.Kernels.FlashAttentionDecodeWorkspaceBytes(args)), args);
        return output.Download();
    }

    /// <summary>[batch, heads, tokens, size] as [batch, tokens, heads, size]; three dimensions are so already.</summary>
    private static float[] Rows(Tensor tensor, int heads)
    {
        if (tensor.Shape.Length == 3) return tensor.Data;
        int tokens = tensor.Tokens, size = tensor.Shape[3];
        var rows = new float[tensor.Data.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            int column = i % size, token = i / size % tokens, head = i / (size * tokens) % heads, sequence = i / (size * tokens * heads);
            rows[((sequence * tokens + token) * heads + head) * size + column] = tensor.Data[i];
        }
        return rows;
    }

    private sealed record Tensor(string DType, int[] Shape, float[] Data)
    {
        public int Tokens => Shape.Length == 3 ? Shape[1] : Shape[2];
        public int Heads(int named) => Shape.Length == 3 ? named : Shape[1];
        public int HeadSize(int heads) => Shape.Length == 3 ? Shape[2] / heads : Shape[3];

        public static Tensor Read(JsonElement tensor) => new(tensor.GetProperty("dtype").GetString()!,
            [.. tensor.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt32())],
            [.. tensor.GetProperty("data").EnumerateArray().Select(value => value.ValueKind == JsonValueKind.Number ? value.GetSingle() : float.NaN)]);
    }

    private sealed record Node(string Name, bool Several, bool Causal, bool SoftCap, float? Scale, int Heads, int KeyHeads, Dictionary<string, Tensor> Inputs, int[]? KeyLengths, Tensor Output)
    {
        public static Node Read(JsonElement test)
        {
            JsonElement nodes = test.GetProperty("nodes"), attributes = nodes[0].GetProperty("attributes");
            Dictionary<string, Tensor> inputs = test.GetProperty("inputs").EnumerateArray().ToDictionary(tensor => tensor.GetProperty("name").GetString()!, Tensor.Read);
            return new Node(test.GetProperty("test").GetString()!, nodes.GetArrayLength() > 1 || nodes[0].GetProperty("op_type").GetString() != "Attention",
                attributes.TryGetProperty("is_causal", out JsonElement causal) && causal.GetInt32() != 0,
                attributes.TryGetProperty("softcap", out JsonElement cap) && cap.GetDouble() != 0,
                attributes.TryGetProperty("scale", out JsonElement scale) ? scale.GetSingle() : null,
                attributes.TryGetProperty("q_num_heads", out JsonElement heads) ? heads.GetInt32() : 0,
                attributes.TryGetProperty("kv_num_heads", out JsonElement keyHeads) ? keyHeads.GetInt32() : 0,
                inputs, inputs.TryGetValue("nonpad_kv_seqlen", out Tensor? lengths) ? [.. lengths.Data.Select(length => (int)length)] : null,
                Tensor.Read(test.GetProperty("outputs")[0]));
        }
    }
}
