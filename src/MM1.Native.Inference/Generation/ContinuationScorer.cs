using System.Runtime.InteropServices;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;

namespace MM1.Native.Inference;

/// <summary>Log-likelihoods of continuations: prompts and continuations without their last tokens run packed, and every distinct sequence runs once.</summary>
internal sealed class ContinuationScorer
{
    private readonly Mm1Generator _generator;
    private readonly Device _device;
    private readonly List<Sequence> _sequences = [];
    private readonly (int Sequence, int[] Continuation)[] _items;

    /// <summary>Tokens to run, and the row of the first hidden state that is needed: the one that predicts a continuation's first token.</summary>
    private sealed record Sequence(EncodedDocument Prompt, int[] Tokens, int FirstRow);

    public ContinuationScorer(Mm1Generator generator, Device device, IReadOnlyList<(Document Prompt, string Continuation)> items)
    {
        (_generator, _device) = (generator, device);
        _items = new (int, int[])[items.Count];
        var prompts = new Dictionary<Document, EncodedDocument>(ReferenceEqualityComparer.Instance);
        var known = new Dictionary<(EncodedDocument, string), int>();
        for (int i = 0; i < items.Count; i++)
        {
            (Document document, string text) = items[i];
            ref EncodedDocument? prompt = ref CollectionsMarshal.GetValueRefOrAddDefault(prompts, document, out _);
            prompt ??= generator.Encode(document);
            int[] continuation = generator.Tokenizer.Encode(text);
            if (continuation.Length == 0) throw new ConfigurationException($"the prompt '{document.Id}' has an empty continuation; its log-likelihood means nothing");
            generator.CheckLength(prompt, continuation.Length - 1);
            ReadOnlySpan<int> run = continuation.AsSpan(0, continuation.Length - 1);
            (EncodedDocument, string) key = (prompt, string.Join(',', run.ToArray()));
            if (!known.TryGetValue(key, out int sequence))
            {
                known[key] = sequence = _sequences.Count;
                _sequences.Add(new Sequence(prompt, [.. prompt.Tokens, .. run], prompt.Tokens.Length - 1));
            }
            _items[i] = (sequence, continuation);
        }
    }

    public double[] Run(int batchSize, Action<int, int>? progress, CancellationToken cancellationToken)
    {
        var results = new double[_items.Length];
        ILookup<int, int> itemsOf = Enumerable.Range(0, _items.Length).ToLookup(i => _items[i].Sequence);
        int[][] batches = [.. Enumerable.Range(0, _sequences.Count).Chunk(batchSize)];
        var images = new ImageTokenCache(_generator.Model, _generator.Images, batches.Select(batch => batch.SelectMany(i => _sequences[i].Prompt.Images)));
        for (int number = 0, done = 0; number < batches.Length; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int[] batch = batches[number];
            using (_device.BeginInference())
            {
                Tensor? tokens = images.Take(number, [.. batch.SelectMany(i => _sequences[i].Prompt.Images)], cancellationToken);
                float[] logits = Logits(batch, tokens);
                int vocabulary = (int)_generator.Model.Config.Decoder.Vocabulary, row = 0;
                foreach (int sequence in batch)
                {
                    int rows = _sequences[sequence].Tokens.Length - _sequences[sequence].FirstRow;
                    ReadOnlySpan<float> block = logits.AsSpan(row * vocabulary, rows * vocabulary);
                    var normalizer = new double[rows];
                    for (int r = 0; r < rows; r++) normalizer[r] = LogSumExp(block.Slice(r * vocabulary, vocabulary));
                    foreach (int item in itemsOf[sequence])
                    {
                        int[] continuation = _items[item].Continuation;
                        for (int t = 0; t < continuation.Length; t++) results[item] += block[t * vocabulary + continuation[t]] - normalizer[t];
                    }
                    row += rows;
                }
            }
            done += batch.Length;
            progress?.Invoke(done, _sequences.Count);
        }
        return results;
    }

    /// <summary>Logits of the rows that are needed, sequence after sequence.</summary>
    private float[] Logits(int[] batch, Tensor? imageTokens)
    {
        int total = batch.Sum(i => _sequences[i].Tokens.Length), longest = batch.Max(i => _sequences[i].Tokens.Length), at = 0, imageRow = 0;
        int[] ids = new int[total], positions = new int[total], placement = new int[total], starts = new int[batch.Length + 1];
        var needed = new List<int>();
        Array.Fill(placement, -1);
        for (int i = 0; i < batch.Length; i++)
        {
            Sequence sequence = _sequences[batch[i]];
            sequence.Tokens.CopyTo(ids, at);
            if (imageTokens is not null) _generator.Placement(sequence.Prompt, ref imageRow).CopyTo(placement, at);
            for (int t = 0; t < sequence.Tokens.Length; t++)
            {
                positions[at + t] = t;
                if (t >= sequence.FirstRow) needed.Add(at + t);
            }
            at += sequence.Tokens.Length;
            starts[i + 1] = at;
        }
        Models.DecoderModel decoder = _generator.Model.Decoder;
        Tensor embeddings = decoder.Embed(Tensor.From<int>(ids, [total]));
        if (imageTokens is { } rows) embeddings = Functional.PlaceImageTokens(embeddings, rows, Tensor.From<int>(placement, [total]));
        AttentionLayout layout = AttentionLayout.Packed(Tensor.From<int>(starts, [starts.Length]), longest);
        Tensor hidden = decoder.Forward(embeddings, Tensor.From<int>(positions, [total]), layout);
        return decoder.Logits(Functional.Embedding(Tensor.From<int>(needed.ToArray(), [needed.Count]), hidden)).ToArray();
    }

    /// <summary>ln of the sum of exp.</summary>
    internal static double LogSumExp(ReadOnlySpan<float> row)
    {
        double highest = double.NegativeInfinity, sum = 0;
        foreach (float value in row) highest = Math.Max(highest, value);
        foreach (float value in row) sum += Math.Exp(value - highest);
        return highest + Math.Log(sum);
    }
}
