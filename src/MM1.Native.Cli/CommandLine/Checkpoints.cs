using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary>CHECKPOINT arguments: a checkpoint's folder, or a run's.</summary>
internal static class Checkpoints
{
    /// <summary>Loads a checkpoint; what is missing or damaged is an unreadable file, not a wrong configuration.</summary>
    public static ModelBundle Load(string path, Device device)
    {
        try
        {
            return ModelBundle.Load(path, device);
        }
        catch (ConfigurationException exception)
        {
            throw new CommandException(ExitCode.Unreadable, exception.Message, exception);
        }
    }

    /// <summary>Whether a checkpoint's run says that it was trained on files, not on the synthetic world.</summary>
    public static bool WasTrainedOnSources(ModelBundle bundle)
    {
        string path = Path.Combine(bundle.Path, "trainer.json");
        return File.Exists(path) && StrictYaml.Read(path)["config"]?["data"]?["kind"] is JsonValue kind && kind.ToString() == "sources";
    }

    /// <summary>The synthetic world that a checkpoint was trained on; null where it does not say (the default one).</summary>
    public static SyntheticWorldOptions? WorldOf(ModelBundle bundle)
    {
        string path = Path.Combine(bundle.Path, "trainer.json");
        if (!File.Exists(path)) return null;
        JsonObject root = StrictYaml.Read(path);
        return root["config"]?["data"]?["world"] is JsonObject world ? StrictYaml.Bind(world, TrainingJson.Default.SyntheticWorldOptions, path, "config.data.world") : null;
    }
}
