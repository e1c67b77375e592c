using System.Formats.Tar;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Batches of real readers, with bad samples among them: the same after any cut and with any number of workers, every bad sample told once.</summary>
public sealed class PipelineTests : IDisposable
{
    private const int Batches = 40;
    private static readonly WordTokenizer Tokenizer = WorldWords.CreateTokenizer();
    private static readonly PackingOptions Options = new() { Sequences = 3, Length = 40, ImageTokens = 4, ImageSize = 2, Workers = 0, BadLimit = 1, Lookahead = 5, ImageElement = ImageElement.UInt8 };
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Shards, a text, JSON lines; each has samples that are bad in one way or another.</summary>
    private MixtureSource[] Mixture(int rank = 0, int ranks = 1, long window = 0)
    {
        if (!File.Exists(_folder.Path("t.txt"))) WriteData();
        IDocumentSource[] sources =
        [
            DocumentFormats.BuiltIn.Open(_folder.Options("webdataset", "*.tar", "*.tar.gz") with { Name = "shards" }),
            DocumentFormats.BuiltIn.Open(_folder.Options("text", "t.txt") with { Name = "text" }),
            DocumentFormats.BuiltIn.Open(_folder.Options("documents", "d.jsonl") with { Name = "documents" }),
        ];
        double[] weights = [0.45, 0.10, 0.45];
        return [.. sources.Select((source, i) => new MixtureSource(new ShardedDocumentSource(new ShuffledDocumentSource(source, 11, window), rank, ranks), weights[i]))];
    }

    private void WriteData()
    {
        static byte[] Picture(int value) => ImageCodec.EncodePng(new ImageData(2, 2, [.. Enumerable.Range(0, 12).Select(i => (byte)(value + i))]));
        for (int shard = 0; shard < 3; shard++)
        {
            var members = new List<(string, byte[])>();
            for (int i = 0; i < 37; i++)
            {
                int number = shard * 37 + i;
                if (number % 9 != 1) members.Add(($"{number:D4}.png", number % 13 == 0 ? [1, 2, 3] : Picture(number)));
                if (number % 11 != 2) members.Add(($"{number:D4}.txt", ReaderFolder.Bytes($"a red circle and {number % 10} blue squares")));
                members.Add(($"{number:D4}.json", "{}"u8.ToArray()));
            }
            byte[] tar = ReaderFolder.Tar(TarEntryFormat.Pax, [.. members]);
            _folder.Write(shard == 1 ? "1.tar.gz" : $"{shard}.tar", shard == 1 ? ReaderFolder.Gzip(tar) : tar);
        }
        _folder.Write("i/0.png", Picture(200));
        _folder.Write("t.txt", string.Join("\n\n", Enumerable.Range(0, 50).Select(static i => string.Join(' ', Enumerable.Repeat("a small green triangle", 1 + i % 7)))));
        _folder.Write("d.jsonl", string.Join('\n', Enumerable.Range(0, 61).Select(static i => (i % 6) switch
        {
            0 => """{"images": [null, "i/0.png", null], "texts": ["a red", null, "circle"]}""",
            1 => """{"images": [null, "i/none.png", null], "texts": ["a red", null, "square"]}""",
            2 => "{\"images\": [nul",
            3 => """{"images": ["https://example.org/a.png"], "texts": [null]}""",
            4 => """{"images": [null, "../../x.png"], "texts": ["a blue square", null], "targets": [true, false]}""",
            _ => """{"images": [null], "texts": ["a large yellow circle"]}""",
        })));
    }

    private static string Describe(PackedBatch batch) => string.Join('|', batch.Index, string.Join(',', batch.TokenIds.ToArray()), string.Join(',', batch.Targets.ToArray()), string.Join(',', batch.Placement.ToArray()),
        Convert.ToHexString(batch.ImageBytes.Span), string.Join(';', batch.Documents), string.Join('\n', batch.BadSamples), batch.CursorAfter.ToJson());

    private static List<string> Take(BatchLoader loader, int count)
    {
        var taken = new List<string>();
        for (int i = 0; i < count; i++)
        {
            using PackedBatch batch = loader.Next();
            taken.Add(Describe(batch));
        }
        return taken;
    }

    private string[] Straight()
    {
        using var loader = new BatchLoader(Mixture(), Tokenizer, Options);
        return [.. Take(loader, Batches)];
    }

    [Fact]
    public void BatchesAreTheSameAfterRandomCutsWithAnyNumberOfWorkers()
    {
        string[] straight = Straight();
        var random = new Random(17);
        foreach (int round in Enumerable.Range(0, 12))
        {
            int done = 0;
            MixtureCursor? cursor = null;
            while (done < Batches)
            {
                int workers = ((int[])[1, 2, 8])[(round + done) % 3], count = Math.Min(Batches - done, 1 + random.Next(20));
                // The readers are opened anew, as after a crash; the loader has read ahead when it is dropped.
                using var loader = new BatchLoader(Mixture(), Tokenizer, Options with { Workers = workers, Prefetch = 1 + random.Next(6) }, cursor is null ? null : MixtureCursor.FromJson(cursor.ToJson()));
                foreach (string batch in Take(loader, count)) Assert.Equal(straight[done++], batch);
                cursor = loader.Cursor;
            }
        }
    }

    [Fact]
    public void EveryBadSampleIsToldOnceWithFileAndKeyAndCounted()
    {
        using var loader = new BatchLoader(Mixture(), Tokenizer, Options with { Workers = 2 });
        var told = new List<BadSample>();
        for (int i = 0; i < Batches; i++)
        {
            using PackedBatch batch = loader.Next();
            told.AddRange(batch.BadSamples);
        }
        MixtureCursor cursor = loader.Cursor;
        Assert.Equal(cursor.BadSamples, told.Count);
        Assert.Equal(cursor.BadImages, told.Count(static bad => bad.What == "image"));
        foreach (SourceCursor source in cursor.Sources)
        {
            Dictionary<string, long> Causes(string what) => told.Where(bad => bad.Source == source.Name && bad.What == what).GroupBy(static bad => bad.Cause).ToDictionary(static group => group.Key, static group => group.LongCount());
            Assert.Equal(source.Statistics.Bad.ToDictionary(), Causes("document"));
            Assert.Equal(source.Statistics.Problems.ToDictionary(), Causes("problem"));
        }
        Assert.Equal(["no caption", "no image"], cursor.Sources[0].Statistics.Bad.Keys);
        Assert.Equal(["json", "missing"], cursor.Sources[2].Statistics.Bad.Keys);
        Assert.Equal(["missing", "outside the data folder"], cursor.Sources[2].Statistics.Problems.Keys);
        Assert.Contains(told, static bad => bad is { What: "image", Source: "shards" } && bad.Message.StartsWith(bad.Id, StringComparison.Ordinal));
        Assert.All(told, static bad => Assert.True(bad.Message.StartsWith(bad.Id, StringComparison.Ordinal) && bad.Id.IndexOf(':', StringComparison.Ordinal) > 0, bad.ToString()));
        Assert.Contains(told, static bad => bad.Message == "d.jsonl:2: image 'i/none.png' is not there");
    }

    [Fact]
    public void OtherDataRefuseTheCursor()
    {
        using var loader = new BatchLoader(Mixture(), Tokenizer, Options);
        Take(loader, 5);
        File.AppendAllText(_folder.Path("t.txt"), "!");
        ArgumentException refused = Assert.Throws<ArgumentException>(() => new BatchLoader(Mixture(), Tokenizer, Options, loader.Cursor));
        Assert.Contains("the data cursor belongs to other settings", refused.Message, StringComparison.Ordinal);
        Assert.Contains("bytes, BlankLines", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DataThatWentBadSinceTheCursorAreAnErrorThatSaysSo()
    {
        using var loader = new BatchLoader(Mixture(), Tokenizer, Options);
        Take(loader, 5);
        byte[] lines = File.ReadAllBytes(_folder.Path("d.jsonl"));
        lines.AsSpan().Replace((byte)'{', (byte)'['); // as many bytes, no document any more
        File.WriteAllBytes(_folder.Path("d.jsonl"), lines);
        string message = Assert.Throws<InvalidDataException>(() => new BatchLoader(Mixture(), Tokenizer, Options, loader.Cursor)).Message;
        Assert.StartsWith("source 'documents': a document that the cursor refers to was good and is bad now; the data changed since the checkpoint: d.jsonl:", message, StringComparison.Ordinal);
    }

    [Theory, InlineData(1, 100, 0), InlineData(3, 100, 0), InlineData(7, 10, 4), InlineData(10, 10, 3)]
    public void RanksSeeDisjointPartsAndTogetherEverything(int ranks, int documents, int window)
    {
        var all = new ListDocumentSource("list", [.. Enumerable.Range(0, documents).Select(static i => new Document("list", $"{i}", [new TextSegment("a")]))]);
        for (int epoch = 0; epoch < 3; epoch++)
        {
            var seen = new List<string>();
            for (int rank = 0; rank < ranks; rank++)
            {
                var part = new ShardedDocumentSource(new ShuffledDocumentSource(all, 5, window), rank, ranks);
                for (long i = 0; i < part.DocumentsPerEpoch; i++) seen.Add(part.Read(epoch, i).Id);
                Assert.Throws<ArgumentOutOfRangeException>(() => part.Read(epoch, part.DocumentsPerEpoch));
            }
            Assert.Equal(Enumerable.Range(0, documents).Select(static i => $"{i}").Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
        }
        Assert.Throws<ArgumentException>(() => new ShardedDocumentSource(all, 0, documents + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ShardedDocumentSource(all, ranks, ranks));
    }

    [Fact]
    public void RanksResumeWithTheirOwnCursor()
    {
        for (int rank = 0; rank < 2; rank++)
        {
            List<string> straight;
            using (var loader = new BatchLoader(Mixture(rank, 2), Tokenizer, Options)) straight = Take(loader, 12);
            using var first = new BatchLoader(Mixture(rank, 2), Tokenizer, Options with { Workers = 2 });
            Take(first, 7);
            using var second = new BatchLoader(Mixture(rank, 2), Tokenizer, Options with { Workers = 8 }, first.Cursor);
            Assert.Equal(straight[7..], Take(second, 5));
            Assert.Throws<ArgumentException>(() => new BatchLoader(Mixture(1 - rank, 2), Tokenizer, Options, first.Cursor));
        }
    }

    [Theory, InlineData(1000, 64), InlineData(1000, 1000), InlineData(1000, 999), InlineData(1024, 64), InlineData(17, 1), InlineData(5, 100)]
    public void AWindowKeepsReadsTogetherAndIsAPermutation(int documents, int window)
    {
        var all = new ListDocumentSource("list", [.. Enumerable.Range(0, documents).Select(static i => new Document("list", $"{i}", []))]);
        var shuffled = new ShuffledDocumentSource(all, 9, window);
        for (int epoch = 0; epoch < 2; epoch++)
        {
            long[] order = [.. Enumerable.Range(0, documents).Select(i => shuffled.Permute(epoch, i))];
            Assert.Equal(Enumerable.Range(0, documents).Select(static i => (long)i), order.Order());
            for (int block = 0; window < documents && (block + 1) * window <= documents; block++)
                Assert.Single(order.Skip(block * window).Take(window).Select(place => place / window).Distinct());
        }
        if (documents > 20) Assert.NotEqual(shuffled.Permute(0, 3) - shuffled.Permute(0, 4), shuffled.Permute(1, 3) - shuffled.Permute(1, 4));
        Assert.Equal(window < documents ? $"window {window}" : "", shuffled.Settings);
    }
}
