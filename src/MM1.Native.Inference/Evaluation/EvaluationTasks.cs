using System.Reflection;
using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>Tasks by name or from files.</summary>
public static class EvaluationTasks
{
    private const string ResourcePrefix = "tasks/", Extension = ".yaml";
    private static readonly Assembly Here = typeof(EvaluationTasks).Assembly;

    /// <summary>The names of the built-in tasks.</summary>
    public static IReadOnlyList<string> BuiltIn { get; } =
    [
        .. Here.GetManifestResourceNames().Where(static name => name.StartsWith(ResourcePrefix, StringComparison.Ordinal))
            .Select(static name => name[ResourcePrefix.Length..^Extension.Length]).Order(StringComparer.Ordinal)
    ];

    /// <summary>A built-in task by its name, or the task of a YAML file.</summary>
    /// <exception cref="ConfigurationException">There is no such task, or the file is wrong.</exception>
    public static IEvaluationTask Load(string nameOrPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrPath);
        if (BuiltIn.Contains(nameOrPath)) return Parse(BuiltInText(nameOrPath), nameOrPath + Extension + " (built in)");
        bool isPath = File.Exists(nameOrPath) || Path.HasExtension(nameOrPath) || nameOrPath.Contains(Path.DirectorySeparatorChar);
        if (isPath) return FromNode(StrictYaml.Read(nameOrPath), nameOrPath);
        throw new ConfigurationException($"there is no task '{nameOrPath}'; the nearest is '{NearestName.Find(nameOrPath, BuiltIn)}' (built in are {string.Join(", ", BuiltIn)}; a file is given by its path, such as my-task.yaml)");
    }

    /// <summary>A task of a YAML text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="fileName">What errors call it.</param>
    /// <exception cref="ConfigurationException">The text is wrong.</exception>
    public static IEvaluationTask Parse(string text, string fileName) => FromNode(StrictYaml.Parse(text, fileName), fileName);

    /// <summary>The YAML text of a built-in task, to start one's own from.</summary>
    public static string BuiltInText(string name)
    {
        using Stream stream = Here.GetManifestResourceStream(ResourcePrefix + name + Extension) ?? throw new ArgumentException($"there is no built-in task '{name}'", nameof(name));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static IEvaluationTask FromNode(JsonObject root, string fileName) => (root["kind"] as JsonValue)?.ToString() switch
    {
        "captionClass" => CaptionClass(root, fileName),
        "textPerplexity" => TextPerplexity(root, fileName),
        _ => Synthetic(root, fileName),
    };

    private static CaptionClassTask CaptionClass(JsonObject root, string fileName)
    {
        CaptionClassConfig config = StrictYaml.Bind(root, InferenceJson.Default.CaptionClassConfig, fileName);
        Check(config.Name.Length > 0, "name", "is empty");
        Check(config.Limit is null or >= 1, "limit", $"is {config.Limit}; it must be 1 or more");
        Check(config.Shots >= 0, "shots", $"is {config.Shots}; it must be 0 or more");
        Check(config.MaxNewTokens >= 1, "maxNewTokens", $"is {config.MaxNewTokens}; it must be 1 or more");
        Check(config.Classes is null || (config.Classes.Count >= 2 && config.Classes.All(static text => text.Length > 0) && config.Classes.Distinct().Count() == config.Classes.Count),
            "classes", "must be 2 or more different texts that are not empty, or null for the captions of the data");
        CheckMetrics(config.Metrics, CaptionClassTask.MetricNames, Check);
        return new CaptionClassTask(config);

        void Check(bool holds, string key, string what) => EvaluationTasks.Check(holds, root, fileName, key, what);
    }

    private static TextPerplexityTask TextPerplexity(JsonObject root, string fileName)
    {
        TextPerplexityConfig config = StrictYaml.Bind(root, InferenceJson.Default.TextPerplexityConfig, fileName);
        Check(config.Name.Length > 0, root, fileName, "name", "is empty");
        Check(config.Limit is null or >= 1, root, fileName, "limit", $"is {config.Limit}; it must be 1 or more");
        Check(config.Window is null or >= 2, root, fileName, "window", $"is {config.Window}; it must be 2 or more");
        return new TextPerplexityTask(config);
    }

    private static SyntheticTask Synthetic(JsonObject root, string fileName)
    {
        if (root["world"] is JsonValue word)
        {
            if (!word.TryGetValue(out string? name) || name != "default")
                throw ConfigurationException.At(fileName, SourceLines.Of(root, "world"), "world", $"is {StrictBinder.Describe(word)}; it must be default, or a section of values over the defaults");
            root["world"] = null;
        }
        TaskConfig config = StrictYaml.Bind(root, InferenceJson.Default.TaskConfig, fileName);
        Check(config.Name.Length > 0, "name", "is empty");
        Check(config.Limit >= 1, "limit", $"is {config.Limit}; it must be 1 or more");
        Check(config.Demonstrations.Count >= 0, "demonstrations.count", $"is {config.Demonstrations.Count}; it must be 0 or more");
        Check(config.Demonstrations.Pool >= 1, "demonstrations.pool", $"is {config.Demonstrations.Pool}; it must be 1 or more");
        Check(config.Decoding.MaxNewTokens >= 1, "decoding.maxNewTokens", $"is {config.Decoding.MaxNewTokens}; it must be 1 or more");
        string[] known = config.Kind switch
        {
            TaskKind.Question => QuestionTask.MetricNames,
            TaskKind.Caption => CaptionTask.MetricNames,
            _ => FormatTask.MetricNames,
        };
        CheckMetrics(config.Metrics, known, Check);
        IReadOnlyList<string>? candidates = Candidates(config, Check);
        return config.Kind switch
        {
            TaskKind.Question => new QuestionTask(config, candidates),
            TaskKind.Caption => new CaptionTask(config, candidates),
            _ => new FormatTask(config, candidates),
        };

        void Check(bool holds, string key, string what) => EvaluationTasks.Check(holds, root, fileName, key, what);
    }

    private static void Check(bool holds, JsonObject root, string fileName, string key, string what)
    {
        if (!holds) throw ConfigurationException.At(fileName, SourceLines.Of(root, key.Split('.')[0]), key, what);
    }

    private static void CheckMetrics(IReadOnlyList<string>? metrics, IReadOnlyList<string> known, Action<bool, string, string> check)
    {
        check(metrics is null || metrics.Count > 0, "metrics", $"is empty; there are {string.Join(", ", known)}");
        foreach (string metric in metrics ?? [])
            check(known.Contains(metric), "metrics", $"has '{metric}', which is no metric of this kind; the nearest is '{NearestName.Find(metric, known)}' (there are {string.Join(", ", known)})");
    }

    private static IReadOnlyList<string>? Candidates(TaskConfig config, Action<bool, string, string> check)
    {
        const string Key = "decoding.candidates";
        JsonNode? given = config.Decoding.Candidates;
        if (config.Decoding.Kind == DecodingKind.Greedy)
        {
            check(given is null, Key, "is given, but 'decoding.kind' is greedy; it must be candidates");
            return null;
        }
        check(given is not null, Key, "is missing; it must be a list of texts, or answers for every answer of the synthetic world");
        if (given is JsonValue word && word.TryGetValue(out string? name) && name == "answers") return WorldWords.Answers;
        var texts = new List<string>();
        foreach (JsonNode? node in given as JsonArray ?? [])
        {
            if (node is JsonValue value && value.TryGetValue(out string? text) && text.Length > 0) texts.Add(text);
            else check(false, Key, $"has {StrictBinder.Describe(node)}; it must hold texts that are not empty");
        }
        check(texts.Count >= 2 && texts.Distinct().Count() == texts.Count, Key, $"is {StrictBinder.Describe(given)} of {texts.Count}; it must be a list of 2 or more different texts, or answers");
        return texts;
    }
}
