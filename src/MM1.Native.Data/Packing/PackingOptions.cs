using System.Globalization;
using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>A source with its share of the mixture.</summary>
/// <param name="Source">The documents.</param>
/// <param name="Weight">Its weight, positive; only the ratios of weights matter.</param>
public sealed record MixtureSource(IDocumentSource Source, double Weight);

/// <summary>What the weights of a mixture are shares of.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MixtureUnit>))]
public enum MixtureUnit
{
    /// <summary>Of sequences: each sequence's source is drawn by weight.</summary>
    Sequence,
    /// <summary>Of documents: weights are divided by the documents that a sequence of the source held so far.</summary>
    Document,
    /// <summary>Of tokens: weights are divided by the tokens that a sequence of the source held so far.</summary>
    Token,
}

/// <summary>What happens to a document that no sequence can hold.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LongDocumentRule>))]
public enum LongDocumentRule
{
    /// <summary>It goes on in the next sequence of its source as a document of its own; the cut is never inside an image.</summary>
    Split,
    /// <summary>What does not fit is left out, and counted.</summary>
    Cut,
}

/// <summary>How pixels come in a batch.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ImageElement>))]
public enum ImageElement
{
    /// <summary>(value / 255 - mean) / standard deviation.</summary>
    Float32,
    /// <summary>As they are.</summary>
    UInt8,
}

/// <summary>Brings images of any size to the size of a batch.</summary>
public interface IImagePreparation
{
    /// <summary>The image at <paramref name="size"/> x <paramref name="size"/> pixels.</summary>
    ImageData Prepare(ImageData image, int size);
}

/// <summary>Settings of mixture and packing.</summary>
public sealed record PackingOptions
{
    /// <summary>Key of the draw of sources (default 1).</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What the weights are shares of (default sequences, as in the paper).</summary>
    public MixtureUnit Unit { get; init; } = MixtureUnit.Sequence;

    /// <summary>Sequences of a batch.</summary>
    public required int Sequences { get; init; }

    /// <summary>Tokens of a sequence, images included.</summary>
    public required int Length { get; init; }

    /// <summary>Placeholder tokens of an image: rows of the connector's output.</summary>
    public required int ImageTokens { get; init; }

    /// <summary>Pixels of a side of an image.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Most images of a sequence (default 16, as in the paper).</summary>
    public int MaximumImages { get; init; } = 16;

    /// <summary>Most documents of a sequence; 0 takes an eighth of the length, 8 at least (default 0).</summary>
    public int MaximumDocuments { get; init; }

    /// <summary>
    /// Documents that a source reads ahead (default 16): the first of them that fits fills the sequence, the oldest begins the next one. 1 keeps strict order.
    /// </summary>
    public int Lookahead { get; init; } = 16;

    /// <summary>What happens to a document that no sequence can hold (default: it is split).</summary>
    public LongDocumentRule LongDocuments { get; init; } = LongDocumentRule.Split;

    /// <summary>Counts of images that batches are padded to, ascending, the last for the fullest batch; null for eighths of that (default null).</summary>
    public IReadOnlyList<int>? ImageBuckets { get; init; }

    /// <summary>How pixels come (default float32).</summary>
    public ImageElement ImageElement { get; init; } = ImageElement.Float32;

    /// <summary>Mean of red, green, blue in [0, 1] (default: CLIP's).</summary>
    public IReadOnlyList<float> Mean { get; init; } = ImageNormalization.ClipMean;

    /// <summary>Standard deviation of red, green, blue (default: CLIP's).</summary>
    public IReadOnlyList<float> StandardDeviation { get; init; } = ImageNormalization.ClipStandardDeviation;

    /// <summary>Brings images to size; null where every image has it already (default null).</summary>
    public IImagePreparation? Preparation { get; init; }

    /// <summary>Random changes of images; null for none (default null).</summary>
    public ImageAugmentation? Augmentation { get; init; }

    /// <summary>Share of documents (and of images) that may be bad before the run stops, judged after 1000 (default 0.01).</summary>
    public double BadLimit { get; init; } = 0.01;

    /// <summary>Tasks that assemble batches and load images; 0 does it in the caller (default 1). The batches are the same with any number.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Batches made ahead at most, those being made included (default 4).</summary>
    public int Prefetch { get; init; } = 4;

    /// <summary>Most documents of a sequence, the default resolved.</summary>
    [JsonIgnore]
    public int DocumentsPerSequence => MaximumDocuments > 0 ? MaximumDocuments : Math.Max(8, Length / 8);

    /// <summary>Documents of a batch at most, the padding of each sequence counted as one: <see cref="PackedBatch.CuSeqlens"/> has one entry more.</summary>
    [JsonIgnore]
    public int DocumentCapacity => Sequences * (DocumentsPerSequence + 1);

    /// <summary>Images of a batch at most.</summary>
    [JsonIgnore]
    public int ImageCapacity => Sequences * Math.Min(MaximumImages, ImageTokens > 0 ? Length / ImageTokens : 0);

    /// <summary>The smallest bucket that holds a number of images.</summary>
    public int BucketFor(int images)
    {
        if (ImageBuckets is not null)
        {
            foreach (int bucket in ImageBuckets)
                if (bucket >= images) return bucket;
            throw new InvalidOperationException($"{images} images fit in no bucket of {string.Join(", ", ImageBuckets)}");
        }
        int step = Math.Max(1, (ImageCapacity + 7) / 8);
        return Math.Min(ImageCapacity, Math.Max(1, (images + step - 1) / step) * step);
    }

    internal void Check(IReadOnlyList<MixtureSource> sources)
    {
        if (sources.Count == 0) throw new ArgumentException("a mixture has at least one source");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (MixtureSource source in sources)
        {
            if (!(source.Weight > 0) || !double.IsFinite(source.Weight))
                throw new ArgumentException($"the weight of source '{source.Source.Name}' must be positive, not {source.Weight.ToString(CultureInfo.InvariantCulture)}");
            if (!names.Add(source.Source.Name)) throw new ArgumentException($"two sources of the mixture are called '{source.Source.Name}'");
            if (source.Source.DocumentsPerEpoch < 1) throw new ArgumentException($"source '{source.Source.Name}' has no documents");
        }
        Positive(Sequences, "sequences");
        Positive(Length, "length");
        Positive(ImageTokens, "image tokens");
        Positive(ImageSize, "image size");
        Positive(Lookahead, "lookahead");
        Positive(Prefetch, "prefetch");
        if (MaximumImages < 0 || MaximumDocuments < 0 || Workers < 0)
            throw new ArgumentException($"maximum images ({MaximumImages}), maximum documents ({MaximumDocuments}) and workers ({Workers}) must not be negative");
        if (BadLimit is not (>= 0 and <= 1)) throw new ArgumentException($"the limit of bad documents is a share from 0 to 1, not {BadLimit.ToString(CultureInfo.InvariantCulture)}");
        Augmentation?.Check();
        if (Mean.Count != 3 || StandardDeviation.Count != 3 || !StandardDeviation.All(static value => value > 0))
            throw new ArgumentException("mean and standard deviation have three values, and the standard deviations are positive");
        if (ImageBuckets is not null && (ImageBuckets.Count == 0 || ImageBuckets[^1] < ImageCapacity || !ImageBuckets.Zip(ImageBuckets.Skip(1)).All(static pair => pair.First < pair.Second)))
            throw new ArgumentException($"image buckets ascend and the last holds {ImageCapacity} images, not {string.Join(", ", ImageBuckets)}");
    }

    /// <summary>Everything that the order of tokens depends on, to be compared on resume; of the tokenizer its size: who saves a cursor saves the tokenizer too.</summary>
    internal string Fingerprint(IReadOnlyList<MixtureSource> sources, ITokenizer tokenizer) => string.Create(CultureInfo.InvariantCulture,
        $"seed={Seed} unit={Unit} sequences={Sequences} length={Length} image-tokens={ImageTokens} maximum-images={MaximumImages} "
        + $"maximum-documents={DocumentsPerSequence} lookahead={Lookahead} long-documents={LongDocuments} vocabulary={tokenizer.VocabularySize} ")
        + (Augmentation is { IsOn: true } ? $"augmentation={Augmentation.Words} " : "")
        + string.Join(' ', sources.Select(static source => string.Create(CultureInfo.InvariantCulture, $"{source.Source.Name}:{source.Weight:R}/{source.Source.DocumentsPerEpoch}{(source.Source.Settings.Length == 0 ? "" : $"({source.Source.Settings})")}")));

    private static void Positive(int value, string name)
    {
        if (value < 1) throw new ArgumentException($"{name} must be 1 or more, not {value}");
    }
}
