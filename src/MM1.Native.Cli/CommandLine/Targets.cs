using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Models;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary>A configuration file, read and checked as far as can be known before anything is built.</summary>
/// <param name="File">The file.</param>
/// <param name="Config">The configuration, its defaults resolved.</param>
/// <param name="Data">Its data.</param>
/// <param name="Model">Its model.</param>
/// <param name="Packing">How batches are packed.</param>
/// <param name="Set">What was laid over the file, as given.</param>
internal sealed record RunTarget(string File, TrainingConfig Config, TrainingData Data, Mm1Config Model, PackingOptions Packing, IReadOnlyList<string> Set)
{
    /// <summary>What it costs.</summary>
    public ModelPlan Plan()
    {
        long tokens = (long)Config.Data.Sequences * Config.Data.Length;
        var shape = new TrainingShape { Tokens = tokens, Images = Packing.ImageCapacity, Recompute = Config.Recompute };
        return new ModelPlan(Config.Name, Model, shape, Config.Optimizer.LearningRate, tokens * Config.Accumulation);
    }
}

/// <summary>CONFIG and PRESET arguments.</summary>
internal static class Targets
{
    /// <summary>Reads a configuration file with <c>--set</c> laid over it, and checks it.</summary>
    public static RunTarget Read(string file, IReadOnlyList<string> set)
    {
        if (Directory.Exists(file))
        {
            string inner = Path.Combine(file, "config.json");
            file = File.Exists(inner) ? inner : throw new CommandException(ExitCode.Usage, $"'{file}' is a folder; give a configuration file, such as configs/shapes-tiny.yaml");
        }
        JsonObject root = StrictYaml.Read(file);
        foreach (string assignment in set)
        {
            int equals = assignment.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1) throw new CommandException(ExitCode.Usage, $"--set takes key=value, e.g. --set schedule.steps=200, not '{assignment}'");
            StrictYaml.Set(root, assignment[..equals], assignment[(equals + 1)..]);
        }
        TrainingConfig config = StrictYaml.Bind(root, TrainingJson.Default.TrainingConfig, file);
        try
        {
            config.Validate();
            TrainingData data = TrainingData.Open(config, DataFiles.Formats);
            Mm1Config model = Mm1ConfigReader.FromNode(config.Model, file, vocabulary: data.Tokenizer.VocabularySize);
            return new RunTarget(file, config, data, model, data.Packing(config, model, config.Data.Images.For(model.Vision)), set);
        }
        catch (ArgumentException exception)
        {
            throw new CommandException(ExitCode.Usage, $"{file}: no such model can be built: {Failures.Describe(exception).Message}", exception);
        }
    }

    /// <summary>The plan of a preset or a configuration file.</summary>
    public static ModelPlan Plan(string target, IReadOnlyList<string> set)
    {
        if (IsPreset(target, set)) return ModelPlan.OfPreset(target);
        return Read(target, set).Plan();
    }

    /// <summary>Whether an argument is a preset; an error where it is neither preset nor file.</summary>
    public static bool IsPreset(string target, IReadOnlyList<string> set)
    {
        if (Mm1Presets.Names.Contains(target))
            return set.Count == 0 ? true : throw new CommandException(ExitCode.Usage, "--set changes a configuration file, not a preset");
        if (File.Exists(target) || Directory.Exists(target)) return false;
        string near = NearestName.FindSimilar(target, Mm1Presets.Names) is { } name ? $" Did you mean '{name}'?" : "";
        throw new CommandException(ExitCode.Usage, $"'{target}' is no preset and there is no such file.{near} Presets: {string.Join(", ", Mm1Presets.Names)}.");
    }
}
