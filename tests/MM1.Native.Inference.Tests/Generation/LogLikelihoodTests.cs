using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class LogLikelihoodTests
{
    private static readonly SyntheticWorld World = new();

    private static (Document, string)[] Items()
    {
        Document question = World.Question(WorldSplit.UnseenSeed, 1).Prompt(), few = World.FewShot(WorldSplit.UnseenSeed, 2, 2).Prompt();
        return [(question, "red"), (question, "blue"), (question, "red\n"), (few, "it is red."), (few, "it is blue."), (few, "(red)"), (question, "not a word of it")];
    }

    [Fact]
    public void TheyAreTheSumsOfLogSoftmaxInFloat64()
    {
        using var small = new SmallModel();
        (Document Prompt, string Continuation)[] items = Items();
        double[] results = small.Generator.LogLikelihoods(items);
        int vocabulary = (int)SmallModel.Config.Decoder.Vocabulary;
        for (int i = 0; i < items.Length; i++)
        {
            EncodedDocument prompt = small.Generator.Encode(items[i].Prompt);
            int[] continuation = SmallModel.Tokenizer.Encode(items[i].Continuation);
            float[] logits = WholeModel.Logits(small, prompt, [.. prompt.Tokens, .. continuation]);
            double expected = 0;
            for (int t = 0; t < continuation.Length; t++)
            {
                double[] row = [.. logits.AsSpan((prompt.Tokens.Length - 1 + t) * vocabulary, vocabulary).ToArray().Select(value => (double)value)];
                double highest = row.Max();
                expected += row[continuation[t]] - highest - Math.Log(row.Sum(value => Math.Exp(value - highest)));
            }
            Assert.Equal(expected, results[i], 1e-5 * Math.Max(1, Math.Abs(expected)));
            Assert.True(results[i] < 0);
        }
        Assert.Equal(items.Length, results.Distinct().Count());
    }

    [Fact]
    public void TheyDoNotDependOnBatchSizeOrderOrNeighbours()
    {
        using var one = new SmallModel(threads: 1);
        using var two = new SmallModel(threads: 2);
        (Document, string)[] items = Items();
        double[] expected = [.. items.Select(item => one.Generator.LogLikelihoods([item])[0])];
        Assert.Equal(expected, one.Generator.LogLikelihoods(items, batchSize: 1));
        Assert.Equal(expected, two.Generator.LogLikelihoods(items, batchSize: 3));
        Assert.Equal(expected.Reverse(), two.Generator.LogLikelihoods([.. items.Reverse()], batchSize: 64));
    }

    [Fact]
    public void ContinuationsThatDifferInTheirLastTokenShareOnePass()
    {
        using var small = new SmallModel();
        Document prompt = World.Question(WorldSplit.UnseenSeed, 1).Prompt();
        int total = 0;
        double[] all = small.Generator.LogLikelihoods([.. WorldWords.Answers.Select(answer => (prompt, answer))], progress: (_, sequences) => total = sequences);
        Assert.Equal(1, total);
        // The probabilities of single tokens add up to at most one.
        Assert.InRange(all.Sum(Math.Exp), 0, 1);
        small.Generator.LogLikelihoods([(prompt, "(red)"), (prompt, "(blue)"), (prompt, "(red!")], progress: (_, sequences) => total = sequences);
        Assert.Equal(2, total);
    }

    [Fact]
    public void AnEmptyContinuationMeansNothing()
    {
        using var small = new SmallModel();
        Document prompt = World.Question(WorldSplit.UnseenSeed, 1).Prompt();
        Assert.Contains("empty continuation", Assert.Throws<ConfigurationException>(() => small.Generator.LogLikelihoods([(prompt, "")])).Message, StringComparison.Ordinal);
    }
}
