using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>What the data library packs, the model keeps apart.</summary>
public sealed class PackedBatchTests
{
    private const int ImageSize = 16, ImageTokens = 4;
    private static readonly WordTokenizer Tokenizer = WorldWords.CreateTokenizer();

    /// <summary>Changing the words or the picture of one document leaves logits and token losses of every other document of the batch bit-identical.</summary>
    [Fact]
    public void ChangingOneDocumentLeavesTheOthersBitIdentical()
    {
        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        using var model = new Mm1Model(new Mm1Config
        {
            Vision = VisionConfig.Clip(ImageSize, 4, 2, 32, 2),
            Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = ImageTokens, Hidden = 24, Depth = 1 },
            Decoder = new DecoderConfig { Layers = 2, Width = 32, Heads = 4, KeyValueHeads = 2, Hidden = 48, Vocabulary = Tokenizer.VocabularySize, MaxPositions = 64 },
        });
        model.Build(device, 3);
        RandomWeights.Fill(model);
        Document[] documents = [.. Enumerable.Range(0, 11).Select(i => Create(i, firstWord: i, picture: i))];
        (PackedDocument[] places, float[] logits, float[] losses) = Run(documents);
        Assert.True(places.Length > 6 && places.Count(place => place.Images > 0) > 2, "The batch holds too little to tell.");
        foreach (PackedDocument changed in places.Where((_, i) => i % 3 == 0))
        {
            int number = int.Parse(changed.Id, System.Globalization.CultureInfo.InvariantCulture);
            Check(changed, Create(number, firstWord: number + 40, picture: number));
            if (changed.Images > 0) Check(changed, Create(number, firstWord: number, picture: number + 40));
        }

        void Check(PackedDocument changed, Document other)
        {
            Document[] moved = [.. documents];
            moved[int.Parse(other.Id, System.Globalization.CultureInfo.InvariantCulture)] = other;
            (PackedDocument[] otherPlaces, float[] otherLogits, float[] otherLosses) = Run(moved);
            Assert.Equal(places, otherPlaces);
            int vocabulary = Tokenizer.VocabularySize;
            foreach (PackedDocument place in places)
            {
                if (place.Id == changed.Id)
                {
                    Assert.False(otherLogits.AsSpan(place.Start * vocabulary, place.Length * vocabulary).SequenceEqual(logits.AsSpan(place.Start * vocabulary, place.Length * vocabulary)));
                    continue;
                }
                string what = $"document {place.Id} when {changed.Id} changes";
                Agreement.CheckBitwise(what, otherLogits.AsSpan(place.Start * vocabulary, place.Length * vocabulary), logits.AsSpan(place.Start * vocabulary, place.Length * vocabulary));
                Agreement.CheckBitwise(what, otherLosses.AsSpan(place.Start, place.Length), losses.AsSpan(place.Start, place.Length));
            }
        }

        (PackedDocument[] Places, float[] Logits, float[] Losses) Run(Document[] given)
        {
            var options = new PackingOptions { Sequences = 3, Length = 40, ImageTokens = ImageTokens, ImageSize = ImageSize, MaximumImages = 4, Workers = 0 };
            using var loader = new BatchLoader([new MixtureSource(new ListDocumentSource("documents", given), 1)], Tokenizer, options);
            using PackedBatch packed = loader.Next();
            using (device.BeginInference())
            {
                var batch = Mm1Batch.From(packed.TokenIds.Span, packed.Positions.Span, packed.Targets.Span, packed.Placement.Span, packed.CuSeqlens.Span, packed.LongestDocument, packed.Images.Span, ImageSize);
                float[] all = model.Decoder.Logits(model.Forward(batch)).ToArray();
                model.Loss(batch, out Tensor tokenLosses);
                return ([.. packed.Documents], all, tokenLosses.ToArray());
            }
        }
    }

    /// <summary>Some words, and for two of three documents a picture after the second; the words and pictures that change keep their number of tokens.</summary>
    private static Document Create(int number, int firstWord, int picture)
    {
        string[] words = [.. Enumerable.Range(0, 3 + number % 5).Select(i => Tokenizer.Words[(i == 0 ? firstWord : number * 7 + i) % Tokenizer.Words.Count])];
        var segments = new List<Segment> { new TextSegment(string.Join(' ', words[..2]), LossRole.Context), new TextSegment(" " + string.Join(' ', words[2..])) };
        if (number % 3 != 2) segments.Insert(1, new ImageSegment(new ImageData(ImageSize, ImageSize, [.. Samples.Integers(picture, 3 * ImageSize * ImageSize, 256).Select(value => (byte)value)])));
        return new Document("documents", number.ToString(System.Globalization.CultureInfo.InvariantCulture), segments);
    }
}
