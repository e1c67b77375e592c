using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// Keys and values of a batch of sequences, for every layer [batch, maxLength, keyValueHeads, headSize], in the arena that is
/// current when it is made. A prompt fills it in one pass, then each step adds one token to every sequence.
/// </summary>
public sealed class KeyValueCache
{
    private readonly (Tensor Keys, Tensor Values)[] _layers;
    private readonly Tensor _lengths, _all;
    private Tensor? _prompt;

    /// <summary>An empty cache.</summary>
    /// <param name="config">The decoder.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="maxLength">Tokens that each can hold.</param>
    /// <param name="dtype">What it holds: the decoder's <see cref="Module.ComputeDType"/>.</param>
    public KeyValueCache(DecoderConfig config, int batch, int maxLength, DType dtype = DType.Float32)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxLength);
        if (config.Position != PositionKind.None && maxLength > config.MaxPositions)
            throw new ArgumentException($"{maxLength} tokens were asked for; the decoder has {config.MaxPositions} positions.", nameof(maxLength));
        (Batch, MaxLength) = (batch, maxLength);
        Shape shape = [batch, maxLength, config.ResolvedKeyValueHeads, config.ResolvedHeadSize];
        _layers = new (Tensor, Tensor)[config.Layers];
        for (int i = 0; i < _layers.Length; i++) _layers[i] = (Tensor.Zeros(shape, dtype), Tensor.Zeros(shape, dtype));
        _lengths = Tensor.Zeros([batch], DType.Int32);
        _all = Tensor.From(Enumerable.Range(0, batch).ToArray(), [batch]);
    }

    /// <summary>Sequences.</summary>
    public int Batch { get; }

    /// <summary>Tokens that each can hold.</summary>
    public int MaxLength { get; }

    /// <summary>int32 [batch]: tokens of each sequence, those of the present step counted.</summary>
    public Tensor Lengths => _lengths;

    /// <summary>Says what the next pass adds: <paramref name="lengths"/> tokens each after it; <paramref name="sequences"/> names each token's sequence, null for one token each.</summary>
    /// <param name="lengths">Per sequence, at most <see cref="MaxLength"/>.</param>
    /// <param name="sequences">int32 [tokens] in the arena of the pass, for prompts.</param>
    public void Advance(ReadOnlySpan<int> lengths, Tensor? sequences = null)
    {
        foreach (int length in lengths)
        {
            if (length > MaxLength) throw new ArgumentException($"A sequence of {length} tokens does not fit a cache of {MaxLength}.", nameof(lengths));
        }
        _lengths.Write(lengths);
        _prompt = sequences;
    }

    internal (Tensor Keys, Tensor Values) Layer(int layer) => _layers[layer];

    internal Tensor SequencesOf(long tokens) => (_prompt ?? _all).Elements == tokens
        ? _prompt ?? _all
        : throw new InvalidOperationException($"{tokens} tokens do not fit the pass that Advance announced, {(_prompt ?? _all).Elements}.");
}
