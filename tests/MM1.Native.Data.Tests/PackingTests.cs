using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>What a batch must be, whatever the documents: checked on random documents and options against the documents themselves.</summary>
public sealed class PackingTests
{
    private static readonly WordTokenizer Tokenizer = WorldWords.CreateTokenizer();
    private static readonly ImageData[] Images = [.. Enumerable.Range(1, 50).Select(i => new ImageData(2, 2, [.. Enumerable.Repeat((byte)i, 12)]))];

    /// <summary>Documents of random shape; the image's pixels tell which it is.</summary>
    private static ListDocumentSource Source(string name, int seed, int count, int longest)
    {
        RandomStream random = RandomStream.For((ulong)seed, name);
        var documents = new Document[count];
        for (int i = 0; i < count; i++)
        {
            var segments = new List<Segment>();
            int pieces = 1 + random.Below(longest);
            for (int j = 0; j < pieces; j++)
            {
                if (random.Chance(0.3)) segments.Add(new ImageSegment(Images[random.Below(Images.Length)]));
                else
                {
                    string[] words = new string[1 + random.Below(6)];
                    for (int k = 0; k < words.Length; k++) words[k] = Tokenizer.Words[random.Below(Tokenizer.Words.Count)];
                    segments.Add(new TextSegment(string.Join(' ', words), random.Chance(0.5) ? LossRole.Target : LossRole.Context));
                }
            }
            documents[i] = new Document(name, $"{name}/{i}", segments);
        }
        return new ListDocumentSource(name, documents);
    }

    private static MixtureSource[] Mixture(int seed, int longest = 6) =>
        [new(Source("first", seed, 17, longest), 0.6), new(Source("second", seed, 5, longest), 0.3), new(Source("third", seed, 1, longest), 0.1)];

    private static PackingOptions Options(int seed)
    {
        RandomStream random = RandomStream.For((ulong)seed, "options");
        int imageTokens = 1 + random.Below(5);
        return new PackingOptions
        {
            Seed = (ulong)seed,
            Sequences = 1 + random.Below(4),
            Length = imageTokens + random.Below(60),
            ImageTokens = imageTokens,
            ImageSize = 2,
            MaximumImages = 1 + random.Below(6),
            MaximumDocuments = random.Below(6),
            Lookahead = 1 + random.Below(6),
            LongDocuments = random.Chance(0.7) ? LongDocumentRule.Split : LongDocumentRule.Cut,
            Unit = (MixtureUnit)random.Below(3),
            ImageElement = random.Chance(0.5) ? ImageElement.UInt8 : ImageElement.Float32,
            Workers = 0,
        };
    }

    [Property(MaxTest = 300)]
    public void BatchesKeepTheirPromises(int seed)
    {
        MixtureSource[] mixture = Mixture(seed);
        PackingOptions options = Options(seed);
        float[] normalised = BatchAssembler.Normalisation(options);
        var encoded = mixture.SelectMany(source => Enumerable.Range(0, (int)source.Source.DocumentsPerEpoch).Select(i => source.Source.Read(0, i)))
            .ToDictionary(document => document.Id, document => EncodedDocument.Encode(document, Tokenizer, options.ImageTokens));
        using var loader = new BatchLoader(mixture, Tokenizer, options);
        long tokens = 0, targets = 0, images = 0;
        for (int number = 0; number < 6; number++)
        {
            using PackedBatch batch = loader.Next();
            Assert.Equal(number, batch.Index);
            int all = options.Sequences * options.Length, covered = 0, image = 0, counted = 0;
            int[] cu = batch.CuSeqlens.ToArray();
            Assert.Equal(options.DocumentCapacity + 1, cu.Length);
            Assert.Equal(0, cu[0]);
            Assert.All(cu[batch.DocumentCount..], entry => Assert.Equal(all, entry));
            Assert.All(Enumerable.Range(0, batch.DocumentCount), i => Assert.True(cu[i] < cu[i + 1]));
            Assert.Equal(batch.LongestDocument, Enumerable.Range(0, batch.DocumentCount).Max(i => cu[i + 1] - cu[i]));
            for (int i = 0; i < batch.DocumentCount; i++)
            {
                Assert.Equal(cu[i] / options.Length, (cu[i + 1] - 1) / options.Length); // no document crosses into another sequence
                for (int at = cu[i]; at < cu[i + 1]; at++) Assert.Equal(at - cu[i], batch.Positions.Span[at]);
                Assert.Equal(PackedBatch.IgnoreIndex, batch.Targets.Span[cu[i + 1] - 1]); // no target across documents
            }
            foreach (PackedDocument document in batch.Documents)
            {
                EncodedDocument truth = encoded[document.Id];
                Assert.Contains(document.Start, cu[..batch.DocumentCount]);
                Assert.Equal(document.Source, batch.SourceOfSequence[document.Start / options.Length]);
                Assert.Equal(truth.Tokens[document.Offset..(document.Offset + document.Length)], batch.TokenIds.Slice(document.Start, document.Length).ToArray());
                Assert.Equal(image, document.FirstImage);
                for (int i = 0; i < document.Length; i++)
                {
                    int at = document.Start + i, here = document.Offset + i;
                    int expected = i + 1 < document.Length && truth.IsTarget[here + 1] ? truth.Tokens[here + 1] : PackedBatch.IgnoreIndex;
                    Assert.Equal(expected, batch.Targets.Span[at]);
                    Assert.NotEqual(Tokenizer.ImageId, expected);
                    if (expected != PackedBatch.IgnoreIndex) counted++;
                    if (truth.Tokens[here] != Tokenizer.ImageId)
                    {
                        Assert.Equal(-1, batch.Placement.Span[at]);
                        continue;
                    }
                    int own = Array.FindLastIndex(truth.ImageStarts, start => start <= here);
                    int row = here - truth.ImageStarts[own];
                    Assert.Equal(image * options.ImageTokens + row, batch.Placement.Span[at]);
                    byte pixel = ((ImageData)truth.Images[own]).Pixels[0];
                    if (options.ImageElement == ImageElement.UInt8) Assert.Equal(pixel, batch.ImageBytes.Span[image * 12 + 5]);
                    else Assert.Equal(normalised[512 + pixel], batch.Images.Span[image * 12 + 5]);
                    if (row == options.ImageTokens - 1) image++;
                }
                Assert.Equal(image, document.FirstImage + document.Images); // an image is never cut
                covered += document.Length;
            }
            for (int sequence = 0; sequence < options.Sequences; sequence++)
            {
                PackedDocument[] own = [.. batch.Documents.Where(document => document.Start / options.Length == sequence)];
                Assert.InRange(own.Length, 1, options.DocumentsPerSequence);
                Assert.InRange(own.Sum(document => document.Images), 0, options.MaximumImages);
                int filled = sequence * options.Length + own.Sum(document => document.Length);
                for (int at = filled; at < (sequence + 1) * options.Length; at++)
                    Assert.Equal((Tokenizer.PaddingId, PackedBatch.IgnoreIndex, -1), (batch.TokenIds.Span[at], batch.Targets.Span[at], batch.Placement.Span[at]));
            }
            Assert.Equal((image, counted, covered), (batch.ImageCount, batch.TargetCount, batch.TokenCount));
            Assert.Equal(options.BucketFor(image), batch.PaddedImageCount);
            Assert.True(batch.PaddedImageCount >= image && batch.PaddedImageCount >= 1);
            if (options.ImageElement == ImageElement.UInt8) Assert.All(batch.ImageBytes.ToArray()[(image * 12)..], value => Assert.Equal(0, value));
            else Assert.All(batch.Images.ToArray()[(image * 12)..], value => Assert.Equal(0, value));
            (tokens, targets, images) = (tokens + covered, targets + counted, images + image);
        }
        SourceStatistics[] statistics = [.. loader.Cursor.Sources.Select(source => source.Statistics)];
        Assert.Equal((tokens, targets, images), (statistics.Sum(s => s.Tokens), statistics.Sum(s => s.Targets), statistics.Sum(s => s.Images)));
        Assert.Equal(6L * options.Sequences * options.Length, tokens + statistics.Sum(s => s.Padding));
    }

    [Property(MaxTest = 200)]
    public void EveryTokenOfEveryDocumentComesExactlyOnce(int seed)
    {
        MixtureSource[] mixture = Mixture(seed, longest: 12);
        PackingOptions options = Options(seed);
        using var loader = new BatchLoader(mixture, Tokenizer, options);
        var given = new Dictionary<string, List<(int Offset, int Length)>>();
        for (int i = 0; i < 12; i++)
        {
            using PackedBatch batch = loader.Next();
            foreach (PackedDocument document in batch.Documents)
            {
                if (!given.TryGetValue(document.Id, out List<(int, int)>? pieces)) given[document.Id] = pieces = [];
                pieces.Add((document.Offset, document.Length));
            }
        }
        for (int s = 0; s < mixture.Length; s++)
        {
            SourceCursor cursor = loader.Cursor.Sources[s];
            long cut = 0, splits = 0;
            for (int i = 0; i < mixture[s].Source.DocumentsPerEpoch; i++)
            {
                EncodedDocument document = EncodedDocument.Encode(mixture[s].Source.Read(0, i), Tokenizer, options.ImageTokens);
                // Times that the source read it, less those still waiting, are the times that all of it was placed.
                long read = cursor.Epoch + (i < cursor.Index ? 1 : 0);
                PendingDocument[] waiting = [.. cursor.Pending.Where(pending => pending.Index == i)];
                List<(int Offset, int Length)> pieces = given.GetValueOrDefault(document.Id) ?? [];
                var times = new int[document.Tokens.Length];
                foreach ((int offset, int length) in pieces)
                    for (int at = offset; at < offset + length; at++) times[at]++;
                for (int at = 0; at < times.Length; at++)
                {
                    long expected = read - waiting.Count(pending => pending.Offset <= at);
                    if (options.LongDocuments == LongDocumentRule.Split) Assert.Equal(expected, times[at]);
                    else cut += expected - times[at];
                }
                splits += pieces.Count(piece => piece.Offset + piece.Length < document.Tokens.Length);
            }
            Assert.Equal(options.LongDocuments == LongDocumentRule.Cut ? cut : 0, cursor.Statistics.CutTokens);
            if (options.LongDocuments == LongDocumentRule.Split) Assert.Equal(splits, cursor.Statistics.Splits);
        }
    }

    [Property(MaxTest = 60)]
    public void AResumedMixtureGoesOnWithTheVeryNextBatch(int seed)
    {
        MixtureSource[] mixture = Mixture(seed, longest: 12);
        PackingOptions options = Options(seed);
        using var whole = new BatchLoader(mixture, Tokenizer, options);
        for (int i = 0; i < 8; i++)
        {
            string saved = whole.Cursor.ToJson();
            using var resumed = new BatchLoader(Mixture(seed, longest: 12), Tokenizer, options, MixtureCursor.FromJson(saved));
            Assert.Equal(saved, resumed.Cursor.ToJson());
            using PackedBatch expected = whole.Next(), actual = resumed.Next();
            Same(expected, actual);
            Assert.Equal(whole.Cursor.ToJson(), resumed.Cursor.ToJson());
        }
    }

    [Theory, InlineData(1), InlineData(2), InlineData(4)]
    public void AnyNumberOfWorkersGivesTheSameBatches(int workers)
    {
        var world = new SyntheticWorld();
        MixtureSource[] mixture = [new(world.Captions, 0.45), new(world.Interleaved, 0.45), new(world.Text, 0.10)];
        var options = new PackingOptions { Sequences = 3, Length = 200, ImageTokens = 9, ImageSize = 48, Workers = 0 };
        using var alone = new BatchLoader(mixture, Tokenizer, options);
        using var crowd = new BatchLoader(mixture, Tokenizer, options with { Workers = workers, Prefetch = 3 });
        MixtureCursor? middle = null;
        for (int i = 0; i < 30; i++)
        {
            using PackedBatch expected = alone.Next(), actual = crowd.Next();
            Same(expected, actual);
            Assert.Equal(alone.Cursor.ToJson(), crowd.Cursor.ToJson()); // of the consumed batch, however far the workers are ahead
            if (i == 14) middle = crowd.Cursor;
            if (i < 15) continue;
        }
        using var resumed = new BatchLoader(mixture, Tokenizer, options with { Workers = workers, Prefetch = 7 }, middle);
        using var again = new BatchLoader(mixture, Tokenizer, options, middle);
        for (int i = 0; i < 15; i++)
        {
            using PackedBatch expected = again.Next(), actual = resumed.Next();
            Assert.Equal(15 + i, actual.Index);
            Same(expected, actual);
        }
        Assert.Equal(alone.Cursor.ToJson(), resumed.Cursor.ToJson());
    }

    [Theory, InlineData(MixtureUnit.Sequence), InlineData(MixtureUnit.Document), InlineData(MixtureUnit.Token)]
    public void WeightsAreSharesOfTheUnit(MixtureUnit unit)
    {
        Document[] shorts = [new("short", "0", [new TextSegment("red")])], longs = [new("long", "0", [new TextSegment(string.Join(' ', Enumerable.Repeat("red", 24)))])];
        MixtureSource[] mixture = [new(new ListDocumentSource("short", shorts), 3), new(new ListDocumentSource("long", longs), 1)];
        // A sequence holds 8 short documents (16 tokens of 40, the limit of documents) or 1 long one (25 tokens).
        var options = new PackingOptions { Unit = unit, Sequences = 50, Length = 40, ImageTokens = 4, ImageSize = 2, MaximumDocuments = 8, Workers = 0 };
        using var loader = new BatchLoader(mixture, Tokenizer, options);
        for (int i = 0; i < 100; i++) loader.Next().Dispose();
        SourceStatistics few = loader.Cursor.Sources[0].Statistics, many = loader.Cursor.Sources[1].Statistics;
        double share = unit switch
        {
            MixtureUnit.Sequence => few.Sequences / (double)(few.Sequences + many.Sequences),
            MixtureUnit.Document => few.Documents / (double)(few.Documents + many.Documents),
            _ => few.Tokens / (double)(few.Tokens + many.Tokens),
        };
        Assert.InRange(share, 0.73, 0.77);
        Assert.Equal(16.0 / 40, few.Efficiency, 6);
        Assert.Equal(25.0 / 40, many.Efficiency, 6);
    }

    [Fact]
    public void ReadingAheadFillsSequencesBetter()
    {
        var world = new SyntheticWorld();
        var options = new PackingOptions { Sequences = 8, Length = 256, ImageTokens = 16, ImageSize = 48, Workers = 0 };
        double strict = Efficiency(options with { Lookahead = 1 }), ahead = Efficiency(options);
        Assert.True(ahead > 0.9 && ahead > strict + 0.05, $"{strict:F3} in strict order, {ahead:F3} with reading ahead");

        double Efficiency(PackingOptions each)
        {
            var planner = new SequencePlanner([new(world.Captions, 0.45), new(world.Interleaved, 0.45), new(world.Text, 0.10)], Tokenizer, each, null, default);
            for (int i = 0; i < 50; i++) planner.Next(default);
            return planner.Cursor.Sources.Sum(source => source.Statistics.Tokens) / (50.0 * each.Sequences * each.Length);
        }
    }

    internal static void Same(PackedBatch expected, PackedBatch actual)
    {
        Assert.Equal(expected.Index, actual.Index);
        Assert.Equal(expected.TokenIds.ToArray(), actual.TokenIds.ToArray());
        Assert.Equal(expected.Positions.ToArray(), actual.Positions.ToArray());
        Assert.Equal(expected.Targets.ToArray(), actual.Targets.ToArray());
        Assert.Equal(expected.Placement.ToArray(), actual.Placement.ToArray());
        Assert.Equal(expected.CuSeqlens.ToArray(), actual.CuSeqlens.ToArray());
        Assert.Equal(expected.SourceOfSequence, actual.SourceOfSequence);
        Assert.Equal(expected.Documents, actual.Documents);
        Assert.True(expected.Images.Span.SequenceEqual(actual.Images.Span));
        Assert.True(expected.ImageBytes.Span.SequenceEqual(actual.ImageBytes.Span));
        Assert.Equal((expected.DocumentCount, expected.ImageCount, expected.PaddedImageCount, expected.TargetCount, expected.TokenCount),
            (actual.DocumentCount, actual.ImageCount, actual.PaddedImageCount, actual.TargetCount, actual.TokenCount));
    }
}
