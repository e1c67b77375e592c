using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class RandomStreamTests
{
    [Fact]
    public void TheSameKeyGivesTheSameNumbersAndEveryPartOfTheKeyCounts()
    {
        ulong First(ulong seed, string purpose, long epoch, long index) => RandomStream.For(seed, purpose, epoch, index).Next();
        ulong[] different = [First(1, "a", 0, 0), First(2, "a", 0, 0), First(1, "b", 0, 0), First(1, "a", 1, 0), First(1, "a", 0, 1)];
        Assert.Equal(different.Length, different.Distinct().Count());
        Assert.Equal(First(1, "a", 0, 0), First(1, "a", 0, 0));
        Assert.Equal(807362924533398034ul, Golden());

        // The numbers are part of the format of every data set made from a seed: they never change.
        static ulong Golden()
        {
            RandomStream random = RandomStream.For(42, "golden", 3, 4);
            ulong mixed = 0;
            for (int i = 0; i < 100; i++) mixed = mixed * 31 + random.Next();
            return mixed;
        }
    }

    [Fact]
    public void BoundedNumbersAreUniform()
    {
        RandomStream random = RandomStream.For(7, "uniform");
        var counts = new int[6];
        for (int i = 0; i < 60_000; i++) counts[random.Below(6)]++;
        Assert.True(Statistics.ChiSquare(counts) < Statistics.Critical999(5));
        double sum = 0;
        for (int i = 0; i < 60_000; i++) sum += random.Uniform();
        Assert.InRange(sum / 60_000, 0.495, 0.505);
    }

    [Fact]
    public void WeightsOfZeroAreNeverDrawn()
    {
        RandomStream random = RandomStream.For(7, "weights");
        var counts = new int[4];
        for (int i = 0; i < 40_000; i++) counts[random.Weighted([0, 1, 3, 0])]++;
        Assert.Equal(0, counts[0] + counts[3]);
        Assert.InRange(counts[2] / (double)counts[1], 2.8, 3.2);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(7), InlineData(1000), InlineData(4097)]
    public void AShuffledSourceIsAPermutationAndANewOneEachEpoch(int count)
    {
        Document[] documents = [.. Enumerable.Range(0, count).Select(i => new Document("list", $"{i}", [new TextSegment("a")]))];
        var source = new ShuffledDocumentSource(new ListDocumentSource("list", documents), seed: 5);
        string[] first = [.. Enumerable.Range(0, count).Select(i => source.Read(0, i).Id)], second = [.. Enumerable.Range(0, count).Select(i => source.Read(1, i).Id)];
        Assert.Equal(count, first.Distinct().Count());
        Assert.Equal(count, second.Distinct().Count());
        if (count < 100) return;
        Assert.NotEqual(first, second);
        Assert.True(first.Where((id, i) => id == $"{i}").Count() < 10);
        Assert.Throws<ArgumentOutOfRangeException>(() => source.Read(0, count));
    }
}

internal static class Statistics
{
    /// <summary>Against equal shares.</summary>
    internal static double ChiSquare(IReadOnlyCollection<int> counts)
    {
        double expected = counts.Sum() / (double)counts.Count;
        return counts.Sum(count => (count - expected) * (count - expected) / expected);
    }

    /// <summary>The 99.9% quantile of chi-square, by degrees of freedom (Wilson-Hilferty).</summary>
    internal static double Critical999(int freedom)
    {
        double spread = 2.0 / (9 * freedom);
        return freedom * Math.Pow(1 - spread + 3.0902 * Math.Sqrt(spread), 3);
    }
}
