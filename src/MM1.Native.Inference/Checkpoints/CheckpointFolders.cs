using System.Globalization;

namespace MM1.Native.Inference;

/// <summary>A checkpoint of a run.</summary>
/// <param name="Step">Steps that were taken.</param>
/// <param name="Directory">Its folder.</param>
/// <param name="IsComplete">Whether <c>complete.json</c> is there.</param>
public sealed record CheckpointFolder(long Step, string Directory, bool IsComplete);

/// <summary>Where the checkpoints of a run are: <c>RUN/checkpoints/step-000900</c>.</summary>
public static class CheckpointFolders
{
    private const string Prefix = "step-";

    /// <summary>The folder of all checkpoints of a run.</summary>
    public static string Root(string runDirectory) => Path.Combine(runDirectory, "checkpoints");

    /// <summary>The name of a step's folder.</summary>
    public static string Name(long step) => Prefix + step.ToString("D6", CultureInfo.InvariantCulture);

    /// <summary>All checkpoints of a run, the newest first; folders of other names (such as unfinished temporary ones) are not theirs.</summary>
    public static IReadOnlyList<CheckpointFolder> List(string runDirectory)
    {
        string root = Root(runDirectory);
        if (!Directory.Exists(root)) return [];
        var folders = new List<CheckpointFolder>();
        foreach (string directory in Directory.GetDirectories(root))
        {
            string name = Path.GetFileName(directory);
            if (name.StartsWith(Prefix, StringComparison.Ordinal) && long.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step))
                folders.Add(new CheckpointFolder(step, directory, File.Exists(Path.Combine(directory, CheckpointManifest.FileName))));
        }
        return [.. folders.OrderByDescending(static folder => folder.Step)];
    }

    /// <summary>The checkpoint that a path means: the folder itself where it holds a model, else the newest complete checkpoint of a run.</summary>
    /// <exception cref="ConfigurationException">There is none, or files of it are missing or of another size.</exception>
    public static string Resolve(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path)) throw new ConfigurationException($"{path} is a file; give the folder of a checkpoint ({Prefix}000900) or of a run");
        if (!Directory.Exists(path)) throw new ConfigurationException($"{path}: there is no such folder; give the folder of a checkpoint ({Prefix}000900) or of a run");
        string directory = path;
        if (!File.Exists(Path.Combine(path, ModelBundle.ModelFile)) && Directory.Exists(Root(path)))
        {
            IReadOnlyList<CheckpointFolder> folders = List(path);
            directory = folders.FirstOrDefault(static folder => folder.IsComplete)?.Directory ?? throw new ConfigurationException(folders.Count == 0
                ? $"{Root(path)} holds no checkpoint yet; train until one is saved"
                : $"{Root(path)} holds {folders.Count} checkpoint(s), none of them complete (no {CheckpointManifest.FileName}); train until one is saved");
        }
        if (CheckpointManifest.TryRead(directory)?.FindFault(directory, hashes: false) is { } fault)
            throw new ConfigurationException($"the checkpoint {directory} is damaged: {fault}; use another checkpoint, or copy it again");
        return directory;
    }
}
