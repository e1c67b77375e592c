using System.Globalization;
using System.Text;
using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>
/// How probable held-out text is to the model. Scored are all tokens of a document but its first, before which there is nothing; the document's end is not text and is not scored.
/// With N the sum of -ln p over scored tokens: <c>perplexity</c> exp(N / tokens), <c>perplexity_word</c> exp(N / words) with words as white space divides the scored text,
/// <c>bits_per_byte</c> N / ln 2 / bytes of the scored text in UTF-8. The last two can be compared between tokenizers, the first cannot.
/// </summary>
internal sealed class TextPerplexityTask(TextPerplexityConfig config) : IMeasuringTask
{
    public string Name => config.Name;

    public string Kind => "textPerplexity";

    public TaskMaterial Material => TaskMaterial.Text;

    public int DefaultShots => 0;

    public int MaxNewTokens => 1;

    public bool WritesBesideChoosing => false;

    public IReadOnlyList<string>? Candidates(EvaluationOptions options) => null;

    public IReadOnlyList<EvaluationItem> Items(EvaluationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Shots is > 0 || options.Blind || options.WrongFormat || options.Split is not null)
            throw new ConfigurationException($"the task '{Name}' measures text: it has no examples, images, formats or splits");
        IDocumentSource source = options.Data ?? throw new ConfigurationException($"the task '{Name}' needs data: text that the model was not trained on (mm1 eval: --data FILE --lines 3000-3760; a run's configuration: data of the task's entry)");
        var items = new List<EvaluationItem>();
        long limit = Math.Min(source.DocumentsPerEpoch, options.Limit ?? config.Limit ?? long.MaxValue);
        for (long i = 0; i < limit; i++)
        {
            Document document;
            try
            {
                document = source.Read(0, i);
            }
            catch (BadDocumentException bad)
            {
                throw new ConfigurationException($"a document of the data of task '{Name}' cannot be used: {bad.Message}", bad);
            }
            if (document.Segments.Any(static segment => segment is not TextSegment))
                throw new ConfigurationException($"'{document.Id}' of the data of task '{Name}' has an image; the task measures text alone");
            items.Add(new EvaluationItem { Id = document.Id, Prompt = document, Truth = "", Score = static _ => Score(0, 1, 1, 1) });
        }
        return items;
    }

    public void CheckModel(Mm1Generator generator) => TextScorer.CheckWindow(generator, config.Window ?? TextScorer.WindowOf(generator));

    public IReadOnlyList<ScoredItem> Measure(IReadOnlyList<EvaluationItem> items, Mm1Generator generator, EvaluationOptions options,
        IProgress<EvaluationProgress>? progress, CancellationToken cancellationToken)
    {
        int[][] tokens = [.. items.Select(item => EncodedDocument.Encode(item.Prompt, generator.Tokenizer, imageTokens: 1, endDocument: false).Tokens)];
        var scorer = new TextScorer(generator, config.Window ?? TextScorer.WindowOf(generator));
        double[] sums = scorer.Run(tokens, options.BatchSize, (done, total) => progress?.Report(new EvaluationProgress(Name, done, total)), cancellationToken);
        var scored = new ScoredItem[items.Count];
        for (int i = 0; i < scored.Length; i++)
        {
            string text = tokens[i].Length > 1 ? generator.Tokenizer.Decode(tokens[i].AsSpan(1)) : "";
            int words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length, count = Math.Max(0, tokens[i].Length - 1);
            string output = string.Create(CultureInfo.InvariantCulture, $"perplexity {Math.Exp(-sums[i] / Math.Max(1, count)):0.00} over {count} tokens");
            scored[i] = new ScoredItem(items[i], output, Score(-sums[i], count, words, BytesOf(generator.Tokenizer, tokens[i].AsSpan(Math.Min(1, tokens[i].Length)), text)));
        }
        return scored;
    }

    public string Postprocess(string output) => output;

    /// <exception cref="ConfigurationException">No document has a second token.</exception>
    public IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items)
    {
        double nats = Sum("nats"), tokens = Sum("tokens"), words = Sum("words"), bytes = Sum("bytes");
        if (tokens == 0 || words == 0) throw new ConfigurationException($"the data of task '{Name}' have nothing to score: no document is longer than one token");
        return new Dictionary<string, double>
        {
            ["perplexity"] = Math.Exp(nats / tokens),
            ["perplexity_word"] = Math.Exp(nats / words),
            ["bits_per_byte"] = nats / Math.Log(2) / bytes,
            ["tokens"] = tokens,
            ["words"] = words,
        };

        double Sum(string name) => items.Sum(item => item.Score.Values[name]);
    }

    /// <summary>Bytes that the tokens stand for. A text may begin within a character, whose bytes alone are no text, or with a space that decoding leaves out: so the tokens say it where they can.</summary>
    private static int BytesOf(ITokenizer tokenizer, ReadOnlySpan<int> tokens, string text)
    {
        if (tokenizer is ByteTokenizer) return tokens.Length;
        if (tokenizer is not SubwordTokenizer subwords) return Encoding.UTF8.GetByteCount(text);
        int bytes = 0;
        foreach (int token in tokens) bytes += subwords.Bytes(token).Length;
        return bytes;
    }

    private static ItemScore Score(double nats, int tokens, int words, int bytes) =>
        new(false, new Dictionary<string, double> { ["nats"] = nats, ["tokens"] = tokens, ["words"] = words, ["bytes"] = bytes });
}
