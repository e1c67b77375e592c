using System.Text.Json;
using System.Text.Json.Serialization;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>Enumerators as camelCase names, read in any case, never as numbers.</summary>
/// <typeparam name="TEnum">The enumeration.</typeparam>
public sealed class CamelCaseEnumConverter<TEnum> : JsonStringEnumConverter<TEnum> where TEnum : struct, Enum
{
    /// <summary>For the source generator.</summary>
    public CamelCaseEnumConverter() : base(JsonNamingPolicy.CamelCase, allowIntegerValues: false) { }
}

/// <summary>
/// Model configurations as JSON, contracts generated at build time: camelCase keys, names of enumerators, unknown keys refused, derived values left out.
/// Reading through this alone loses the defaults of keys that are not there (source-generated contracts do not run initializers of
/// init-only properties); <c>StrictYaml.Bind</c> of MM1.Native.Inference restores them.
/// </summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    IgnoreReadOnlyProperties = true, RespectNullableAnnotations = true,
    Converters =
    [
        typeof(CamelCaseEnumConverter<ConnectorKind>), typeof(CamelCaseEnumConverter<NormKind>), typeof(CamelCaseEnumConverter<PositionKind>),
        typeof(CamelCaseEnumConverter<MlpKind>), typeof(CamelCaseEnumConverter<PatchPositionKind>), typeof(CamelCaseEnumConverter<Activation>),
        typeof(CamelCaseEnumConverter<RotaryStyle>),
    ])]
[JsonSerializable(typeof(Mm1Config))]
[JsonSerializable(typeof(VisionConfig))]
[JsonSerializable(typeof(ConnectorConfig))]
[JsonSerializable(typeof(DecoderConfig))]
public sealed partial class ModelsJson : JsonSerializerContext;
