using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>Outputs that AXLearn, the code base MM1 was trained in, checked against Hugging Face's models (apple/axlearn testdata).</summary>
public sealed class AxlearnTests
{
    private const double Tolerance = 1e-5;

    public static TheoryData<string> Devices() => [.. TestDevices.Names];

    [Theory, MemberData(nameof(Devices))]
    public void CausalLanguageModel(string deviceName)
    {
        using AxlearnFile file = AxlearnFile.Open("axlearn_causal_lm_test", "test_against_hf_gpt2_lm/");
        using Device device = TestDevices.Open(deviceName);
        // Its heads have 4 elements; ours are multiples of 8, so rows of zero fill them up, and the scale goes into the query.
        using var model = new DecoderModel(new DecoderConfig
        {
            Layers = 2,
            Width = 16,
            Heads = 4,
            HeadSize = 8,
            Hidden = 64,
            Vocabulary = 24,
            MaxPositions = 11,
            Norm = NormKind.Layer,
            Position = PositionKind.Learned,
            Mlp = MlpKind.GeluTanh,
            Bias = true,
            QueryKeyNorm = false,
        });
        model.Build(device, 1);
        ParameterList parameters = model.Parameters();
        parameters["token_embedding.weight"].Load(file["params/decoder/emb/token_emb/weight"]);
        parameters["position_embedding.weight"].Load(file["params/decoder/emb/pos_emb/weight"]);
        LoadNorm(parameters, "norm", file, "params/decoder/output_norm");
        for (int i = 0; i < 2; i++)
        {
            string source = $"params/decoder/transformer/layer{i}", target = $"layers.{i}";
            LoadNorm(parameters, target + ".attention_norm", file, source + "/self_attention/norm");
            LoadNorm(parameters, target + ".mlp_norm", file, source + "/feed_forward/norm");
            LoadAttention(parameters, target + ".attention", file, source + "/self_attention/attention", source + "/self_attention/attention/i_proj", 16, 4, 4, 8);
            parameters[target + ".mlp.fc1.weight"].Load(Transpose(file[source + "/feed_forward/linear1/weight"], 16, 64));
            parameters[target + ".mlp.fc1.bias"].Load(file[source + "/feed_forward/linear1/bias"]);
            parameters[target + ".mlp.fc2.weight"].Load(Transpose(file[source + "/feed_forward/linear2/weight"], 64, 16));
            parameters[target + ".mlp.fc2.bias"].Load(file[source + "/feed_forward/linear2/bias"]);
        }
        using (device.BeginInference())
        {
            Tensor ids = Tensor.From(file.Read<long>("inputs/input_ids"), [33]);
            Tensor positions = Tensor.From(Enumerable.Range(0, 33).Select(i => i % 11).ToArray(), [33]);
            Tensor hidden = model.Forward(model.Embed(ids), positions, AttentionLayout.Uniform(3, 11));
            Check(file["outputs/logits"], model.Logits(hidden).ToArray());
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void LlamaAttention(string deviceName)
    {
        using AxlearnFile file = AxlearnFile.Open("axlearn_attention_test", "test_llama_attention/");
        using Device device = TestDevices.Open(deviceName);
        using var attention = new Attention(new AttentionOptions { Width = 32, Heads = 4 });
        attention.Build(device, 1);
        attention.Qkv.Weight.Load([.. file["params/wq"], .. file["params/wk"], .. file["params/wv"]]);
        attention.Output.Weight.Load(file["params/wo"]);
        using var rotary = new RotaryTable(device, 100, 8, style: RotaryStyle.Interleaved);
        using (device.BeginInference())
        {
            Tensor positions = Tensor.From(Enumerable.Range(0, 400).Select(i => i % 100).ToArray(), [400]);
            Tensor output = attention.Forward(Tensor.From(file["inputs/x"], [400, 32]), AttentionLayout.Uniform(4, 100, AttentionMask.Full), rotary, positions);
            Check(file["outputs/data"], output.ToArray());
        }
    }

    /// <summary>RoFormer's layer: attention with interleaved rotary positions, then norm(x + attention(x)).</summary>
    [Theory, MemberData(nameof(Devices))]
    public void RotarySelfAttention(string deviceName)
    {
        using AxlearnFile file = AxlearnFile.Open("axlearn_attention_test", "test_rope_self_attention_rvFalse_opTrue/");
        using Device device = TestDevices.Open(deviceName);
        using var attention = new Attention(new AttentionOptions { Width = 32, Heads = 4, Bias = true });
        attention.Build(device, 1);
        ParameterList parameters = attention.Parameters();
        LoadAttention(parameters, "", file, "params/attention", "params/attention/i_proj/i_proj", 32, 4, 8, 8);
        using var rotary = new RotaryTable(device, 1024, 8, style: RotaryStyle.Interleaved);
        using (device.BeginInference())
        {
            Tensor x = Tensor.From(file["inputs/target"], [24, 32]), positions = Tensor.From(file.Read<int>("inputs/positions"), [24]);
            Tensor sum = attention.Forward(x, AttentionLayout.Uniform(2, 12, AttentionMask.Full), rotary, positions, residual: x);
            Tensor scale = Tensor.From(file["params/norm/scale"], [32]), bias = Tensor.From(file["params/norm/bias"], [32]);
            Check(file["outputs/data"], Functional.LayerNorm(sum, scale, bias, 1e-12f).ToArray());
        }
    }

    /// <summary>BERT: post-norm blocks, put together from this project's layers.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void BertEncoder(string deviceName)
    {
        using AxlearnFile file = AxlearnFile.Open("axlearn_encoder_test", "test_against_hf_encoder/");
        using Device device = TestDevices.Open(deviceName);
        const string Embeddings = "params/encoder/emb";
        float[] type = file[Embeddings + "/type_emb/weight"];
        using (device.BeginInference())
        {
            Tensor tokens = Functional.Embedding(Tensor.From(file.Read<long>("inputs/input_ids"), [33]), Tensor.From(file[Embeddings + "/token_emb/weight"], [24, 12]));
            Tensor x = Functional.Add(Functional.Add(Functional.Reshape(tokens, [3, 11, 12]), Tensor.From(file[Embeddings + "/pos_emb/weight"], [11, 12])), Tensor.From(type, [12]));
            x = Normalize(Functional.Reshape(x, [33, 12]), Embeddings);
            for (int i = 0; i < 2; i++)
            {
                string source = $"params/encoder/transformer/layer{i}";
                using var attention = new Attention(new AttentionOptions { Width = 12, Heads = 4, HeadSize = 8, Bias = true });
                using var mlp = new Mlp(12, 48);
                attention.Build(device, 1);
                mlp.Build(device, 1);
                LoadAttention(attention.Parameters(), "", file, source + "/self_attention/attention", source + "/self_attention/attention/i_proj", 12, 4, 3, 8);
                mlp.First.Weight.Load(Transpose(file[source + "/feed_forward/linear1/weight"], 12, 48));
                mlp.First.Bias!.Load(file[source + "/feed_forward/linear1/bias"]);
                mlp.Second.Weight.Load(Transpose(file[source + "/feed_forward/linear2/weight"], 48, 12));
                mlp.Second.Bias!.Load(file[source + "/feed_forward/linear2/bias"]);
                x = Normalize(attention.Forward(x, AttentionLayout.Uniform(3, 11, AttentionMask.Full), residual: x), source + "/self_attention");
                x = Normalize(mlp.Forward(x, x), source + "/feed_forward");
            }
            Check(file["outputs/last_hidden_state"], x.ToArray());
        }

        Tensor Normalize(Tensor x, string source) =>
            Functional.LayerNorm(x, Tensor.From(file[source + "/norm/scale"], [12]), Tensor.From(file[source + "/norm/bias"], [12]), 1e-5f);
    }

    private static void Check(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.True(Math.Abs(expected[i] - actual[i]) <= Tolerance, $"[{i}] is {actual[i]}, AXLearn gives {expected[i]}");
    }

    private static void LoadNorm(ParameterList parameters, string target, AxlearnFile file, string source)
    {
        parameters[target + ".weight"].Load(file[source + "/scale"]);
        parameters[target + ".bias"].Load(file[source + "/bias"]);
    }

    /// <summary>AXLearn's projections are [width, heads, size]; ours [heads * padded, width] with queries times sqrt(padded / size).</summary>
    private static void LoadAttention(ParameterList parameters, string target, AxlearnFile file, string source, string input, int width, int heads, int size, int padded)
    {
        string prefix = target.Length == 0 ? "" : target + ".";
        int rows = heads * padded;
        float[] weight = new float[3 * rows * width], bias = new float[3 * rows], output = new float[width * rows];
        for (int part = 0; part < 3; part++)
        {
            string name = $"{input}/{"qkv"[part]}_proj";
            float[] w = file[name + "/weight"], b = file[name + "/bias"], o = file[source + "/o_proj/weight"];
            float scale = part == 0 ? (float)Math.Sqrt(padded / (double)size) : 1;
            for (int h = 0; h < heads; h++)
            {
                for (int j = 0; j < size; j++)
                {
                    int row = part * rows + h * padded + j;
                    bias[row] = scale * b[h * size + j];
                    for (int c = 0; c < width; c++)
                    {
                        weight[row * width + c] = scale * w[(c * heads + h) * size + j];
                        output[c * rows + h * padded + j] = o[(c * heads + h) * size + j];
                    }
                }
            }
        }
        parameters[prefix + "qkv.weight"].Load(weight);
        parameters[prefix + "qkv.bias"].Load(bias);
        parameters[prefix + "output.weight"].Load(output);
        parameters[prefix + "output.bias"].Load(file[source + "/o_proj/bias"]);
    }

    private static float[] Transpose(float[] values, int rows, int columns)
    {
        var result = new float[values.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j];
        }
        return result;
    }

    private sealed class AxlearnFile : IDisposable
    {
        private readonly SafeTensorsFile _file;
        private readonly string _prefix;

        private AxlearnFile(SafeTensorsFile file, string prefix) => (_file, _prefix) = (file, prefix);

        public float[] this[string name] => Read<float>(name);

        public static AxlearnFile Open(string name, string prefix)
        {
            string relative = $"tensors/axlearn/{name}.safetensors";
            string? path = TestData.TryPath(relative);
            if (path is null) Assert.Skip(TestData.Missing(relative));
            return new AxlearnFile(SafeTensorsFile.Open(path!), prefix);
        }

        public T[] Read<T>(string name) where T : unmanaged => _file.Read<T>(_file.Find(_prefix + name) ?? throw new KeyNotFoundException(name));

        public void Dispose() => _file.Dispose();
    }
}
