using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>The data of a configuration: sources with weights, tokenizer, and how batches are packed.</summary>
public sealed class TrainingData
{
    private TrainingData(SyntheticWorld world, ITokenizer tokenizer, IReadOnlyList<MixtureSource> mixture) => (World, Tokenizer, Mixture) = (world, tokenizer, mixture);

    /// <summary>The synthetic world.</summary>
    public SyntheticWorld World { get; }

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Sources and weights; sources of weight 0 are left out.</summary>
    public IReadOnlyList<MixtureSource> Mixture { get; }

    /// <summary>Opens the data.</summary>
    /// <exception cref="ConfigurationException">A setting of the world is out of range.</exception>
    public static TrainingData Open(DataConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        SyntheticWorld world;
        try
        {
            world = new SyntheticWorld(config.World);
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"Configuration: data.world: {fault.Message}.", fault);
        }
        var mixture = new List<MixtureSource>();
        foreach (IDocumentSource source in (IDocumentSource[])[world.Captions, world.Interleaved, world.Text])
        {
            double weight = config.Weights.GetValueOrDefault(source.Name);
            if (weight > 0) mixture.Add(new MixtureSource(source, weight));
        }
        return new TrainingData(world, WorldWords.CreateTokenizer(), mixture);
    }

    /// <summary>A source by its name, of the mixture or of the world.</summary>
    internal IDocumentSource Source(string name) => Mixture.Select(static entry => entry.Source).Concat([World.Captions, World.Interleaved, World.Text]).First(source => source.Name == name);

    /// <summary>Other documents than those of a configuration.</summary>
    /// <param name="world">The world of evaluation tasks and samples.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="mixture">Sources and weights.</param>
    public static TrainingData From(SyntheticWorld world, ITokenizer tokenizer, IReadOnlyList<MixtureSource> mixture) => new(world, tokenizer, mixture);

    /// <summary>How batches for a model are packed.</summary>
    /// <exception cref="ConfigurationException">Data and model do not fit.</exception>
    public PackingOptions Packing(TrainingConfig config, Mm1Config model, ImageSettings images)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(model);
        DataConfig data = config.Data;
        ArgumentNullException.ThrowIfNull(images);
        Check.That(model.Decoder.Position == PositionKind.None || data.Length <= model.Decoder.MaxPositions, "data.length", data.Length,
            $"must be at most the model's decoder.maxPositions ({model.Decoder.MaxPositions})");
        Check.That(model.Decoder.Vocabulary >= Tokenizer.VocabularySize, "model.decoder.vocabulary", model.Decoder.Vocabulary, $"must be at least the tokenizer's ({Tokenizer.VocabularySize}); leave it out to take that");
        using var described = new Mm1Model(model);
        var packing = new PackingOptions
        {
            Seed = config.Seed,
            Unit = data.Unit,
            Sequences = data.Sequences,
            Length = data.Length,
            ImageTokens = described.ImageTokens(images.Size, images.Size),
            ImageSize = images.Size,
            Mean = images.Mean,
            StandardDeviation = images.StandardDeviation,
            Preparation = images.Preparation,
            MaximumImages = data.MaximumImages,
            Lookahead = data.Lookahead,
            Workers = data.Workers,
            Prefetch = data.Prefetch,
        };
        return data.FixedShapes && packing.ImageCapacity > 0 ? packing with { ImageBuckets = [packing.ImageCapacity] } : packing;
    }
}
