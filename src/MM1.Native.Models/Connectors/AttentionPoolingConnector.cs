using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// Learned queries attend once to all patches (MM1 section 3.2 names the method and the number of queries, 64 or 144, no more;
/// this is the plainest form): softmax(q (K norm(x))^T / sqrt(headSize)) V norm(x), then the output layer. Parameters:
/// <c>queries</c> [tokens, channels], <c>norm</c>, <c>key</c>, <c>value</c> [channels, channels], <c>output</c> [width, channels].
/// </summary>
public sealed class AttentionPoolingConnector : Connector
{
    private readonly Parameter _queries;
    private readonly LayerNorm _norm;
    private readonly Linear _key, _value, _output;
    private readonly long _channels;
    private readonly int _tokens, _heads;

    /// <summary>Describes the connector.</summary>
    /// <param name="channels">Channels of the features.</param>
    /// <param name="width">Width of the decoder.</param>
    /// <param name="tokens">Queries.</param>
    /// <param name="heads">Heads; 0 for heads of 64 elements.</param>
    public AttentionPoolingConnector(long channels, long width, int tokens, int heads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tokens);
        (_channels, _tokens, _heads) = (channels, tokens, heads == 0 ? (int)Math.Max(1, channels / 64) : heads);
        if (channels % _heads != 0) throw new ArgumentException($"{_heads} heads do not divide {channels} channels.", nameof(heads));
        _queries = AddParameter("queries", [tokens, channels], Initializer.Normal(1));
        _norm = AddChild("norm", new LayerNorm(channels));
        _key = AddChild("key", new Linear(channels, channels));
        _value = AddChild("value", new Linear(channels, channels));
        _output = AddChild("output", new Linear(channels, width));
    }

    /// <inheritdoc/>
    public override int TokensOf(int height, int width) => _tokens;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor features)
    {
        long n = features.Shape[0], patches = features.Shape[1] * features.Shape[2], headSize = _channels / _heads;
        Tensor x = _norm.Forward(Functional.Reshape(features, [n * patches, _channels]));
        Tensor query = Functional.Add(Tensor.Zeros([n, _tokens, _channels], ComputeDType), _queries);
        Tensor mixed = Functional.Attention(Functional.Reshape(query, [n * _tokens, _heads, headSize]),
            Functional.Reshape(_key.Forward(x), [n * patches, _heads, headSize]),
            Functional.Reshape(_value.Forward(x), [n * patches, _heads, headSize]),
            AttentionLayout.Cross(n, _tokens, patches, AttentionMask.Full));
        return _output.Forward(Functional.Reshape(mixed, [n, _tokens, _channels]));
    }
}
