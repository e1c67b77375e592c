using System.Buffers;
using System.Text;
using System.Text.Json;

namespace MM1.Native.Training;

/// <summary>
/// <c>metrics.jsonl</c>: one JSON object a line (<c>event</c>: <c>step</c> of logged steps, <c>loss</c> of the others with loss, rate and norm alone, <c>skipped</c>, <c>evaluation</c>, ...), each flushed to the operating system as it is written. When a run is continued the lines after its checkpoint's step go, so that the file reads as
/// one run. Infinite and NaN values are written as strings, <c>"NaN"</c>.
/// </summary>
public sealed class JsonLinesSink : ITrainSink
{
    private readonly FileStream _stream;
    private readonly ArrayBufferWriter<byte> _line = new();

    /// <summary>Opens the file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="resumeStep">The step that the run goes on from; null for a fresh run, which begins the file anew.</param>
    public JsonLinesSink(string path, long? resumeStep)
    {
        if (resumeStep is { } step && File.Exists(path)) CutBack(path, step);
        else File.Delete(path);
        _stream = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    /// <inheritdoc/>
    public void Handle(TrainEvent trainEvent)
    {
        ArgumentNullException.ThrowIfNull(trainEvent);
        switch (trainEvent)
        {
            case StepCompleted { IsLogged: true } done:
                Write("step", done.Step, json => WriteStep(json, done));
                break;
            case StepCompleted done:
                // In full only where the step is logged; its curves' points are there for all.
                Write("loss", done.Step, json => WriteCurves(json, done));
                break;
            case PretrainingStepCompleted { IsLogged: true } done:
                Write("pretraining", done.Step, json =>
                {
                    json.WriteNumber("pretraining_step", done.PretrainingStep);
                    Number(json, "loss", done.Loss);
                    Number(json, "learning_rate", done.LearningRate);
                    Number(json, "gradient_norm", done.GradientNorm);
                    Number(json, "scale", done.Scale);
                    json.WriteNumber("images", done.Images);
                    json.WriteNumber("images_per_s", Math.Round(done.ImagesPerSecond, 2));
                    json.WriteNumber("pretraining_seconds", Math.Round(done.Time.TotalSeconds, 3));
                });
                break;
            case StepSkipped skipped:
                Write("skipped", skipped.Step, json =>
                {
                    json.WriteString("cause", JsonNamingPolicy.CamelCase.ConvertName(skipped.Cause.ToString()));
                    json.WriteString("message", skipped.Message);
                    json.WriteNumber("skips", skipped.Skips);
                    json.WriteNumber("skips_in_a_row", skipped.SkipsInARow);
                });
                break;
            case EvaluationCompleted evaluated:
                Write("evaluation", evaluated.Step, json =>
                {
                    json.WriteString("name", evaluated.Name);
                    json.WriteBoolean("final", evaluated.IsFinal);
                    json.WriteNumber("items", evaluated.Items);
                    json.WriteNumber("seconds", Math.Round(evaluated.Seconds, 3));
                    json.WriteNumber("train_seconds", Math.Round(evaluated.TrainSeconds, 3));
                    json.WriteStartObject("metrics");
                    foreach ((string name, double value) in evaluated.Metrics) Number(json, name, value);
                    json.WriteEndObject();
                });
                break;
            case SamplesDrawn drawn:
                Write("samples", drawn.Step, json =>
                {
                    json.WriteStartArray("samples");
                    foreach (TrainSample sample in drawn.Samples)
                    {
                        json.WriteStartObject();
                        json.WriteString("prompt", sample.Prompt);
                        json.WriteString("output", sample.Output);
                        json.WriteString("truth", sample.Truth);
                        json.WriteBoolean("correct", sample.Correct);
                        json.WriteEndObject();
                    }
                    json.WriteEndArray();
                });
                break;
            case CheckpointSaved:
                _stream.Flush(flushToDisk: true);
                break;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private static void WriteStep(Utf8JsonWriter json, StepCompleted done)
    {
        WriteCurves(json, done);
        json.WriteNumber("tokens", done.Tokens);
        json.WriteNumber("targets", done.Targets);
        json.WriteNumber("images", done.Images);
        json.WriteBoolean("skipped", done.Skipped);
        if (done.BadSamplesSoFar > 0) json.WriteNumber("bad_samples", done.BadSamplesSoFar);
        json.WriteNumber("packing_efficiency", Math.Round(done.Throughput.PackingEfficiency, 4));
        json.WriteNumber("tokens_per_s", Math.Round(done.Throughput.TokensPerSecond, 1));
        json.WriteNumber("images_per_s", Math.Round(done.Throughput.ImagesPerSecond, 2));
        json.WriteNumber("data_wait_fraction", Math.Round(done.Throughput.DataWaitFraction, 4));
        json.WriteNumber("gflop_per_s", Math.Round(done.Throughput.FlopsPerSecond / 1e9, 3));
        json.WriteNumber("peak_rss_mib", Math.Round(done.Throughput.PeakRssMiB, 1));
        json.WriteNumber("train_seconds", Math.Round(done.TrainTime.TotalSeconds, 3));
    }

    private static void WriteCurves(Utf8JsonWriter json, StepCompleted done)
    {
        Number(json, "loss", done.Loss);
        if (done.Sources.Count > 0)
        {
            json.WriteStartObject("loss_by_source");
            foreach (SourceLoss source in done.Sources) Number(json, source.Source, source.Loss);
            json.WriteEndObject();
        }
        Number(json, "learning_rate", done.LearningRate);
        Number(json, "gradient_norm", done.GradientNorm);
    }

    /// <summary>A number, as a text where JSON has none for it: NaN, Infinity.</summary>
    internal static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value)) json.WriteNumber(name, value);
        else json.WriteString(name, value.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    private void Write(string kind, long step, Action<Utf8JsonWriter> write)
    {
        _line.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_line))
        {
            json.WriteStartObject();
            json.WriteString("event", kind);
            json.WriteNumber("step", step);
            write(json);
            json.WriteEndObject();
        }
        _line.Write("\n"u8);
        _stream.Write(_line.WrittenSpan); // one write: a line is there whole, or is the last
    }

    /// <summary>Keeps the lines up to a step; the final evaluation's are written again.</summary>
    internal static void CutBack(string path, long step)
    {
        var kept = new StringBuilder();
        foreach (string line in File.ReadLines(path))
        {
            if (Belongs(line, step)) kept.Append(line).Append('\n');
        }
        FileSync.Replace(path, Encoding.UTF8.GetBytes(kept.ToString()));
    }

    private static bool Belongs(string line, long step)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            bool isFinal = root.TryGetProperty("final", out JsonElement final) && final.ValueKind == JsonValueKind.True;
            return !isFinal && root.GetProperty("step").GetInt64() <= step;
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return false; // a line that a kill cut short is the last
        }
    }
}
