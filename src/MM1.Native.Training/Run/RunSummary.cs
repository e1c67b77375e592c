using System.Globalization;
using System.Text.Json;

namespace MM1.Native.Training;

/// <summary>What <c>summary.json</c> holds: figures of the run, and the metrics that the final evaluation's entries name.</summary>
public sealed record RunSummary
{
    /// <summary>Seconds of training, through all stops and with the encoder's pre-training; building, loading and evaluation are not counted.</summary>
    public required double TrainSeconds { get; init; }

    /// <summary>Seconds of the encoder's pre-training, which the seconds of training include; 0 without one.</summary>
    public double PretrainingSeconds { get; init; }

    /// <summary>Images of the encoder's pre-training.</summary>
    public long PretrainingImages { get; init; }

    /// <summary>Seconds of evaluation and samples.</summary>
    public required double EvalSeconds { get; init; }

    /// <summary>Steps done.</summary>
    public required long Steps { get; init; }

    /// <summary>Parameters of the model.</summary>
    public required long Parameters { get; init; }

    /// <summary>Tokens of documents a second of training, pre-training not counted.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Images a second of training, pre-training not counted.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>Share of training that waited for data.</summary>
    public required double DataWaitFraction { get; init; }

    /// <summary>Largest resident memory in MiB.</summary>
    public required double PeakRssMiB { get; init; }

    /// <summary>Metrics of the final evaluation by the keys that the configuration gives them, in its order.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> Metrics { get; init; } = [];

    /// <summary>The file's text.</summary>
    public byte[] ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("train_seconds", Math.Round(TrainSeconds, 3));
            if (PretrainingImages > 0)
            {
                json.WriteNumber("pretraining_seconds", Math.Round(PretrainingSeconds, 3));
                json.WriteNumber("pretraining_images", PretrainingImages);
            }
            json.WriteNumber("eval_seconds", Math.Round(EvalSeconds, 3));
            json.WriteBoolean("build_excluded", true);
            json.WriteNumber("steps", Steps);
            json.WriteNumber("parameters", Parameters);
            json.WriteNumber("tokens_per_s", Math.Round(TokensPerSecond, 1));
            json.WriteNumber("images_per_s", Math.Round(ImagesPerSecond, 2));
            json.WriteNumber("data_wait_fraction", Math.Round(DataWaitFraction, 4));
            json.WriteNumber("peak_rss_mib", Math.Round(PeakRssMiB, 1));
            foreach ((string key, double value) in Metrics) JsonLinesSink.Number(json, key, value);
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <summary>Reads a file that <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="TrainingException">It is no such file.</exception>
    public static RunSummary Read(string path)
    {
        string[] own = ["train_seconds", "pretraining_seconds", "pretraining_images", "eval_seconds", "build_excluded", "steps", "parameters", "tokens_per_s", "images_per_s", "data_wait_fraction", "peak_rss_mib"];
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement root = document.RootElement;
            return new RunSummary
            {
                TrainSeconds = Number("train_seconds"),
                PretrainingSeconds = root.TryGetProperty("pretraining_seconds", out JsonElement seconds) ? seconds.GetDouble() : 0,
                PretrainingImages = root.TryGetProperty("pretraining_images", out JsonElement images) ? images.GetInt64() : 0,
                EvalSeconds = Number("eval_seconds"),
                Steps = (long)Number("steps"),
                Parameters = (long)Number("parameters"),
                TokensPerSecond = Number("tokens_per_s"),
                ImagesPerSecond = Number("images_per_s"),
                DataWaitFraction = Number("data_wait_fraction"),
                PeakRssMiB = Number("peak_rss_mib"),
                Metrics = [.. root.EnumerateObject().Where(property => !own.Contains(property.Name)).Select(property => KeyValuePair.Create(property.Name, Value(property.Value)))],
            };

            double Number(string key) => root.GetProperty(key).GetDouble();

            // An infinite perplexity stands there as a text: JSON has no such number.
            static double Value(JsonElement value) => value.ValueKind == JsonValueKind.String ? double.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetDouble();
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new TrainingException($"'{path}' is no summary of a run ({fault.Message}); delete it to have it written again.", fault);
        }
    }
}
