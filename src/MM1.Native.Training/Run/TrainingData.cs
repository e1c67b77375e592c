using System.Globalization;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>The data of a configuration: sources with weights, tokenizer, and how batches are packed.</summary>
public sealed class TrainingData
{
    private readonly DocumentFormats _formats;
    private readonly DataConfig? _config;
    private readonly IReadOnlyDictionary<string, IDocumentSource> _sources;

    private TrainingData(SyntheticWorld? world, ITokenizer tokenizer, IReadOnlyList<MixtureSource> mixture, IReadOnlyDictionary<string, IDocumentSource> sources, DataConfig? config, DocumentFormats formats) =>
        (World, Tokenizer, Mixture, _sources, _config, _formats) = (world, tokenizer, mixture, sources, config, formats);

    /// <summary>The synthetic world; null where the data are sources.</summary>
    public SyntheticWorld? World { get; }

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Sources and weights; sources of weight 0 are left out.</summary>
    public IReadOnlyList<MixtureSource> Mixture { get; }

    /// <summary>Opens the data: finds files, indexes them, makes the tokenizer.</summary>
    /// <param name="config">The run's configuration; its seed decides the order of documents.</param>
    /// <param name="formats">The formats of sources; null for those of the data library.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ConfigurationException">A setting is out of range, or files are not there or not what they should be.</exception>
    public static TrainingData Open(TrainingConfig config, DocumentFormats? formats = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        formats ??= DocumentFormats.BuiltIn;
        return config.Data.Kind == DataKind.Synthetic ? OpenWorld(config.Data, formats) : OpenSources(config, formats, cancellationToken);
    }

    /// <summary>A source by its name, in the order of the mixture where it is part of it.</summary>
    internal IDocumentSource Source(string name) => _sources[name];

    /// <summary>Other documents than those of a configuration.</summary>
    /// <param name="world">The world of evaluation tasks and samples.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="mixture">Sources and weights.</param>
    public static TrainingData From(SyntheticWorld world, ITokenizer tokenizer, IReadOnlyList<MixtureSource> mixture)
    {
        ArgumentNullException.ThrowIfNull(world);
        ArgumentNullException.ThrowIfNull(mixture);
        return new(world, tokenizer, mixture, ByName(mixture.Select(static entry => entry.Source).Concat([world.Captions, world.Interleaved, world.Text])), null, DocumentFormats.BuiltIn);
    }

    /// <summary>Opens the files of an evaluation's entry.</summary>
    /// <exception cref="ConfigurationException">They are not there or not what they should be.</exception>
    internal IDocumentSource OpenFiles(FilesConfig files, string key, string root) => OpenFiles(files, key, "evaluation", root, _config?.Cache, _formats, CancellationToken.None);

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
            Augmentation = data.Augmentation,
            MaximumImages = data.MaximumImages,
            Lookahead = data.Lookahead,
            Workers = data.Workers,
            Prefetch = data.Prefetch,
        };
        return data.FixedShapes && packing.ImageCapacity > 0 ? packing with { ImageBuckets = [packing.ImageCapacity] } : packing;
    }

    private static TrainingData OpenWorld(DataConfig config, DocumentFormats formats)
    {
        SyntheticWorld world;
        try
        {
            world = new SyntheticWorld(config.World);
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"Configuration: data.world: {fault.Message}.", fault);
        }
        IDocumentSource[] sources = [world.Captions, world.Interleaved, world.Text];
        MixtureSource[] mixture = [.. sources.Where(source => config.Weights.GetValueOrDefault(source.Name) > 0).Select(source => new MixtureSource(source, config.Weights[source.Name]))];
        return new TrainingData(world, WorldWords.CreateTokenizer(), mixture, ByName(sources), config, formats);
    }

    private static TrainingData OpenSources(TrainingConfig config, DocumentFormats formats, CancellationToken cancellationToken)
    {
        DataConfig data = config.Data;
        var files = new Dictionary<string, IDocumentSource>(StringComparer.Ordinal); // in the order of the files: what pairs and tokenizers are made of
        for (int i = 0; i < data.Sources.Count; i++)
        {
            SourceConfig source = data.Sources[i];
            if (source.Pairs is null)
                files[source.Name] = OpenFiles(source, string.Create(CultureInfo.InvariantCulture, $"data.sources[{i}]"), source.Name, data.Root!, data.Cache, formats, cancellationToken);
        }
        var all = new Dictionary<string, IDocumentSource>(StringComparer.Ordinal);
        var mixture = new List<MixtureSource>();
        foreach (SourceConfig source in data.Sources)
        {
            IDocumentSource opened = source.Pairs is { } pairs
                ? new InterleavedPairs(source.Name, [.. pairs.Of.Select(name => files[name])], pairs.Minimum, pairs.Maximum, config.Seed)
                : new ShuffledDocumentSource(files[source.Name], RandomStream.For(config.Seed, "order/" + source.Name).Next());
            all[source.Name] = opened;
            double group = data.Weights[source.Group];
            if (group > 0) mixture.Add(new MixtureSource(opened, group * source.Weight / data.Sources.Where(other => other.Group == source.Group).Sum(static other => other.Weight)));
        }
        return new TrainingData(null, RunTokenizer.Open(data, files, cancellationToken), mixture, all, data, formats);
    }

    private static IDocumentSource OpenFiles(FilesConfig files, string key, string name, string root, string? cache, DocumentFormats formats, CancellationToken cancellationToken)
    {
        try
        {
            return formats.Open(files.Options(name, root, cache), cancellationToken);
        }
        catch (Exception fault) when (fault is ArgumentException or DirectoryNotFoundException or FileNotFoundException)
        {
            string message = fault is DirectoryNotFoundException ? $"data.root: {fault.Message}; set it with --set data.root=FOLDER" : $"{key}: {fault.Message}";
            throw new ConfigurationException($"Configuration: {message}.", fault);
        }
        catch (Exception fault) when (fault is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new TrainingException($"{key}: {fault.Message}", fault is InvalidDataException ? new IOException(fault.Message, fault) : fault);
        }
    }

    private static Dictionary<string, IDocumentSource> ByName(IEnumerable<IDocumentSource> sources)
    {
        var named = new Dictionary<string, IDocumentSource>(StringComparer.Ordinal);
        foreach (IDocumentSource source in sources) named.TryAdd(source.Name, source);
        return named;
    }
}
