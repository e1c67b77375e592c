using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>What goes wrong around batches: bad settings, bad documents, bad images, cancellation.</summary>
public sealed class BatchLoaderTests
{
    private static readonly WordTokenizer Tokenizer = WorldWords.CreateTokenizer();
    private static readonly ImageData Pixels = new(2, 2, new byte[12]);
    private static readonly PackingOptions Options = new() { Sequences = 2, Length = 16, ImageTokens = 4, ImageSize = 2, Workers = 0 };

    private static ListDocumentSource List(params Segment[] segments) => new("list", [new Document("list", "0", segments)]);

    private static BatchLoader Open(IDocumentSource source, PackingOptions? options = null, double weight = 1) => new([new(source, weight)], Tokenizer, options ?? Options);

    private static void Drain(BatchLoader loader)
    {
        while (true) loader.Next().Dispose();
    }

    private sealed class Scripted(Func<long, Document> read) : IDocumentSource
    {
        public string Name => "scripted";
        public long DocumentsPerEpoch => 1L << 40;
        public Document Read(long epoch, long index, CancellationToken cancellationToken = default) => read(index);
    }

    private sealed class BrokenImage : IImageSource
    {
        public ImageData Load() => throw new BadImageException(BadImageException.Truncated, "half a file");
    }

    [Theory, InlineData(0.0), InlineData(-1.0), InlineData(double.NaN), InlineData(double.PositiveInfinity)]
    public void WeightsMustBePositive(double weight) =>
        Assert.Contains("weight of source 'list'", Assert.Throws<ArgumentException>(() => Open(List(new TextSegment("a")), weight: weight)).Message, StringComparison.Ordinal);

    [Fact]
    public void SettingsOutOfRangeAreRefusedByName()
    {
        ListDocumentSource list = List(new TextSegment("a"));
        Refused(Options with { Sequences = 0 }, "sequences");
        Refused(Options with { Length = 0 }, "length");
        Refused(Options with { ImageTokens = 0 }, "image tokens");
        Refused(Options with { Lookahead = 0 }, "lookahead");
        Refused(Options with { MaximumImages = -1 }, "maximum images");
        Refused(Options with { BadLimit = 2 }, "limit");
        Refused(Options with { Mean = [0] }, "mean");
        Refused(Options with { ImageBuckets = [4] }, "8 images");
        Refused(Options with { ImageBuckets = [8, 4, 9] }, "ascend");
        Assert.Contains("two sources", Assert.Throws<ArgumentException>(() => new BatchLoader([new(list, 1), new(list, 1)], Tokenizer, Options)).Message, StringComparison.Ordinal);
        Assert.Contains("at least one", Assert.Throws<ArgumentException>(() => new BatchLoader([], Tokenizer, Options)).Message, StringComparison.Ordinal);

        void Refused(PackingOptions options, string says) =>
            Assert.Contains(says, Assert.Throws<ArgumentException>(() => Open(list, options)).Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(0), InlineData(2)]
    public void AnImageThatNoSequenceHoldsIsAnError(int workers)
    {
        ListDocumentSource list = List(new ImageSegment(Pixels), new TextSegment("a"));
        using BatchLoader small = Open(list, Options with { Length = 3, Workers = workers });
        Assert.Contains("an image of 4 tokens, and a sequence holds 3", Assert.Throws<InvalidDataException>(() => small.Next()).Message, StringComparison.Ordinal);
        using BatchLoader none = Open(list, Options with { MaximumImages = 0, Workers = workers });
        Assert.Contains("may hold none", Assert.Throws<InvalidDataException>(() => none.Next()).Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(0), InlineData(2)]
    public void AnImageOfAnotherSizeNeedsPreparation(int workers)
    {
        ListDocumentSource list = List(new ImageSegment(new ImageData(3, 2, new byte[18])), new TextSegment("a"));
        using BatchLoader loader = Open(list, Options with { Workers = workers });
        Assert.Contains("3 x 2", Assert.Throws<InvalidOperationException>(() => loader.Next()).Message, StringComparison.Ordinal);
        using BatchLoader prepared = Open(list, Options with { Workers = workers, Preparation = new Cropping() });
        using PackedBatch batch = prepared.Next();
        Assert.True(batch.ImageCount > 0);
    }

    private sealed class Cropping : IImagePreparation
    {
        public ImageData Prepare(ImageData image, int size) => new(size, size, new byte[3 * size * size]);
    }

    [Fact]
    public void BadDocumentsAreCountedByCauseUpToALimit()
    {
        var source = new Scripted(index => index % 50 == 0 ? throw new BadDocumentException("truncated", "cut off")
            : new Document("scripted", $"{index}", index % 50 == 1 ? [] : [new TextSegment("a red circle")]));
        using BatchLoader loader = Open(source, Options with { BadLimit = 0.05 });
        for (int i = 0; i < 300; i++) loader.Next().Dispose();
        SourceStatistics statistics = loader.Cursor.Sources[0].Statistics;
        Assert.Equal(["empty", "truncated"], statistics.Bad.Keys);
        Assert.InRange(statistics.Bad["truncated"], statistics.Read / 50, statistics.Read / 50 + 1);
        using BatchLoader strict = Open(source, Options with { BadLimit = 0.03 });
        InvalidDataException stopped = Assert.Throws<InvalidDataException>(() => Drain(strict));
        Assert.Contains("truncated: 21", stopped.Message, StringComparison.Ordinal);
        using BatchLoader hopeless = Open(new Scripted(_ => throw new BadDocumentException("gone", "gone")), Options with { BadLimit = 1 });
        Assert.Contains("gone: 1000", Assert.Throws<InvalidDataException>(() => hopeless.Next()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADocumentWithABadImageHasNoTargets()
    {
        var broken = new Document("scripted", "broken", [new ImageSegment(new BrokenImage()), new TextSegment("a red circle")]);
        var good = new Document("scripted", "good", [new ImageSegment(Pixels), new TextSegment("a red circle")]);
        using BatchLoader loader = Open(new Scripted(index => index % 2 == 0 ? broken : good), Options with { BadLimit = 0.1 });
        using (PackedBatch batch = loader.Next())
        {
            Assert.True(batch.BadImages > 0);
            BadImage first = batch.BadImageList[0];
            Assert.Equal(new BadImage("broken", 0, 0, "truncated", "half a file"), first);
            Assert.Equal(["truncated"], batch.BadImagesByCause.Keys);
            Assert.Equal(new BadImageCount(batch.BadImages, "document 'broken', image 0: half a file"), batch.BadImagesByCause["truncated"]);
            Assert.Equal(batch.BadImages, loader.Cursor.BadImages);
            foreach (PackedDocument document in batch.Documents)
                Assert.Equal(document.Id == "good", batch.Targets.Slice(document.Start, document.Length).ToArray().Any(target => target != PackedBatch.IgnoreIndex));
        }
        InvalidDataException stopped = Assert.Throws<InvalidDataException>(() => Drain(loader));
        Assert.Contains("half a file", stopped.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFailureOfTheSourceReachesTheConsumerAfterTheGoodBatches()
    {
        var source = new Scripted(index => index < 100 ? new Document("scripted", $"{index}", [new TextSegment("a red circle")]) : throw new IOException("the disk is gone"));
        using BatchLoader loader = Open(source, Options with { Workers = 2 });
        Assert.Equal("the disk is gone", Assert.Throws<IOException>(() => Drain(loader)).Message);
        Assert.True(loader.Cursor.Batches > 5);
    }

    [Fact]
    public async Task ACancelledWaitLosesNoBatch()
    {
        using var gate = new SemaphoreSlim(0);
        var source = new Scripted(index =>
        {
            if (index == 64) gate.Wait();
            return new Document("scripted", $"{index}", [new TextSegment("a red circle")]);
        });
        await using BatchLoader loader = Open(source, Options with { Workers = 1, Lookahead = 1 });
        long next = 0;
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            while (true)
            {
                using PackedBatch batch = await loader.NextAsync(soon.Token);
                Assert.Equal(next++, batch.Index);
            }
        });
        Assert.True(next > 2);
        gate.Release();
        using PackedBatch after = await loader.NextAsync(CancellationToken.None);
        Assert.Equal(next, after.Index);
        Assert.True(loader.Waited > TimeSpan.Zero);
    }

    [Fact]
    public void WorkersStayWithinTheirBounds()
    {
        long read = 0;
        var source = new Scripted(index =>
        {
            Interlocked.Exchange(ref read, index + 1);
            return new Document("scripted", $"{index}", [new TextSegment("a red circle")]);
        });
        using BatchLoader loader = Open(source, Options with { Workers = 3, Prefetch = 2, Lookahead = 1 });
        loader.Next().Dispose();
        Thread.Sleep(100);
        // 8 documents a batch (2 sequences of 3 and a bit): one used, two waiting, one planned.
        Assert.InRange(Interlocked.Read(ref read), 8, 40);
    }

    [Fact]
    public void DisposingStopsAtOnceAndABatchIsUsedAgain()
    {
        BatchLoader loader = Open(List(new TextSegment("a red circle")), Options with { Workers = 2 });
        loader.Next().Dispose();
        loader.Dispose();
        loader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => loader.Next());
        using BatchLoader one = Open(List(new TextSegment("a red circle")));
        PackedBatch first = one.Next();
        first.Dispose();
        first.Dispose();
        PackedBatch second = one.Next();
        Assert.Same(first, second);
        Assert.NotSame(second, one.Next());
    }

    [Fact]
    public void ACursorOfOtherSettingsIsRefused()
    {
        ListDocumentSource list = List(new TextSegment("a"));
        using BatchLoader loader = Open(list);
        loader.Next().Dispose();
        ArgumentException refused = Assert.Throws<ArgumentException>(() => new BatchLoader([new(list, 1)], Tokenizer, Options with { Length = 32 }, loader.Cursor));
        Assert.Contains("length=16", refused.Message, StringComparison.Ordinal);
        Assert.Contains("length=32", refused.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => MixtureCursor.FromJson("{}"));
        Assert.Throws<InvalidDataException>(() => MixtureCursor.FromJson("null"));
        using var more = new BatchLoader([new(list, 1)], Tokenizer, Options with { Workers = 3, Prefetch = 9 }, loader.Cursor); // these two change nothing
    }

    [Fact]
    public void TheFirstTextAfterAnImageIsATargetAndPromptsHaveNoEnd()
    {
        var document = new Document("d", "0", [new ImageSegment(Pixels), new TextSegment("red circle"), new TextSegment("what?", LossRole.Context), new TextSegment("blue\n")]);
        using BatchLoader loader = Open(new ListDocumentSource("d", [document]), Options with { Sequences = 1 });
        using PackedBatch batch = loader.Next();
        int[] Ids(string text) => Tokenizer.Encode(text);
        const int Ignore = PackedBatch.IgnoreIndex;
        Assert.Equal([Ignore, Ignore, Ignore, Ids("red")[0], Ids("circle")[0], Ignore, Ignore, Ids("blue")[0], Tokenizer.NewlineId, Tokenizer.DocumentEndId, Ignore],
            batch.Targets.ToArray()[..11]);
        EncodedDocument prompt = EncodedDocument.Encode(document, Tokenizer, 4, endDocument: false);
        Assert.Equal(Tokenizer.NewlineId, prompt.Tokens[^1]);
    }

    [Fact]
    public void NormalisationIsPerChannel()
    {
        var image = new ImageData(2, 2, [.. Enumerable.Range(0, 12).Select(i => (byte)(i * 20))]);
        using BatchLoader loader = Open(List(new ImageSegment(image), new TextSegment("a")), Options with { Mean = [0.1f, 0.2f, 0.3f], StandardDeviation = [0.5f, 0.25f, 2] });
        using PackedBatch batch = loader.Next();
        float[] mean = [0.1f, 0.2f, 0.3f], deviation = [0.5f, 0.25f, 2];
        for (int i = 0; i < 12; i++) Assert.Equal((i * 20 / 255f - mean[i % 3]) / deviation[i % 3], batch.Images.Span[i]);
    }
}
