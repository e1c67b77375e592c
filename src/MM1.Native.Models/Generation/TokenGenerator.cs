using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>A prompt: token ids, and for placeholders of images the rows that take their places.</summary>
/// <param name="Tokens">Token ids; at least one.</param>
/// <param name="Placement">Per token a row of the image tokens given to the call, or -1; null for text alone.</param>
/// <param name="Key">Names the sequence for sampling: the same key, seed and prompt give the same tokens in any batch.</param>
public sealed record TokenPrompt(IReadOnlyList<int> Tokens, IReadOnlyList<int>? Placement = null, long Key = 0);

/// <summary>Settings of one generation.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most new tokens of a sequence.</summary>
    public required int MaxNewTokens { get; init; }

    /// <summary>Tokens to choose from: the ids below this, for models with more rows than their tokenizer has tokens; 0 (default) for all.</summary>
    public int Vocabulary { get; init; }

    /// <summary>How tokens are chosen (default greedy).</summary>
    public SamplingOptions Sampling { get; init; } = SamplingOptions.Greedy;

    /// <summary>Whether a sequence ends: it gets the sequence's index and its new tokens so far, the last included.</summary>
    public Func<int, IReadOnlyList<int>, bool>? Stop { get; init; }

    /// <summary>Ends the generation early.</summary>
    public CancellationToken Cancellation { get; init; }
}

/// <summary>
/// Generates tokens with a KV cache: all prompts in one packed pass, then one token of every sequence a step. What a sequence
/// gets does not depend on its neighbours, bit for bit.
/// </summary>
public sealed class TokenGenerator(DecoderModel decoder)
{
    /// <summary>Continues the prompts.</summary>
    /// <param name="prompts">One or more, of any lengths.</param>
    /// <param name="options">Length, sampling, stop.</param>
    /// <param name="imageTokens">[rows, width]: the connector's tokens that placements name, living longer than the call; null without images.</param>
    /// <returns>The new tokens of each, the one that stopped it included.</returns>
    public IReadOnlyList<IReadOnlyList<int>> Generate(IReadOnlyList<TokenPrompt> prompts, GenerationOptions options, Tensor? imageTokens = null)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(options);
        Device device = decoder.Device ?? throw new InvalidOperationException("The decoder is not built yet.");
        foreach (TokenPrompt prompt in prompts)
        {
            if (prompt.Tokens.Count == 0) throw new ArgumentException("A prompt has no tokens; begin with the token that begins a document.", nameof(prompts));
            if (prompt.Placement is { } placement && placement.Count != prompt.Tokens.Count) throw new ArgumentException($"A prompt of {prompt.Tokens.Count} tokens has {placement.Count} placements.", nameof(prompts));
            if (prompt.Placement is not null && imageTokens is null) throw new ArgumentException("A prompt has images, but no image tokens were given.", nameof(imageTokens));
        }
        var results = prompts.Select(_ => new List<int>()).ToArray();
        if (prompts.Count == 0 || options.MaxNewTokens <= 0) return results;
        var sampler = new Sampler(options.Sampling);
        var running = new bool[prompts.Count];
        Array.Fill(running, true);
        int[] lengths = [.. prompts.Select(prompt => prompt.Tokens.Count)], last = new int[prompts.Count];
        using (device.BeginSession())
        {
            var cache = new KeyValueCache(decoder.Config, prompts.Count, checked(lengths.Max() + options.MaxNewTokens - 1), decoder.ComputeDType);
            float[] logits;
            using (device.BeginInference()) logits = decoder.Logits(ReadPrompts(prompts, lengths, cache, imageTokens)).ToArray();
            for (int step = 0; ; step++)
            {
                int vocabulary = logits.Length / prompts.Count;
                int choices = options.Vocabulary > 0 ? Math.Min(options.Vocabulary, vocabulary) : vocabulary;
                bool any = false;
                for (int i = 0; i < prompts.Count; i++)
                {
                    if (!running[i]) continue;
                    last[i] = sampler.Choose(logits.AsSpan(i * vocabulary, choices), prompts[i].Key, step);
                    results[i].Add(last[i]);
                    running[i] = results[i].Count < options.MaxNewTokens && !(options.Stop?.Invoke(i, results[i]) ?? false);
                    any |= running[i];
                }
                if (!any || options.Cancellation.IsCancellationRequested) return results;
                // A sequence that has ended runs along in its last place; nobody reads what it computes.
                for (int i = 0; i < prompts.Count; i++) lengths[i] += running[i] ? 1 : 0;
                using (device.BeginInference()) logits = decoder.Logits(Step(last, lengths, cache)).ToArray();
            }
        }
    }

    /// <summary>Fills the cache with the prompts; the hidden states of their last tokens, [batch, width].</summary>
    private Tensor ReadPrompts(IReadOnlyList<TokenPrompt> prompts, int[] lengths, KeyValueCache cache, Tensor? imageTokens)
    {
        int total = lengths.Sum();
        int[] ids = new int[total], positions = new int[total], sequences = new int[total], placement = new int[total], starts = new int[prompts.Count + 1], ends = new int[prompts.Count];
        for (int i = 0; i < prompts.Count; i++)
        {
            int start = starts[i];
            for (int t = 0; t < lengths[i]; t++)
            {
                ids[start + t] = prompts[i].Tokens[t];
                positions[start + t] = t;
                sequences[start + t] = i;
                placement[start + t] = prompts[i].Placement?[t] ?? -1;
            }
            starts[i + 1] = start + lengths[i];
            ends[i] = starts[i + 1] - 1;
        }
        cache.Advance(lengths, Tensor.From(sequences, [total]));
        Tensor embeddings = decoder.Embed(Tensor.From(ids, [total]));
        if (imageTokens is { } image && Array.Exists(placement, row => row >= 0)) embeddings = Functional.PlaceImageTokens(embeddings, image, Tensor.From(placement, [total]));
        AttentionLayout layout = AttentionLayout.Packed(Tensor.From(starts, [starts.Length]), lengths.Max());
        Tensor hidden = decoder.Forward(embeddings, Tensor.From(positions, [total]), cache, layout);
        return Functional.Embedding(Tensor.From(ends, [ends.Length]), hidden);
    }

    private Tensor Step(int[] tokens, int[] lengths, KeyValueCache cache)
    {
        int[] positions = [.. lengths.Select(length => length - 1)];
        cache.Advance(lengths);
        return decoder.Forward(decoder.Embed(Tensor.From(tokens, [tokens.Length])), Tensor.From(positions, [positions.Length]), cache);
    }
}
