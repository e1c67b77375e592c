using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>A model with everything that turns text and images into its tokens and back. Disposing frees the model, not the device.</summary>
public sealed class ModelBundle : IDisposable
{
    /// <summary>The file of the weights.</summary>
    public const string WeightsFile = "model.safetensors";

    /// <summary>The file of the model's configuration and image settings.</summary>
    public const string ModelFile = "model.json";

    /// <summary>The file of the tokenizer.</summary>
    public const string TokenizerFile = "tokenizer.json";

    private ModelBundle(Mm1Model model, ITokenizer tokenizer, ImageSettings images, Device device, string path) =>
        (Model, Tokenizer, Images, Device, Path) = (model, tokenizer, images, device, path);

    /// <summary>The model's sizes.</summary>
    public Mm1Config Config => Model.Config;

    /// <summary>The model.</summary>
    public Mm1Model Model { get; }

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>How images are prepared.</summary>
    public ImageSettings Images { get; }

    /// <summary>Where the model lives.</summary>
    public Device Device { get; }

    /// <summary>The checkpoint's folder.</summary>
    public string Path { get; }

    /// <summary>Loads a checkpoint to be run; its model has no gradients and cannot be trained.</summary>
    /// <param name="path">The folder of a checkpoint, or of a run: then its newest complete checkpoint.</param>
    /// <param name="device">Where the model shall live; stays the caller's.</param>
    /// <param name="precision">What it computes in.</param>
    /// <exception cref="ConfigurationException">Something is missing, damaged or does not fit; the message says what and what to do.</exception>
    public static ModelBundle Load(string path, Device device, Precision precision = Precision.Auto)
    {
        ArgumentNullException.ThrowIfNull(device);
        string directory = CheckpointFolders.Resolve(path);
        foreach (string name in (string[])[ModelFile, TokenizerFile, WeightsFile])
        {
            if (!File.Exists(System.IO.Path.Combine(directory, name)))
                throw new ConfigurationException($"{System.IO.Path.Combine(directory, name)} is missing; a checkpoint's folder holds {ModelFile}, {TokenizerFile} and {WeightsFile}");
        }
        string modelPath = System.IO.Path.Combine(directory, ModelFile);
        ModelDocument document = ReadModel(modelPath);
        ITokenizer tokenizer = ReadTokenizer(System.IO.Path.Combine(directory, TokenizerFile));
        CheckVocabulary(tokenizer, document.Model, $"{directory}: ");
        var model = Describe(document.Model, modelPath);
        try
        {
            model.Build(device, seed: 0, precision.Shadow(device), trainable: false);
            ReadWeights(model, System.IO.Path.Combine(directory, WeightsFile));
            return new ModelBundle(model, tokenizer, document.Images, device, directory);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Writes the three files into a folder, which is made where it is not there; each file is there whole or not at all.</summary>
    public static void Save(string directory, Mm1Model model, ITokenizer tokenizer, ImageSettings images)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(images);
        images.Check();
        CheckVocabulary(tokenizer, model.Config, "");
        Directory.CreateDirectory(directory);
        var document = new ModelDocument { Format = ModelDocument.KnownFormat, Version = ModelDocument.KnownVersion, Model = model.Config, Images = images };
        ModelFiles.Save(model, System.IO.Path.Combine(directory, WeightsFile));
        AtomicFile.Write(System.IO.Path.Combine(directory, ModelFile), JsonSerializer.SerializeToUtf8Bytes(document, InferenceJson.Default.ModelDocument));
        AtomicFile.Write(System.IO.Path.Combine(directory, TokenizerFile), tokenizer.Save);
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    private static ModelDocument ReadModel(string path)
    {
        JsonObject root = StrictYaml.Read(path);
        ModelDocument document = StrictYaml.Bind(root, InferenceJson.Default.ModelDocument, path);
        if (document.Format != ModelDocument.KnownFormat || document.Version != ModelDocument.KnownVersion)
            throw new ConfigurationException($"{path} is of format '{document.Format}' version {document.Version}; this program reads '{ModelDocument.KnownFormat}' version {ModelDocument.KnownVersion}");
        try
        {
            document.Images.Check();
        }
        catch (ArgumentException exception)
        {
            throw new ConfigurationException($"{path}: {exception.Message}", exception);
        }
        if (document.Images.Size % document.Model.Vision.PatchSize != 0)
            throw new ConfigurationException($"{path}: 'images.size' is {document.Images.Size}, which is not a multiple of 'model.vision.patchSize', {document.Model.Vision.PatchSize}");
        return document;
    }

    private static ITokenizer ReadTokenizer(string path)
    {
        try
        {
            return Data.TokenizerFile.Load(path);
        }
        catch (Exception exception) when (exception is InvalidDataException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(exception.Message.Contains(path, StringComparison.Ordinal) ? exception.Message : $"{path}: {exception.Message}", exception);
        }
    }

    private static void CheckVocabulary(ITokenizer tokenizer, Mm1Config config, string where)
    {
        if (tokenizer.VocabularySize > config.Decoder.Vocabulary)
            throw new ConfigurationException($"{where}the tokenizer ({TokenizerFile}) has {tokenizer.VocabularySize} tokens, the model's 'decoder.vocabulary' ({ModelFile}) is {config.Decoder.Vocabulary}; it must be at least as many. Use the tokenizer that the model was trained with");
    }

    private static Mm1Model Describe(Mm1Config config, string path)
    {
        try
        {
            return new Mm1Model(config);
        }
        catch (ArgumentException exception)
        {
            throw new ConfigurationException($"{path}: no such model can be built: {exception.Message}", exception);
        }
    }

    private static void ReadWeights(Mm1Model model, string path)
    {
        try
        {
            ModelFiles.Load(model, path);
        }
        catch (SafeTensorsException exception)
        {
            throw new ConfigurationException($"{exception.Message} The file is damaged or was not written to its end; use another checkpoint, or copy it again", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(exception.Message, exception);
        }
    }
}
