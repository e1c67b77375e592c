using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>What a source gave so far.</summary>
public sealed record SourceStatistics
{
    /// <summary>Sequences filled from it.</summary>
    public long Sequences { get; init; }

    /// <summary>Documents placed; the pieces of a split one count each.</summary>
    public long Documents { get; init; }

    /// <summary>Tokens placed, images included, padding not.</summary>
    public long Tokens { get; init; }

    /// <summary>Positions whose next token counts in the loss.</summary>
    public long Targets { get; init; }

    /// <summary>Images placed.</summary>
    public long Images { get; init; }

    /// <summary>Tokens of padding in its sequences.</summary>
    public long Padding { get; init; }

    /// <summary>Cuts through documents too long for a sequence.</summary>
    public long Splits { get; init; }

    /// <summary>Targets lost because a split put them first in a piece.</summary>
    public long LostTargets { get; init; }

    /// <summary>Tokens left out under <see cref="LongDocumentRule.Cut"/>.</summary>
    public long CutTokens { get; init; }

    /// <summary>Documents read, bad ones included.</summary>
    public long Read { get; init; }

    /// <summary>Documents that could not be used, by cause.</summary>
    public IReadOnlyDictionary<string, long> Bad { get; init; } = new Dictionary<string, long>();

    /// <summary>What documents that were used had to leave out (<see cref="Document.Problems"/>), by cause.</summary>
    public IReadOnlyDictionary<string, long> Problems { get; init; } = new Dictionary<string, long>();

    /// <summary>Share of its sequences that holds documents: tokens / (tokens + padding); 1 before the first.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public double Efficiency => Tokens == 0 ? 1 : (double)Tokens / (Tokens + Padding);
}

/// <summary>A document read and not yet placed.</summary>
/// <param name="Epoch">Where it stands in its source.</param>
/// <param name="Index">Where it stands in its source.</param>
/// <param name="Offset">Tokens of it that are placed already.</param>
public sealed record PendingDocument(long Epoch, long Index, int Offset);

/// <summary>Where a source stands.</summary>
public sealed record SourceCursor
{
    /// <summary>The source.</summary>
    public required string Name { get; init; }

    /// <summary>Epoch of the next document to read.</summary>
    public long Epoch { get; init; }

    /// <summary>Index of the next document to read.</summary>
    public long Index { get; init; }

    /// <summary>Documents read ahead, the oldest first.</summary>
    public IReadOnlyList<PendingDocument> Pending { get; init; } = [];

    /// <summary>What it gave so far.</summary>
    public SourceStatistics Statistics { get; init; } = new();
}

/// <summary>
/// Where a mixture stands after a batch: enough to go on with the very next one. A value; save it with the checkpoint of the step that used the batch.
/// </summary>
public sealed record MixtureCursor
{
    /// <summary>Batches given.</summary>
    public long Batches { get; init; }

    /// <summary>Sequences given.</summary>
    public long Sequences { get; init; }

    /// <summary>The sources, in the order of the mixture.</summary>
    public required IReadOnlyList<SourceCursor> Sources { get; init; }

    /// <summary>Images that could not be loaded; their documents had no targets.</summary>
    public long BadImages { get; init; }

    /// <summary>Bad documents, what documents had to leave out, and bad images, all together.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long BadSamples => BadImages + Sources.Sum(static source => source.Statistics.Bad.Values.Sum() + source.Statistics.Problems.Values.Sum());

    /// <summary>The settings that the order depends on, in words.</summary>
    public required string Settings { get; init; }

    /// <summary>As JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, DataJson.Default.MixtureCursor);

    /// <summary>From JSON.</summary>
    /// <exception cref="InvalidDataException">The text is no cursor.</exception>
    public static MixtureCursor FromJson(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, DataJson.Default.MixtureCursor) ?? throw new InvalidDataException("the data cursor is null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"no data cursor: {exception.Message}", exception);
        }
    }
}
