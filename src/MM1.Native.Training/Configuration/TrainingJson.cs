using System.Text.Json;
using System.Text.Json.Serialization;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>
/// The JSON of this library, generated at build time: camelCase, enums by name, an unknown key is an error. Configurations are read through <c>StrictYaml.Bind</c>, which keeps the defaults of
/// absent keys.
/// </summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    IgnoreReadOnlyProperties = true, RespectNullableAnnotations = true,
    Converters =
    [
        typeof(CamelCaseEnumConverter<DataKind>), typeof(CamelCaseEnumConverter<MixtureUnit>), typeof(CamelCaseEnumConverter<OptimizerKind>),
        typeof(CamelCaseEnumConverter<WorldSplit>), typeof(CamelCaseEnumConverter<EncoderNames>), typeof(CamelCaseEnumConverter<LlmNames>),
        typeof(CamelCaseEnumConverter<Precision>), typeof(CamelCaseEnumConverter<TokenizerKind>), typeof(CamelCaseEnumConverter<TextDocuments>), typeof(CamelCaseEnumConverter<CaptionChoice>),
    ])]
[JsonSerializable(typeof(TrainingConfig))]
[JsonSerializable(typeof(TrainerState))]
public sealed partial class TrainingJson : JsonSerializerContext;
