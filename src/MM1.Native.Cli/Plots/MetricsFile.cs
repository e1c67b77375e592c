using System.Globalization;
using System.Text.Json;

namespace MM1.Native.Cli;

/// <summary>Reads the curves of a run back from its <c>metrics.jsonl</c>.</summary>
internal static class MetricsFile
{
    /// <summary>The file's name in a run's folder.</summary>
    public const string Name = "metrics.jsonl";

    /// <summary>Reads steps and evaluations up to a step. A last line that was cut short is passed over.</summary>
    /// <exception cref="InvalidDataException">A line is no JSON object of a run.</exception>
    public static TrainingCurves Read(string path, long lastStep = long.MaxValue)
    {
        var curves = new TrainingCurves();
        string[] lines = ReadLines(path);
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length == 0) continue;
            try
            {
                using JsonDocument document = JsonDocument.Parse(lines[i]);
                Add(curves, document.RootElement, lastStep);
            }
            catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                if (i == lines.Length - 1) break; // a kill cut it short
                throw new InvalidDataException($"{path}:{(i + 1).ToString(CultureInfo.InvariantCulture)}: no line of metrics: {exception.Message}", exception);
            }
        }
        return curves;
    }

    /// <summary>All lines, while a run may still append to them.</summary>
    private static string[] ReadLines(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n');
    }

    private static void Add(TrainingCurves curves, JsonElement line, long lastStep)
    {
        long step = line.GetProperty("step").GetInt64();
        if (step > lastStep) return;
        switch (line.GetProperty("event").GetString())
        {
            case "step" or "loss":
                var sources = new List<KeyValuePair<string, double>>();
                if (line.TryGetProperty("loss_by_source", out JsonElement bySource))
                    foreach (JsonProperty source in bySource.EnumerateObject()) sources.Add(KeyValuePair.Create(source.Name, Number(source.Value)));
                curves.AddStep(step, Number(line.GetProperty("loss")), sources, Number(line.GetProperty("learning_rate")), Number(line.GetProperty("gradient_norm")));
                break;
            case "evaluation":
                string name = line.GetProperty("name").GetString()!;
                foreach (JsonProperty metric in line.GetProperty("metrics").EnumerateObject()) curves.AddEvaluation(step, name, metric.Name, Number(metric.Value));
                break;
        }
    }

    /// <summary>A number; infinities and NaN are texts in JSON.</summary>
    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.String ? double.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetDouble();
}
