using System.Text.Json.Nodes;
using MM1.Native.Models;

namespace MM1.Native.Cli;

/// <summary>What a model costs, before anything of it is allocated.</summary>
/// <param name="Name">Preset or configuration file.</param>
/// <param name="Config">The model.</param>
/// <param name="Shape">The micro-batch that memory is counted for.</param>
/// <param name="LearningRate">The peak that the configuration sets; null for equation 1.</param>
/// <param name="TokensPerStep">Tokens of an optimizer step.</param>
internal sealed record ModelPlan(string Name, Mm1Config Config, TrainingShape Shape, double? LearningRate, long TokensPerStep)
{
    /// <summary>Parameters by part.</summary>
    public ParameterTotals Parameters { get; } = ParameterTotals.Of(Config);

    /// <summary>Operations.</summary>
    public ModelCost Cost { get; } = ModelCost.Of(Config);

    /// <summary>Bytes by class.</summary>
    public ModelMemory Memory => ModelMemory.Of(Config, Parameters, Shape);

    /// <summary>A preset, one full sequence of 16 images at most, as in the paper.</summary>
    public static ModelPlan OfPreset(string name)
    {
        Mm1Config config = Mm1Presets.Get(name);
        ModelCost cost = ModelCost.Of(config);
        long tokens = config.Decoder.MaxPositions;
        var shape = new TrainingShape { Tokens = tokens, Images = Math.Min(16, tokens / cost.ImageTokens) };
        return new ModelPlan(name, config, shape, null, tokens);
    }

    /// <summary>The parts in words: <c>ViT-L/14 at 336 px (24 x 1024), ...</c>.</summary>
    public IEnumerable<(string Part, string Words)> Describe()
    {
        VisionConfig vision = Config.Vision;
        ConnectorConfig connector = Config.Connector;
        DecoderConfig decoder = Config.Decoder;
        yield return ("encoder", $"{vision.Layers} blocks of width {vision.Width}, {vision.ImageSize} px in patches of {vision.PatchSize}: {vision.Grid} x {vision.Grid}{(vision.StemConvolutions > 0 ? $", {vision.StemConvolutions} convolutions before them" : "")}");
        yield return ("connector", $"{Words(connector.Kind)}, {Cost.ImageTokens} tokens an image");
        string heads = decoder.ResolvedKeyValueHeads == decoder.Heads ? $"{decoder.Heads} heads" : $"{decoder.Heads} heads ({decoder.ResolvedKeyValueHeads} for keys and values)";
        yield return ("decoder", $"{decoder.Layers} blocks of width {decoder.Width}, {heads}, hidden {decoder.Hidden}, vocabulary {decoder.Vocabulary}, {decoder.MaxPositions} positions");
        yield return ("initial", FormattableString.Invariant($"token embeddings of deviation {decoder.EmbeddingDeviation}, residual gain {decoder.ResidualGain}"));
    }

    /// <summary>Three lines: what a training run prints first.</summary>
    public IEnumerable<string> Summary()
    {
        ParameterTotals p = Parameters;
        yield return $"parameters    {Quantity.Count(p.Total)}: encoder {Quantity.Count(p.Encoder)}, connector {Quantity.Count(p.Connector)}, "
            + $"decoder {Quantity.Count(p.DecoderBody)} and {Quantity.Count(p.Embeddings)} of embeddings";
        string from = LearningRate is null ? $"equation 1 of the paper, N = {Quantity.Count(p.DecoderBody)}" : "set by the configuration";
        yield return $"learning rate {Quantity.Small(LearningRate ?? p.PeakLearningRate)} at its peak ({from})";
        yield return $"a step        {TokensPerStep} tokens, about {Quantity.Bytes(Memory.Total)} of memory";
    }

    /// <summary>Everything, for <c>--json</c>.</summary>
    public JsonObject ToJson() => new()
    {
        ["name"] = Name,
        ["parameters"] = new JsonObject
        {
            ["total"] = Parameters.Total,
            ["encoder"] = Parameters.Encoder,
            ["connector"] = Parameters.Connector,
            ["embeddings"] = Parameters.Embeddings,
            ["decoder"] = Parameters.DecoderBody,
        },
        ["flops"] = new JsonObject
        {
            ["forward_per_token"] = Cost.DecoderPerToken,
            ["forward_per_image"] = Cost.PerImage,
            ["forward_per_image_encoder"] = Cost.EncoderPerImage,
            ["forward_per_image_connector"] = Cost.ConnectorPerImage,
            ["training_per_token"] = Cost.TrainingPerToken,
            ["training_per_image"] = Cost.TrainingPerImage,
            ["document_length"] = Cost.DocumentLength,
        },
        ["image_tokens"] = Cost.ImageTokens,
        ["memory_bytes"] = new JsonObject
        {
            ["weights"] = Memory.Weights,
            ["gradients"] = Memory.Gradients,
            ["optimizer"] = Memory.Optimizer,
            ["shadow"] = Memory.Shadow,
            ["activations_estimate"] = Memory.Activations,
            ["total"] = Memory.Total,
        },
        ["micro_batch"] = new JsonObject { ["tokens"] = Shape.Tokens, ["images"] = Shape.Images, ["recompute"] = Shape.Recompute },
        ["tokens_per_step"] = TokensPerStep,
        ["learning_rate_equation_1"] = Parameters.PeakLearningRate,
        ["learning_rate"] = LearningRate ?? Parameters.PeakLearningRate,
    };

    private static string Words(ConnectorKind kind) => kind switch
    {
        ConnectorKind.AveragePooling => "average pooling",
        ConnectorKind.AttentionPooling => "attention pooling",
        ConnectorKind.CAbstractor => "C-Abstractor",
        ConnectorKind.Linear => "linear",
        _ => "MLP",
    };
}
