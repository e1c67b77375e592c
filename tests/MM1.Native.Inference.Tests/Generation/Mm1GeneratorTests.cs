using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class Mm1GeneratorTests
{
    private static readonly SyntheticWorld World = new();

    /// <summary>Prompts of different lengths: without examples, with some that share images, captions, text alone.</summary>
    private static Document[] Prompts(int count) => [.. Enumerable.Range(0, count).Select(number => (number % 4) switch
    {
        0 => World.Question(WorldSplit.UnseenSeed, number).Prompt(),
        1 => World.FewShot(WorldSplit.UnseenSeed, number, 3).Prompt(),
        2 => World.Caption(WorldSplit.UnseenSeed, number).Prompt(),
        _ => new Document("test", $"text {number}", [new TextSegment("there is a red circle and")]),
    })];

    [Theory]
    [InlineData(0)]
    [InlineData(0.8f)]
    public void ResultsDoNotDependOnBatchSizeOrderOrThreads(float temperature)
    {
        Document[] prompts = Prompts(70);
        var options = new TextGenerationOptions { MaxNewTokens = 5, StopAtNewline = false, Sampling = new SamplingOptions { Temperature = temperature, Seed = 9 } };
        using var one = new SmallModel(threads: 1);
        using var two = new SmallModel(threads: 2);
        string[] expected = Texts(one.Generator.Generate(prompts, options with { BatchSize = 1 }));
        Assert.Equal(expected, Texts(one.Generator.Generate(prompts, options with { BatchSize = 8 })));
        Assert.Equal(expected, Texts(two.Generator.Generate(prompts, options with { BatchSize = 64 })));
        Assert.Equal(expected.Reverse(), Texts(two.Generator.Generate([.. prompts.Reverse()], options with { BatchSize = 7 })));
        Assert.True(expected.Distinct().Count() > 10, "the model says much the same whatever the prompt; the test would see nothing");

        static string[] Texts(IReadOnlyList<GeneratedText> texts) => [.. texts.Select(text => $"{string.Join(' ', text.Tokens)} {text.StoppedBy} {text.Text}")];
    }

    [Fact]
    public void TheTokensAreThoseOfTheWholeModelWithoutACache()
    {
        using var small = new SmallModel();
        foreach (Document prompt in Prompts(3))
        {
            GeneratedText text = small.Generator.Generate([prompt], new TextGenerationOptions { MaxNewTokens = 6, StopAtNewline = false })[0];
            EncodedDocument encoded = small.Generator.Encode(prompt);
            var tokens = new List<int>(encoded.Tokens);
            foreach (int token in text.Tokens)
            {
                float[] logits = WholeModel.Logits(small, encoded, [.. tokens]);
                float[] last = logits[^(int)SmallModel.Config.Decoder.Vocabulary..][..SmallModel.Tokenizer.VocabularySize];
                Assert.True(last[token] >= last.Max() - 1e-4f, $"token {token} has logit {last[token]}, the largest is {last.Max()}");
                tokens.Add(token);
            }
        }
    }

    [Fact]
    public void TextsEndAtNewlineDocumentEndStopStringOrLength()
    {
        using var small = new SmallModel(config: SmallModel.Config with { Decoder = SmallModel.Config.Decoder with { Norm = NormKind.Layer } });
        Document prompt = World.Question(WorldSplit.UnseenSeed, 1).Prompt();
        WordTokenizer tokenizer = SmallModel.Tokenizer;
        int red = tokenizer.Encode("red")[0];
        Assert.Equal(("", StopReason.Newline, 1), Run(tokenizer.NewlineId, new TextGenerationOptions()));
        Assert.Equal(("\n\n\n", StopReason.MaxNewTokens, 3), Run(tokenizer.NewlineId, new TextGenerationOptions { MaxNewTokens = 3, StopAtNewline = false }));
        Assert.Equal(("", StopReason.DocumentEnd, 1), Run(tokenizer.DocumentEndId, new TextGenerationOptions { StopAtNewline = false }));
        Assert.Equal(("red red", StopReason.MaxNewTokens, 2), Run(red, new TextGenerationOptions { MaxNewTokens = 2 }));
        Assert.Equal(("r", StopReason.StopString, 2), Run(red, new TextGenerationOptions { MaxNewTokens = 9, StopStrings = ["blue", "ed red"] }));
        Assert.Equal(("", StopReason.StopString, 2), Run(red, new TextGenerationOptions { MaxNewTokens = 9, StopStrings = ["", "ed red", "red r"] }));

        // The output norm gives the first unit vector whatever comes in, and one row of the tied head has a large first value: that token always wins.
        (string, StopReason, int) Run(int favourite, TextGenerationOptions options)
        {
            int width = (int)SmallModel.Config.Decoder.Width;
            foreach (Parameter parameter in small.Model.Decoder.OutputNorm.Parameters())
                parameter.Load([.. Enumerable.Range(0, width).Select(i => parameter.Name.EndsWith("bias", StringComparison.Ordinal) && i == 0 ? 1f : 0f)]);
            Parameter embedding = small.Model.Decoder.TokenEmbedding.Weight;
            float[] values = embedding.ToArray();
            for (int row = 0; row < values.Length / width; row++) values[row * width] = row == favourite ? 50 : 0;
            embedding.Load(values);
            GeneratedText text = small.Generator.Generate([prompt], options)[0];
            return (text.Text, text.StoppedBy, text.Tokens.Count);
        }
    }

    [Fact]
    public void SpacesAtTheEndOfAPromptAreLeftOut()
    {
        using var small = new SmallModel();
        var plain = new Document("test", "a", [new TextSegment("a red")]);
        var spaced = new Document("test", "a", [new TextSegment("a red   ")]);
        Assert.Equal(small.Generator.Encode(plain).Tokens, small.Generator.Encode(spaced).Tokens);
    }

    [Fact]
    public void EmptyAndOverlongPromptsAreNamed()
    {
        using var small = new SmallModel();
        var empty = new Document("test", "the empty one", [new TextSegment("  ")]);
        Assert.Contains("the prompt 'the empty one' is empty", Refusal(empty), StringComparison.Ordinal);
        var longer = new Document("test", "the long one", [new TextSegment(string.Join(' ', Enumerable.Repeat("red", 250)))]);
        Assert.Contains("the prompt 'the long one' has 250 tokens (0 image(s) of 4), and 9 more may follow; the model has 256 positions", Refusal(longer), StringComparison.Ordinal);

        string Refusal(Document prompt) => Assert.Throws<ConfigurationException>(() => small.Generator.Generate([prompt], new TextGenerationOptions { MaxNewTokens = 10 })).Message;
    }

    [Fact]
    public void AnImageIsLoadedOnceHoweverManyPromptsShareIt()
    {
        using var small = new SmallModel();
        var shared = new CountingImage(World.Question(WorldSplit.UnseenSeed, 5).Image);
        Document[] prompts = [.. Enumerable.Range(0, 20).Select(number => new Document("test", $"{number}", [new ImageSegment(shared), new TextSegment("red\n"), new ImageSegment(World.Question(WorldSplit.UnseenSeed, number).Image)]))];
        small.Generator.Generate(prompts, new TextGenerationOptions { MaxNewTokens = 2, BatchSize = 3 });
        Assert.Equal(1, shared.Loads);
        small.Generator.LogLikelihoods([.. prompts.Select(prompt => (prompt, "red"))], batchSize: 3);
        Assert.Equal(2, shared.Loads);
    }

    [Fact]
    public void ImagesOfAnySizeAreBroughtToTheModels()
    {
        using var small = new SmallModel();
        ImageData large = World.Question(WorldSplit.UnseenSeed, 5).Image.Load();
        ImageData doubled = BicubicResize.Resize(large, 131, 77);
        var prompt = new Document("test", "a", [new ImageSegment(doubled), new TextSegment("what")]);
        var squashed = new Document("test", "a", [new ImageSegment(BicubicResize.Resize(doubled, 48, 48)), new TextSegment("what")]);
        Assert.Equal(small.Generator.LogLikelihoods([(squashed, "red")]), small.Generator.LogLikelihoods([(prompt, "red")]));
    }

    [Fact]
    public void BadImagesAndCancellationEndTheCall()
    {
        using var small = new SmallModel();
        var prompt = new Document("test", "a", [new ImageSegment(new EncodedImage(new byte[] { 1, 2, 3 })), new TextSegment("what")]);
        Assert.Contains("not an image file", Assert.Throws<BadImageException>(() => small.Generator.Generate([prompt], new TextGenerationOptions())).Message, StringComparison.Ordinal);
        using var source = new CancellationTokenSource();
        int done = 0;
        var options = new TextGenerationOptions { BatchSize = 2, MaxNewTokens = 2, CancellationToken = source.Token, Progress = count => { done = count; source.Cancel(); } };
        Assert.Throws<OperationCanceledException>(() => small.Generator.Generate(Prompts(8), options));
        Assert.Equal(2, done);
        // The arenas are closed again.
        Assert.Equal(8, small.Generator.Generate(Prompts(8), new TextGenerationOptions { MaxNewTokens = 2 }).Count);
    }

    private sealed class CountingImage(IImageSource inner) : IImageSource
    {
        private int _loads;

        public int Loads => _loads;

        public ImageData Load()
        {
            Interlocked.Increment(ref _loads);
            return inner.Load();
        }
    }
}
