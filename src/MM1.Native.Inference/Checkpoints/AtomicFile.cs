namespace MM1.Native.Inference;

/// <summary>Writes files that are there whole or not at all.</summary>
public static class AtomicFile
{
    /// <summary>What a kill can leave behind ends so; the next write of the same file takes its place.</summary>
    public const string TemporaryEnding = ".tmp";

    /// <summary>Writes bytes to a temporary file beside the target, flushes them to the disk and renames it.</summary>
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        string temporary = Temporary(path);
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The same for a writer that takes a path.</summary>
    public static void Write(string path, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        string temporary = Temporary(path);
        try
        {
            write(temporary);
            using (var stream = new FileStream(temporary, FileMode.Open, FileAccess.ReadWrite)) stream.Flush(flushToDisk: true);
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static string Temporary(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return $"{path}{TemporaryEnding}";
    }
}
