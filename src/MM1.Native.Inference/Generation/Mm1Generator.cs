using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>
/// Texts and images in, text out. Prompts are documents of a data source: what they are made of is encoded as in training, the document left open. Results
/// are the same, bit for bit, for any batch size and any order of the prompts. One thread at a time.
/// </summary>
public sealed class Mm1Generator
{
    private readonly Mm1Model _model;
    private readonly ITokenizer _tokenizer;
    private readonly ImageSettings _images;
    private readonly Device _device;
    private readonly int _imageTokens;

    /// <summary>A generator for a built model.</summary>
    public Mm1Generator(Mm1Model model, ITokenizer tokenizer, ImageSettings images)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(images);
        images.Check();
        if (tokenizer.VocabularySize > model.Config.Decoder.Vocabulary)
            throw new ArgumentException($"the tokenizer has {tokenizer.VocabularySize} tokens, the model {model.Config.Decoder.Vocabulary}", nameof(tokenizer));
        _device = model.Device ?? throw new ArgumentException("the model is not built yet", nameof(model));
        (_model, _tokenizer, _images) = (model, tokenizer, images);
        _imageTokens = model.ImageTokens(images.Size, images.Size);
    }

    /// <summary>A generator for a loaded checkpoint, which must outlive it.</summary>
    public Mm1Generator(ModelBundle bundle) : this((bundle ?? throw new ArgumentNullException(nameof(bundle))).Model, bundle.Tokenizer, bundle.Images) { }

    /// <summary>The model.</summary>
    public Mm1Model Model => _model;

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer => _tokenizer;

    /// <summary>How images are prepared.</summary>
    public ImageSettings Images => _images;

    /// <summary>The tokens of a prompt: the spaces at its end are left out, for what comes next brings its own.</summary>
    public EncodedDocument Encode(Document prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.Segments is [.., TextSegment last] && last.Text.EndsWith(' '))
            prompt = prompt with { Segments = [.. prompt.Segments.SkipLast(1), last with { Text = last.Text.TrimEnd(' ') }] };
        return EncodedDocument.Encode(prompt, _tokenizer, _imageTokens, endDocument: false);
    }

    /// <summary>Continues prompts.</summary>
    /// <returns>One text for each prompt, in their order.</returns>
    /// <exception cref="ConfigurationException">A prompt is empty, or longer than the model's positions allow.</exception>
    /// <exception cref="InvalidDataException">An image cannot be read.</exception>
    public IReadOnlyList<GeneratedText> Generate(IReadOnlyList<Document> prompts, TextGenerationOptions options)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.BatchSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxNewTokens);
        EncodedDocument[] encoded = [.. prompts.Select(Encode)];
        foreach (EncodedDocument prompt in encoded) CheckLength(prompt, options.MaxNewTokens - 1);
        var results = new GeneratedText[prompts.Count];
        int[][] batches = [.. Enumerable.Range(0, prompts.Count).Chunk(options.BatchSize)];
        var images = new ImageTokenCache(_model, _images, batches.Select(batch => batch.SelectMany(i => encoded[i].Images)));
        var generator = new TokenGenerator(_model.Decoder);
        for (int number = 0, done = 0; number < batches.Length; number++)
        {
            options.CancellationToken.ThrowIfCancellationRequested();
            int[] batch = batches[number];
            using (_device.BeginSession())
            {
                Tensor? tokens = images.Take(number, [.. batch.SelectMany(i => encoded[i].Images)], options.CancellationToken);
                int row = 0;
                TokenPrompt[] inputs = [.. batch.Select(i => new TokenPrompt(encoded[i].Tokens, tokens is null ? null : Placement(encoded[i], ref row), (long)RandomKey.Purpose("prompt", prompts[i].Id)))];
                var stop = new GenerationOptions
                {
                    MaxNewTokens = options.MaxNewTokens,
                    Vocabulary = _tokenizer.VocabularySize,
                    Sampling = options.Sampling,
                    Cancellation = options.CancellationToken,
                    Stop = (_, written) => Ends(written, options, out StopReason _, out string _),
                };
                IReadOnlyList<IReadOnlyList<int>> outputs = generator.Generate(inputs, stop, tokens);
                options.CancellationToken.ThrowIfCancellationRequested();
                for (int i = 0; i < batch.Length; i++) results[batch[i]] = Finish(outputs[i], options);
            }
            done += batch.Length;
            options.Progress?.Invoke(done);
        }
        return results;
    }

    /// <summary>
    /// The natural logarithm of the probability of each continuation after its prompt: the sum over its tokens, not divided by their number. Continuations
    /// that differ in the last token alone share one pass.
    /// </summary>
    /// <param name="items">Prompts and what may follow them; prompts of many candidates should be one object.</param>
    /// <param name="batchSize">Sequences that run together; results do not depend on it.</param>
    /// <param name="progress">Called after each batch with the number of sequences that are done and their total.</param>
    /// <param name="cancellationToken">Ends the work with <see cref="OperationCanceledException"/>.</param>
    public double[] LogLikelihoods(IReadOnlyList<(Document Prompt, string Continuation)> items, int batchSize = 64, Action<int, int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        var scorer = new ContinuationScorer(this, _device, items);
        return scorer.Run(batchSize, progress, cancellationToken);
    }

    internal void CheckLength(EncodedDocument prompt, int more)
    {
        if (prompt.Tokens.Length == 0) throw new ConfigurationException($"the prompt '{prompt.Id}' is empty: it needs an image or a text");
        DecoderConfig decoder = _model.Config.Decoder;
        if (decoder.Position != PositionKind.None && prompt.Tokens.Length + more > decoder.MaxPositions)
        {
            throw new ConfigurationException($"the prompt '{prompt.Id}' has {prompt.Tokens.Length} tokens ({prompt.Images.Length} image(s) of {_imageTokens}), and {more} more may follow; "
                + $"the model has {decoder.MaxPositions} positions ('decoder.maxPositions'): use fewer examples or fewer new tokens");
        }
    }

    /// <summary>Per token the row of its image's tokens, or -1.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="row">The first row of its first image; the first one of the next prompt after the call.</param>
    internal int[] Placement(EncodedDocument prompt, ref int row)
    {
        var placement = new int[prompt.Tokens.Length];
        Array.Fill(placement, -1);
        foreach (int start in prompt.ImageStarts)
        {
            for (int k = 0; k < _imageTokens; k++) placement[start + k] = row++;
        }
        return placement;
    }

    private GeneratedText Finish(IReadOnlyList<int> tokens, TextGenerationOptions options)
    {
        bool ended = Ends(tokens, options, out StopReason reason, out string text);
        return new GeneratedText(text, tokens, ended ? reason : StopReason.MaxNewTokens);
    }

    private bool Ends(IReadOnlyList<int> tokens, TextGenerationOptions options, out StopReason reason, out string text)
    {
        int last = tokens.Count > 0 ? tokens[^1] : -1;
        bool byToken = last == _tokenizer.DocumentEndId || (options.StopAtNewline && last == _tokenizer.NewlineId);
        reason = last == _tokenizer.DocumentEndId ? StopReason.DocumentEnd : StopReason.Newline;
        int[] kept = [.. tokens.Take(tokens.Count - (byToken ? 1 : 0))];
        text = _tokenizer.Decode(kept);
        int cut = -1;
        foreach (string stop in options.StopStrings)
        {
            int at = stop.Length == 0 ? -1 : text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (cut < 0 || at < cut)) cut = at;
        }
        // Line feeds of tokenizers that put them into longer tokens.
        int line = options.StopAtNewline ? text.IndexOf('\n') : -1;
        if (line >= 0 && (cut < 0 || line < cut)) (text, reason) = (text[..line], StopReason.Newline);
        else if (cut >= 0) (text, reason) = (text[..cut], StopReason.StopString);
        return byToken || line >= 0 || cut >= 0;
    }
}
