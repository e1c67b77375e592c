using System.Text.Json.Nodes;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;

namespace MM1.Native.Training.Tests;

/// <summary>Takes events and keeps them.</summary>
internal sealed class EventList : ITrainSink
{
    public List<TrainEvent> Events { get; } = [];

    public IEnumerable<T> Of<T>() where T : TrainEvent => Events.OfType<T>();

    /// <summary>Called with every event, e.g. to cancel.</summary>
    public Action<TrainEvent>? Also { get; init; }

    public void Handle(TrainEvent trainEvent)
    {
        Events.Add(trainEvent);
        Also?.Invoke(trainEvent);
    }

    public void Dispose() { }
}

/// <summary>A model and data so small that a step takes milliseconds, and what tests do with runs of them.</summary>
internal static class Runs
{
    public const string Yaml = """
        name: test
        seed: 3
        model:
          vision: { imageSize: 48, patchSize: 16, layers: 1, width: 16, heads: 2 }
          connector: { kind: averagePooling, tokens: 1 }
          decoder: { layers: 1, width: 16, heads: 2, hidden: 32, maxPositions: 256 }
        data:
          world: { seed: 5, imageSize: 48 }
          sequences: 2
          length: 64
          maximumImages: 4
          workers: 0
        optimizer: { learningRate: 0.003 }
        schedule: { steps: 12, warmupSteps: 2 }
        checkpoints: { every: 4, keep: 3 }
        log: { every: 1 }
        samples: { count: 2 }
        """;

    /// <summary>The configuration with values set as <c>--set key=value</c> does.</summary>
    public static TrainingConfig Config(params string[] sets)
    {
        JsonObject root = StrictYaml.Parse(Yaml, "test.yaml");
        foreach (string set in sets)
        {
            int equals = set.IndexOf('=', StringComparison.Ordinal);
            StrictYaml.Set(root, set[..equals], set[(equals + 1)..]);
        }
        return StrictYaml.Bind(root, TrainingJson.Default.TrainingConfig, "test.yaml");
    }

    public static Device Open() => TestDevices.Open("cpu/1");

    public static RunResult Execute(TrainingConfig config, string folder, bool resume = false, int? maxSteps = null, EventList? events = null, string deviceName = "cpu/1",
        CancellationToken cancellationToken = default)
    {
        using Device device = TestDevices.Open(deviceName);
        return TrainingRun.Execute(config, new RunOptions
        {
            OutDirectory = folder,
            Device = device,
            Resume = resume,
            MaxSteps = maxSteps,
            Sinks = events is null ? [] : [events],
            CancellationToken = cancellationToken,
        });
    }

    /// <summary>The files of a checkpoint that two equal runs share: weights, optimizer, tokenizer, and the state but for its times.</summary>
    public static Dictionary<string, string> Bits(string checkpoint)
    {
        CheckpointStore.Verify(checkpoint);
        var bits = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in (string[])["model.safetensors", "optimizer.safetensors", "model.json", "tokenizer.json"])
            bits[name] = Convert.ToBase64String(File.ReadAllBytes(Path.Combine(checkpoint, name)));
        JsonObject state = JsonNode.Parse(File.ReadAllText(Path.Combine(checkpoint, "trainer.json")))!.AsObject();
        Assert(state.Remove("times"));
        state.Remove("config"); // free keys may differ
        bits["trainer.json"] = state.ToJsonString();
        return bits;

        static void Assert(bool holds) => Xunit.Assert.True(holds);
    }

    /// <summary>Step, loss, norm and rate of every line of metrics, the parts that two equal runs share.</summary>
    public static string[] Metrics(string folder) =>
    [
        .. File.ReadLines(Path.Combine(folder, "metrics.jsonl"))
            .Select(line => JsonNode.Parse(line)!)
            .Where(line => (string)line["event"]! == "step")
            .Select(line => $"{line["step"]} {line["loss"]} {line["loss_by_source"]?.ToJsonString()} {line["gradient_norm"]} {line["learning_rate"]} {line["tokens"]} {line["images"]}"),
    ];
}
