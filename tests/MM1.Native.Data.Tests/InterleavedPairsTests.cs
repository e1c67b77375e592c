using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class InterleavedPairsTests
{
    private static readonly ImageData Pixel = new(1, 1, [1, 2, 3]);

    private static ListDocumentSource Pairs(string name, int count) =>
        new(name, [.. Enumerable.Range(0, count).Select(i => new Document(name, $"{name}/{i}", [new TextSegment("before"), new ImageSegment(Pixel), new TextSegment($"{name} {i} "), new ImageSegment(Pixel), new TextSegment("not this")]))]);

    private static string[] Captions(Document document) => [.. document.Segments.OfType<TextSegment>().Select(static text => text.Text)];

    [Fact]
    public void DocumentsAreImagesEachWithItsCaptionAndALineFeed()
    {
        var source = new InterleavedPairs("series", [Pairs("a", 40), Pairs("b", 20)], 2, 5, seed: 3);
        var counts = new SortedSet<int>();
        var captions = new List<string>();
        Assert.Equal(60 * 2 / 7, source.DocumentsPerEpoch);
        for (long epoch = 0; epoch < 8; epoch++)
        {
            for (long i = 0; i < source.DocumentsPerEpoch; i++)
            {
                Document document = source.Read(epoch, i);
                Assert.Equal(("series", $"series/{epoch}/{i}"), (document.Source, document.Id));
                counts.Add(document.Segments.Count / 2);
                for (int k = 0; k < document.Segments.Count; k += 2)
                {
                    Assert.IsType<ImageSegment>(document.Segments[k]);
                    var text = Assert.IsType<TextSegment>(document.Segments[k + 1]);
                    Assert.Matches("^[ab] [0-9]+\n$", text.Text);
                    Assert.Equal(LossRole.Target, text.Role);
                    captions.Add(text.Text);
                }
            }
        }
        Assert.Equal([2, 3, 4, 5], counts);
        Assert.Equal(60, captions.Distinct().Count());
        Assert.InRange(captions.Count(static text => text[0] == 'a') / (double)captions.Count, 0.6, 0.73); // by their numbers: two thirds
    }

    /// <summary>With one source and documents of one length every pair comes once before any comes again.</summary>
    [Fact]
    public void NoPairReturnsBeforeAllWereTaken()
    {
        var source = new InterleavedPairs("series", [Pairs("a", 24)], 3, 3, seed: 5);
        Assert.Equal(8, source.DocumentsPerEpoch);
        string[][] epochs = [.. Enumerable.Range(0, 3).Select(epoch => Enumerable.Range(0, 8).SelectMany(i => Captions(source.Read(epoch, i))).ToArray())];
        Assert.All(epochs, static epoch => Assert.Equal(24, epoch.Distinct().Count()));
        Assert.NotEqual(epochs[0], epochs[1]);
    }

    [Fact]
    public void TheOrderIsAFunctionOfSeedAndPlace()
    {
        InterleavedPairs one = new("series", [Pairs("a", 30)], 2, 4, seed: 1), same = new("series", [Pairs("a", 30)], 2, 4, seed: 1), other = new("series", [Pairs("a", 30)], 2, 4, seed: 2);
        Assert.Equal(All(one), All(same));
        Assert.NotEqual(All(one), All(other));
        Assert.Equal("2 to 4 of a/30", one.Settings);

        static string[] All(InterleavedPairs source) => [.. Enumerable.Range(0, 10).Reverse().Select(i => string.Concat(Captions(source.Read(1, i))))];
    }

    [Fact]
    public void WhatIsNoPairIsABadDocumentAndProblemsAreKept()
    {
        BadDocumentException noImage = Assert.Throws<BadDocumentException>(() => Of([new TextSegment("words")]).Read(0, 0));
        Assert.Equal(("no pair", "x"), (noImage.Cause, noImage.Id));
        Assert.Equal("no pair", Assert.Throws<BadDocumentException>(() => Of([new ImageSegment(Pixel)]).Read(0, 0)).Cause);
        var problem = new DocumentProblem("missing", "an image is not there");
        var source = new InterleavedPairs("s", [new ListDocumentSource("a", [new Document("a", "x", [new ImageSegment(Pixel), new TextSegment("words")], [problem])])], 2, 2, 1);
        Assert.Equal([problem, problem], source.Read(0, 0).Problems);
        Assert.Throws<ArgumentException>(() => new InterleavedPairs("s", [], 1, 2, 1));
        Assert.Throws<ArgumentException>(() => new InterleavedPairs("s", [Pairs("a", 3)], 0, 2, 1));
        Assert.Throws<ArgumentException>(() => new InterleavedPairs("s", [Pairs("a", 3)], 3, 2, 1));

        static InterleavedPairs Of(Segment[] segments) => new("s", [new ListDocumentSource("a", [new Document("a", "x", segments)])], 1, 1, 1);
    }
}
