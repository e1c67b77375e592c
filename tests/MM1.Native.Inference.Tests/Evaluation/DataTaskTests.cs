using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Inference.Tests;

/// <summary>Tasks over documents: classes by captions, perplexity of text.</summary>
public sealed class DataTaskTests
{
    private static readonly string[] Captions = ["a photo of a red square", "a photo of an empty circle", "a photo of two shapes"];

    /// <summary>Images of random pixels, the captions in turn.</summary>
    private static ListDocumentSource Pairs(string name, int count, int first = 0)
    {
        var random = new Random(17 + first);
        return new ListDocumentSource(name, [.. Enumerable.Range(first, count).Select(i =>
        {
            var pixels = new byte[3 * 48 * 48];
            random.NextBytes(pixels);
            return new Document(name, $"{name}/{i}", [new ImageSegment(new ImageData(48, 48, pixels)), new TextSegment(Captions[i % 3])]);
        })]);
    }

    private static IEvaluationTask ClassTask => EvaluationTasks.Load("caption-class");

    private static double LogLikelihood(SmallModel small, Document prompt, string caption)
    {
        EncodedDocument encoded = small.Generator.Encode(prompt);
        int[] continuation = SmallModel.Tokenizer.Encode(caption);
        return SumOfLogs(WholeModel.Logits(small, encoded, [.. encoded.Tokens, .. continuation]), [.. encoded.Tokens, .. continuation], encoded.Tokens.Length);
    }

    /// <summary>Sum of ln p of the tokens from <paramref name="first"/> on, in float64, each from the logits of the one before it.</summary>
    private static double SumOfLogs(float[] logits, int[] tokens, int first)
    {
        int vocabulary = (int)SmallModel.Config.Decoder.Vocabulary;
        double sum = 0;
        for (int t = first; t < tokens.Length; t++)
        {
            double[] row = [.. logits.AsSpan((t - 1) * vocabulary, vocabulary).ToArray().Select(static value => (double)value)];
            double highest = row.Max();
            sum += row[tokens[t]] - highest - Math.Log(row.Sum(value => Math.Exp(value - highest)));
        }
        return sum;
    }

    /// <summary>The known answer: each caption alone behind the image, scored by the whole model's logits.</summary>
    [Fact]
    public void TheClassIsTheMostLikelyCaptionAndTheGreedyOneStandsBeside()
    {
        using var small = new SmallModel();
        ListDocumentSource data = Pairs("data", 12);
        var options = new EvaluationOptions { Data = data, LogSamples = true };
        EvaluationResult result = Evaluator.Run(ClassTask, small.Generator, options);
        Assert.Equal(12, result.Items);
        int right = 0;
        var byClass = new Dictionary<string, List<bool>>();
        foreach (EvaluationSample sample in result.Samples!)
        {
            Document document = data.Read(0, int.Parse(sample.Id.Split('/')[1], System.Globalization.CultureInfo.InvariantCulture));
            var prompt = new Document("t", sample.Id, [document.Segments[0]]);
            string best = Captions.MaxBy(caption => LogLikelihood(small, prompt, caption))!, truth = ((TextSegment)document.Segments[1]).Text;
            Assert.Equal((best, truth, best == truth), (sample.Output, sample.Truth, sample.Correct));
            if (best == truth) right++;
            if (!byClass.TryGetValue(truth, out List<bool>? list)) byClass[truth] = list = [];
            list.Add(best == truth);
        }
        Assert.Equal(right / 12.0, result.Metrics["accuracy"], 12);
        foreach ((string caption, string name) in Captions.Zip(["red_square", "empty_circle", "two_shapes"]))
            Assert.Equal(byClass[caption].Average(static good => good ? 1.0 : 0), result.Metrics["accuracy_" + name], 12);
        IReadOnlyList<EvaluationItem> items = ClassTask.Items(options);
        IReadOnlyList<GeneratedText> written = small.Generator.Generate([.. items.Select(static item => item.Prompt)], new TextGenerationOptions { MaxNewTokens = 16 });
        Assert.Equal(items.Zip(written).Average(static pair => pair.Second.Text.Trim() == pair.First.Truth ? 1.0 : 0), result.Metrics["accuracy_greedy"], 12);
    }

    /// <summary>Who writes the truth is right: a model is not needed to know what counts.</summary>
    [Fact]
    public void CaptionsAreJudgedAsTheyAre()
    {
        IReadOnlyList<EvaluationItem> items = ClassTask.Items(new EvaluationOptions { Data = Pairs("data", 6) });
        Assert.All(items, static item => Assert.True(item.Score(item.Truth).IsCorrect));
        Assert.All(items, static item => Assert.False(item.Score(item.Truth + "s").IsCorrect));
        ScoredItem[] scored = [.. items.Select(static (item, i) => new ScoredItem(item, item.Truth, item.Score(i < 3 ? item.Truth : "")) { Written = item.Score(i == 0 ? item.Truth : "") })];
        IReadOnlyDictionary<string, double> metrics = ClassTask.Metrics(scored);
        Assert.Equal((0.5, 1 / 6.0), (metrics["accuracy"], metrics["accuracy_greedy"]));
    }

    [Fact]
    public void ItemsDoNotDependOnLimitBatchOrSelection()
    {
        using var small = new SmallModel();
        var options = new EvaluationOptions { Data = Pairs("data", 30), DemonstrationData = Pairs("shots", 9, first: 100), Shots = 2, LogSamples = true };
        EvaluationResult all = Evaluator.Run(ClassTask, small.Generator, options), fewer = Evaluator.Run(ClassTask, small.Generator, options with { Limit = 7, BatchSize = 3 });
        Assert.Equal(all.Samples!.Take(7).Select(Words), fewer.Samples!.Select(Words));
        EvaluationSample wanted = all.Samples![20];
        Assert.Equal(Words(wanted), Words(Evaluator.Run(ClassTask, small.Generator, options with { SampleIds = [wanted.Id] }).Samples![0]));
        Assert.True(all.Samples!.Take(7).Select(static sample => sample.Truth).Distinct().Count() > 1); // the data go through the classes in turn; so would any order that is random
        Assert.NotEqual(Enumerable.Range(0, 30).Select(static i => $"data/{i}"), all.Samples!.Select(static sample => sample.Id));
        Assert.All(all.Samples!, static sample =>
        {
            Assert.Equal(3, sample.Images.Count);
            Assert.All(sample.ImageSources.Take(2), static name => Assert.StartsWith("shots/", name, StringComparison.Ordinal));
            Assert.Matches("^<image>a photo of [a-z ]+\n<image>a photo of [a-z ]+\n<image>$", sample.Prompt);
        });

        static string Words(EvaluationSample sample) => $"{sample.Id} {string.Join(',', sample.ImageSources)} {sample.Output} {sample.Truth}";
    }

    [Fact]
    public void ClassesCanBeNamedAndBlindItemsKeepNoImage()
    {
        IEvaluationTask task = EvaluationTasks.Parse("name: t\nkind: captionClass\nclasses: [a photo of a red square, a photo of an empty circle, a photo of two shapes, none of them]\nmetrics: [accuracy]", "t.yaml");
        ListDocumentSource data = Pairs("data", 9);
        Assert.Equal(4, task.Candidates(new EvaluationOptions { Data = data })!.Count);
        IReadOnlyList<EvaluationItem> seeing = task.Items(new EvaluationOptions { Data = data }), blind = task.Items(new EvaluationOptions { Data = data, Blind = true });
        Assert.All(seeing.Zip(blind), static pair => Assert.NotEqual(pair.First.ImageNames, pair.Second.ImageNames));
        Assert.Equal(["accuracy"], task.Metrics([.. seeing.Select(static item => new ScoredItem(item, "", item.Score("")))]).Keys);
    }

    [Fact]
    public void WhatCannotBeUsedIsSaid()
    {
        using var small = new SmallModel();
        Fails("needs data: images with captions", new EvaluationOptions());
        Fails("needs data for its 2 examples", new EvaluationOptions { Data = Pairs("data", 6), Shots = 2 });
        Fails("9 examples were asked for; the data for them of task 'caption-class' have 3", new EvaluationOptions { Data = Pairs("data", 6), DemonstrationData = Pairs("shots", 3), Shots = 9 });
        Fails("have 1 different captions", new EvaluationOptions { Data = Pairs("data", 1) });
        Fails("'x' of the data of task 'caption-class' is no image with a caption after it", new EvaluationOptions { Data = new ListDocumentSource("d", [new Document("d", "x", [new TextSegment("words")])]) });
        Fails("has no split", new EvaluationOptions { Data = Pairs("data", 6), Split = WorldSplit.Train });
        Fails("only tasks of kind 'format'", new EvaluationOptions { Data = Pairs("data", 6), WrongFormat = true });
        IEvaluationTask named = EvaluationTasks.Parse("name: t\nkind: captionClass\nclasses: [one, two]", "t.yaml");
        Assert.Contains("which is none of the 2 classes", Assert.Throws<ConfigurationException>(() => named.Items(new EvaluationOptions { Data = Pairs("data", 6) })).Message, StringComparison.Ordinal);
        foreach ((string yaml, string expected) in new[]
        {
            ("name: t\nkind: captionClass\nshot: 1", "t.yaml:3: 'shot' is not a known key; the nearest is 'shots'"),
            ("name: t\nkind: captionClass\nclasses: [one]", "'classes' must be 2 or more"),
            ("name: t\nkind: captionClass\nmetrics: [acuracy]", "the nearest is 'accuracy'"),
            ("name: t\nkind: captionClass\nlimit: 0", "'limit' is 0"),
            ("name: t\nkind: captionClas", "the nearest is 'captionClass'"),
            ("name: t\nkind: textPerplexity\nwindow: 1", "'window' is 1"),
            ("name: t\nkind: textPerplexity\nwidow: 8", "the nearest is 'window'"),
        })
            Assert.Contains(expected, Assert.Throws<ConfigurationException>(() => EvaluationTasks.Parse(yaml, "t.yaml")).Message, StringComparison.Ordinal);

        void Fails(string expected, EvaluationOptions options) =>
            Assert.Contains(expected, Assert.Throws<ConfigurationException>(() => Evaluator.Run(ClassTask, small.Generator, options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ShortNamesOfClassesLeaveOutWhatTheyShare()
    {
        Assert.Equal(["red_square_and_a_blue_circle", "photo_of_two_shapes"], CaptionClassTask.ShortNames(["a red square and a blue circle", "a photo of two shapes"]).Values);
        Assert.Equal(["airplane", "cat"], CaptionClassTask.ShortNames(["a photo of an airplane", "a photo of a cat"]).Values);
        Assert.Equal(["a_photo_of_a_cat", "a_photo_of_the_cat"], CaptionClassTask.ShortNames(["a photo of a cat", "a photo of the cat"]).Values);
        Assert.Equal(["a", "b"], CaptionClassTask.ShortNames(["a", "a b"]).Values);
    }

    /// <summary>The known answer: the logits of whole documents, in float64; windows see what stands in them alone.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(8)]
    public void PerplexityIsThatOfTheLogits(int? window)
    {
        using var small = new SmallModel();
        string[] texts = ["what colour is the square?", "there are two circles and a red triangle, one below the other. zig-zag!", "a"];
        var data = new ListDocumentSource("text", [.. texts.Select(static (text, i) => new Document("text", $"text/{i}", [new TextSegment(text)]))]);
        IEvaluationTask task = EvaluationTasks.Parse($"name: t\nkind: textPerplexity\nwindow: {window?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"}", "t.yaml");
        double sum = 0;
        int tokens = 0, words = 0, bytes = 0;
        foreach (string text in texts)
        {
            int[] ids = SmallModel.Tokenizer.Encode(text);
            for (int begin = 0, first = 1; first < ids.Length; begin += (window ?? 256) / 2)
            {
                int[] part = ids[begin..Math.Min(ids.Length, begin + (window ?? 256))];
                sum += SumOfLogs(WholeModel.Logits(small, new EncodedDocument("t", part, [], [], []), part), part, first - begin);
                first = begin + part.Length;
            }
            string scored = SmallModel.Tokenizer.Decode(ids.AsSpan(1));
            tokens += ids.Length - 1;
            words += scored.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
            bytes += scored.Length;
        }
        foreach (int size in new[] { 1, 64 })
        {
            EvaluationResult result = Evaluator.Run(task, small.Generator, new EvaluationOptions { Data = data, BatchSize = size });
            Assert.Equal((3, tokens, words), (result.Items, (int)result.Metrics["tokens"], (int)result.Metrics["words"]));
            Assert.Equal(Math.Exp(-sum / tokens), result.Metrics["perplexity"], 1e-4 * Math.Exp(-sum / tokens));
            Assert.Equal(-sum / words, Math.Log(result.Metrics["perplexity_word"]), 1e-5 * -sum / words);
            Assert.Equal(-sum / Math.Log(2) / bytes, result.Metrics["bits_per_byte"], 1e-5 * -sum / bytes);
        }
        var pictures = new EvaluationOptions { Data = Pairs("data", 3) };
        Assert.Contains("measures text alone", Assert.Throws<ConfigurationException>(() => task.Items(pictures)).Message, StringComparison.Ordinal);
        Assert.Contains("needs data: text", Assert.Throws<ConfigurationException>(() => task.Items(new EvaluationOptions())).Message, StringComparison.Ordinal);
        IEvaluationTask wide = EvaluationTasks.Parse("name: t\nkind: textPerplexity\nwindow: 100000", "t.yaml");
        Assert.Contains("the model takes 2 to 256", Assert.Throws<ConfigurationException>(() => Evaluator.Run(wide, small.Generator, new EvaluationOptions { Data = data })).Message, StringComparison.Ordinal);
    }
}
