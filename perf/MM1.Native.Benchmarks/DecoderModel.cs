using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Benchmarks;

/// <summary>Sizes of the benchmark's decoder.</summary>
internal sealed record DecoderConfig(int Layers = 6, int Width = 256, int Heads = 8, int Hidden = 704, int Sequence = 512, int Batch = 4, int Vocabulary = 512)
{
    /// <summary>The sizes that <c>--model</c> names: <c>small</c>, the default, and <c>302m</c>, the paper's 302M decoder on eight sequences of 2048 tokens.</summary>
    public static DecoderConfig Named(string name) => name switch
    {
        "small" => new DecoderConfig(),
        "302m" => new DecoderConfig(Layers: 24, Width: 1024, Heads: 16, Hidden: 2736, Sequence: 2048, Batch: 8, Vocabulary: 32768),
        _ => throw new ArgumentException($"--model is '{name}'; it is small or 302m."),
    };

    /// <summary>
    /// Floating-point operations of one training step, as in the field: 2 per weight and token of every matrix product, causal
    /// attention counted half, backward twice the forward.
    /// </summary>
    public double FlopsPerStep
    {
        get
        {
            double tokens = (double)Batch * Sequence;
            double weights = Layers * ((double)Width * 3 * Width + (double)Width * Width + 3.0 * Width * Hidden) + (double)Vocabulary * Width;
            double attention = Layers * 4.0 * Batch * Sequence * Sequence * Width / 2;
            return 3 * (2 * tokens * weights + attention);
        }
    }
}

/// <summary>A plain decoder: RMSNorm, rotary attention, SwiGLU, no biases, an untied head.</summary>
internal sealed class DecoderModel : Module
{
    private readonly DecoderConfig _config;
    private readonly Embedding _embedding;
    private readonly Block[] _blocks;
    private readonly RmsNorm _norm;
    private readonly Linear _head;
    private RotaryTable? _rotary;

    public DecoderModel(DecoderConfig config, Device device, ulong seed, DType shadow = DType.None)
    {
        _config = config;
        _embedding = AddChild("embedding", new Embedding(config.Vocabulary, config.Width));
        _blocks = AddChildren("layers", config.Layers, _ => new Block(config));
        _norm = AddChild("norm", new RmsNorm(config.Width));
        _head = AddChild("head", new Linear(config.Width, config.Vocabulary, bias: false));
        Build(device, seed, shadow);
    }

    public Tensor Forward(Tensor tokens, Tensor positions) => _head.Forward(Hidden(tokens, positions));

    /// <summary>Mean cross-entropy, logits made in chunks, as a training run computes it.</summary>
    public Tensor Loss(Tensor tokens, Tensor positions, Tensor targets) => Autograd.Loss.LinearCrossEntropy(Hidden(tokens, positions), _head.Weight, targets);

    private Tensor Hidden(Tensor tokens, Tensor positions)
    {
        AttentionLayout layout = AttentionLayout.Uniform(tokens.Elements / _config.Sequence, _config.Sequence);
        Tensor x = _embedding.Forward(tokens);
        foreach (Block block in _blocks) x = block.Forward(x, layout, _rotary!, positions);
        return _norm.Forward(x);
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

        public Block(DecoderConfig config)
        {
            _attentionNorm = AddChild("attention_norm", new RmsNorm(config.Width));
            _attention = AddChild("attention", new Attention(new AttentionOptions { Width = config.Width, Heads = config.Heads }));
            _mlpNorm = AddChild("mlp_norm", new RmsNorm(config.Width));
            _mlp = AddChild("mlp", new SwiGluMlp(config.Width, config.Hidden));
        }

        public Tensor Forward(Tensor x, AttentionLayout layout, RotaryTable rotary, Tensor positions)
        {
            x = _attention.Forward(_attentionNorm.Forward(x), layout, rotary, positions, residual: x);
            return _mlp.Forward(_mlpNorm.Forward(x), residual: x);
        }
    }
}
