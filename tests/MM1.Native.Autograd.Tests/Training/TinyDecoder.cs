using MM1.Native.Kernels;

namespace MM1.Native.Autograd.Tests;

/// <summary>Sizes of <see cref="TinyDecoder"/>.</summary>
internal sealed record TinyConfig(int Vocabulary = 16, int Width = 32, int Layers = 2, int Heads = 4, int Hidden = 64, int Sequence = 17, bool Extra = false);

/// <summary>A decoder: embedding, RMSNorm, rotary attention, SwiGLU, a head of its own.</summary>
internal sealed class TinyDecoder : Module
{
    private readonly TinyConfig _config;
    private readonly Embedding _embedding;
    private readonly Block[] _blocks;
    private readonly RmsNorm _norm;
    private readonly Linear _head;
    private RotaryTable? _rotary;

    public TinyDecoder(TinyConfig config, Device device, ulong seed, DType shadow = DType.None)
    {
        _config = config;
        if (config.Extra) AddChild("extra", new Mlp(8, 16));
        _embedding = AddChild("embedding", new Embedding(config.Vocabulary, config.Width, Initializer.Normal(1)));
        _blocks = AddChildren("layers", config.Layers, _ => new Block(config));
        _norm = AddChild("norm", new RmsNorm(config.Width));
        _head = AddChild("head", new Linear(config.Width, config.Vocabulary, bias: false));
        Build(device, seed, shadow);
    }

    /// <summary>Logits of sequences of the configured length, one after the other.</summary>
    public Tensor Forward(Tensor tokens)
    {
        Tensor positions = Tensor.From(Enumerable.Range(0, (int)tokens.Elements).Select(i => i % _config.Sequence).ToArray(), [tokens.Elements]);
        AttentionLayout layout = AttentionLayout.Uniform(tokens.Elements / _config.Sequence, _config.Sequence);
        Tensor x = _embedding.Forward(tokens);
        foreach (Block block in _blocks) x = block.Forward(x, layout, _rotary!, positions);
        return _head.Forward(_norm.Forward(x));
    }

    protected override void OnBuilt(Device device) => _rotary = new RotaryTable(device, _config.Sequence, _config.Width / _config.Heads);

    protected override void Dispose(bool disposing)
    {
        if (disposing) _rotary?.Dispose();
        base.Dispose(disposing);
    }

    private sealed class Block : Module
    {
        private readonly RmsNorm _attentionNorm, _mlpNorm;
        private readonly Attention _attention;
        private readonly SwiGluMlp _mlp;

        public Block(TinyConfig config)
        {
            _attentionNorm = AddChild("attention_norm", new RmsNorm(config.Width));
            _attention = AddChild("attention", new Attention(new AttentionOptions { Width = config.Width, Heads = config.Heads }));
            _mlpNorm = AddChild("mlp_norm", new RmsNorm(config.Width));
            _mlp = AddChild("mlp", new SwiGluMlp(config.Width, config.Hidden));
        }

        public Tensor Forward(Tensor x, AttentionLayout layout, RotaryTable rotary, Tensor positions)
        {
            Tensor mixed = _attention.Forward(_attentionNorm.Forward(x), layout, rotary, positions);
            (Tensor sum, Tensor normalized) = _mlpNorm.Forward(mixed, x);
            return _mlp.Forward(normalized, sum);
        }
    }
}

/// <summary>The copy task: random tokens, a separator, the same tokens again; the second half counts.</summary>
internal static class CopyTask
{
    public static (int[] Tokens, int[] Targets) Batch(TinyConfig config, int seed, int count)
    {
        var random = new Random(seed);
        int half = (config.Sequence - 1) / 2;
        int[] tokens = new int[count * config.Sequence], targets = new int[tokens.Length];
        Array.Fill(targets, Loss.IgnoreIndex);
        for (int b = 0; b < count; b++)
        {
            int start = b * config.Sequence;
            for (int i = 0; i < half; i++) tokens[start + i] = tokens[start + half + 1 + i] = 1 + random.Next(config.Vocabulary - 1);
            for (int i = 0; i < half; i++) targets[start + half + i] = tokens[start + half + 1 + i];
        }
        return (tokens, targets);
    }
}
