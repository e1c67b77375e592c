using MM1.Native.Autograd;
using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>
/// Log-likelihoods of whole texts, each token given those before it. A text longer than the window runs in several that overlap by half: of each but the first only the second half counts.
/// </summary>
/// <param name="generator">The model.</param>
/// <param name="window">Tokens that run together, 2 or more.</param>
internal sealed class TextScorer(Mm1Generator generator, int window)
{
    /// <summary>Most logits of a batch: 64 MiB.</summary>
    private const long LogitsOfABatch = 16 << 20;

    /// <summary>Where models without a limit are cut.</summary>
    private const int WindowWithoutPositions = 2048;

    /// <summary>Tokens [Begin, End) of a text; those from First on count.</summary>
    private readonly record struct Window(int Text, int Begin, int First, int End);

    /// <summary>The longest window of a model.</summary>
    public static int WindowOf(Mm1Generator generator)
    {
        DecoderConfig decoder = generator.Model.Config.Decoder;
        return decoder.Position == PositionKind.None ? WindowWithoutPositions : (int)Math.Min(decoder.MaxPositions, int.MaxValue);
    }

    /// <exception cref="ConfigurationException">The window does not fit the model.</exception>
    public static void CheckWindow(Mm1Generator generator, int window)
    {
        if (window < 2 || window > WindowOf(generator))
            throw new ConfigurationException($"the window of a text's perplexity is {window}; the model takes 2 to {WindowOf(generator)} tokens ('decoder.maxPositions')");
    }

    /// <summary>The sum over each text's tokens but its first, natural logarithms.</summary>
    /// <exception cref="ConfigurationException">The window does not fit the model.</exception>
    public double[] Run(IReadOnlyList<int[]> texts, int batchSize, Action<int, int>? progress, CancellationToken cancellationToken)
    {
        CheckWindow(generator, window);
        var windows = new List<Window>();
        for (int text = 0; text < texts.Count; text++) windows.AddRange(Cut(text, texts[text].Length));
        var sums = new double[texts.Count];
        int most = (int)Math.Clamp(LogitsOfABatch / generator.Model.Config.Decoder.Vocabulary / window, 1, batchSize), done = 0;
        foreach (Window[] batch in windows.Chunk(most))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using (generator.Model.Device!.BeginInference()) Add(batch, texts, sums);
            done += batch.Length;
            progress?.Invoke(done, windows.Count);
        }
        return sums;
    }

    private IEnumerable<Window> Cut(int text, int length)
    {
        for (int begin = 0, first = 1; first < length; begin += window / 2)
        {
            int end = Math.Min(length, begin + window);
            yield return new Window(text, begin, first, end);
            first = end;
        }
    }

    private void Add(Window[] batch, IReadOnlyList<int[]> texts, double[] sums)
    {
        // The last token of a window predicts nothing that counts.
        int total = batch.Sum(static part => part.End - part.Begin - 1), at = 0;
        int[] ids = new int[total], positions = new int[total], starts = new int[batch.Length + 1];
        var rows = new List<int>();
        for (int i = 0; i < batch.Length; i++)
        {
            Window part = batch[i];
            int length = part.End - part.Begin - 1;
            texts[part.Text].AsSpan(part.Begin, length).CopyTo(ids.AsSpan(at));
            for (int t = 0; t < length; t++)
            {
                positions[at + t] = t;
                if (part.Begin + t + 1 >= part.First) rows.Add(at + t);
            }
            at += length;
            starts[i + 1] = at;
        }
        DecoderModel decoder = generator.Model.Decoder;
        AttentionLayout layout = AttentionLayout.Packed(Tensor.From<int>(starts, [starts.Length]), batch.Max(static part => part.End - part.Begin - 1));
        Tensor hidden = decoder.Forward(decoder.Embed(Tensor.From<int>(ids, [total])), Tensor.From<int>(positions, [total]), layout);
        float[] logits = decoder.Logits(Functional.Embedding(Tensor.From<int>(rows.ToArray(), [rows.Count]), hidden)).ToArray();
        int vocabulary = logits.Length / rows.Count, row = 0;
        foreach (Window part in batch)
        {
            for (int token = part.First; token < part.End; token++, row++)
            {
                ReadOnlySpan<float> scores = logits.AsSpan(row * vocabulary, vocabulary);
                sums[part.Text] += scores[texts[part.Text][token]] - ContinuationScorer.LogSumExp(scores);
            }
        }
    }
}
