namespace MM1.Native.Cli.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    /// <summary>The folder.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("mm1-cli-").FullName;

    /// <summary>A path inside it.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <inheritdoc/>
    public void Dispose()
    {
        // MM1_KEEP_PICTURES=folder keeps what tests drew, to be looked at.
        if (Environment.GetEnvironmentVariable("MM1_KEEP_PICTURES") is { Length: > 0 } keep)
        {
            Directory.CreateDirectory(keep);
            foreach (string file in Directory.EnumerateFiles(Path, "*.*g", SearchOption.AllDirectories)) File.Copy(file, System.IO.Path.Combine(keep, System.IO.Path.GetRelativePath(Path, file).Replace(System.IO.Path.DirectorySeparatorChar, '-')), overwrite: true);
        }
        Directory.Delete(Path, recursive: true);
    }
}
