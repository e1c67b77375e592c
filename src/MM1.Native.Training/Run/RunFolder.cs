using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>The folder of a run, locked against a second process while it is open.</summary>
internal sealed class RunFolder : IDisposable
{
    private readonly FileStream _lock;

    private RunFolder(string path, FileStream lockFile) => (Path, _lock) = (path, lockFile);

    public string Path { get; }

    public string Checkpoints => System.IO.Path.Combine(Path, "checkpoints");

    public string Metrics => System.IO.Path.Combine(Path, "metrics.jsonl");

    public string BadSamples => System.IO.Path.Combine(Path, BadSample.FileName);

    public string Summary => System.IO.Path.Combine(Path, "summary.json");

    public string Config => System.IO.Path.Combine(Path, "config.json");

    /// <summary>Makes the folder where it is not there, and locks it; the lock goes with the process, also when that is killed.</summary>
    /// <exception cref="TrainingException">The folder cannot be written, or another process trains in it.</exception>
    public static RunFolder Open(string path)
    {
        string full = System.IO.Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(full);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new TrainingException($"The output folder '{full}' cannot be made: {failure.Message} Choose one that can be written with --out.", failure);
        }
        string lockPath = System.IO.Path.Combine(full, ".lock");
        try
        {
            return new RunFolder(full, new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            bool exists = File.Exists(lockPath) && failure is IOException;
            throw new TrainingException(exists
                ? $"Another process trains in '{full}' (it holds '.lock' there): wait for it, or choose another folder with --out. {failure.Message}"
                : $"The output folder '{full}' cannot be written: {failure.Message} Choose another with --out.", failure);
        }
    }

    public void Dispose() => _lock.Dispose();
}
