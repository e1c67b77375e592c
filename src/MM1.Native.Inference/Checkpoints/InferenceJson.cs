using System.Text.Json.Serialization;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Inference;

/// <summary>What <c>model.json</c> holds: everything about a model but its weights and its tokenizer.</summary>
internal sealed record ModelDocument
{
    public const string KnownFormat = "mm1-model";
    public const int KnownVersion = 1;

    public required string Format { get; init; }
    public required int Version { get; init; }
    public required Mm1Config Model { get; init; }
    public required ImageSettings Images { get; init; }
}

/// <summary>The JSON of this library, generated at build time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    IgnoreReadOnlyProperties = true, RespectNullableAnnotations = true,
    Converters =
    [
        typeof(CamelCaseEnumConverter<ConnectorKind>), typeof(CamelCaseEnumConverter<NormKind>), typeof(CamelCaseEnumConverter<PositionKind>),
        typeof(CamelCaseEnumConverter<MlpKind>), typeof(CamelCaseEnumConverter<PatchPositionKind>), typeof(CamelCaseEnumConverter<Activation>),
        typeof(CamelCaseEnumConverter<RotaryStyle>), typeof(CamelCaseEnumConverter<ImageResizeMode>),
        typeof(CamelCaseEnumConverter<WorldSplit>), typeof(CamelCaseEnumConverter<TaskKind>), typeof(CamelCaseEnumConverter<PostprocessStep>),
        typeof(CamelCaseEnumConverter<DecodingKind>),
    ])]
[JsonSerializable(typeof(ModelDocument))]
[JsonSerializable(typeof(CheckpointManifest))]
[JsonSerializable(typeof(TaskConfig))]
[JsonSerializable(typeof(CaptionClassConfig))]
[JsonSerializable(typeof(TextPerplexityConfig))]
[JsonSerializable(typeof(EvaluationResult))]
internal sealed partial class InferenceJson : JsonSerializerContext;
