using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>How far an evaluation is.</summary>
/// <param name="Task">The task.</param>
/// <param name="Done">Prompts (with candidates: sequences) that are answered.</param>
/// <param name="Total">Of so many.</param>
public readonly record struct EvaluationProgress(string Task, int Done, int Total);

/// <summary>One item of an evaluation, for people to look at.</summary>
public sealed record EvaluationSample
{
    /// <summary>The item.</summary>
    public required string Id { get; init; }

    /// <summary>The prompt, <c>&lt;image&gt;</c> where images stand.</summary>
    public required string Prompt { get; init; }

    /// <summary>Names of the prompt's images, in order.</summary>
    public required IReadOnlyList<string> ImageSources { get; init; }

    /// <summary>The images themselves.</summary>
    [JsonIgnore]
    public IReadOnlyList<IImageSource> Images { get; init; } = [];

    /// <summary>The answer as it was scored.</summary>
    public required string Output { get; init; }

    /// <summary>A right answer.</summary>
    public required string Truth { get; init; }

    /// <summary>Whether the answer counts as right.</summary>
    public required bool Correct { get; init; }
}

/// <summary>What an evaluation found.</summary>
public sealed record EvaluationResult
{
    /// <summary>The task.</summary>
    public required string Task { get; init; }

    /// <summary>Examples before each item.</summary>
    public required int Shots { get; init; }

    /// <summary>Items that were answered.</summary>
    public required int Items { get; init; }

    /// <summary>Whether the images were exchanged.</summary>
    public bool Blind { get; init; }

    /// <summary>Whether the examples showed another format.</summary>
    public bool WrongFormat { get; init; }

    /// <summary>The metrics, by name; one that is not finite is a text in JSON.</summary>
    [JsonNumberHandling(JsonNumberHandling.AllowNamedFloatingPointLiterals)]
    public required SortedDictionary<string, double> Metrics { get; init; }

    /// <summary>Seconds that it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>Each item, where the options ask for it; else null.</summary>
    public IReadOnlyList<EvaluationSample>? Samples { get; init; }

    /// <summary>The result as JSON, camelCase keys.</summary>
    public JsonObject ToJson() => JsonSerializer.SerializeToNode(this, InferenceJson.Default.EvaluationResult)!.AsObject();
}
