using System.Security.Cryptography;
using System.Text.Json;

namespace MM1.Native.Inference;

/// <summary>A file of a checkpoint.</summary>
public sealed record CheckpointFile
{
    /// <summary>Its name in the checkpoint's folder.</summary>
    public required string Name { get; init; }

    /// <summary>Its size.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of its content, in lower-case hexadecimal digits.</summary>
    public required string Sha256 { get; init; }
}

/// <summary><c>complete.json</c>: the last file that is written into a checkpoint's folder. It says which files make the checkpoint whole.</summary>
public sealed record CheckpointManifest
{
    /// <summary>Its name in the folder.</summary>
    public const string FileName = "complete.json";

    /// <summary>Steps that were taken.</summary>
    public required long Step { get; init; }

    /// <summary>All files of the checkpoint but this one, by name.</summary>
    public required IReadOnlyList<CheckpointFile> Files { get; init; }

    /// <summary>Describes the files that a folder holds now and writes the manifest beside them, atomically.</summary>
    public static CheckpointManifest Write(string directory, long step)
    {
        var files = new List<CheckpointFile>();
        foreach (string path in Directory.GetFiles(directory).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(path);
            if (name != FileName) files.Add(new CheckpointFile { Name = name, Bytes = new FileInfo(path).Length, Sha256 = Hash(path) });
        }
        var manifest = new CheckpointManifest { Step = step, Files = files };
        AtomicFile.Write(Path.Combine(directory, FileName), JsonSerializer.SerializeToUtf8Bytes(manifest, InferenceJson.Default.CheckpointManifest));
        return manifest;
    }

    /// <summary>The manifest of a folder; null where there is none: the checkpoint is not complete.</summary>
    /// <exception cref="ConfigurationException">The file is no manifest.</exception>
    public static CheckpointManifest? TryRead(string directory)
    {
        string path = Path.Combine(directory, FileName);
        return File.Exists(path) ? StrictYaml.Bind(StrictYaml.Read(path), InferenceJson.Default.CheckpointManifest, path) : null;
    }

    /// <summary>What is wrong with the files of a folder, one sentence; null where all is well.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="hashes">Whether contents are read and compared, not only sizes.</param>
    public string? FindFault(string directory, bool hashes)
    {
        foreach (CheckpointFile file in Files)
        {
            var info = new FileInfo(Path.Combine(directory, file.Name));
            if (!info.Exists) return $"'{info.FullName}' is missing";
            if (info.Length != file.Bytes) return $"'{info.FullName}' has {info.Length} bytes where {FileName} says {file.Bytes}";
            if (hashes && Hash(info.FullName) != file.Sha256) return $"'{info.FullName}' does not have the content whose SHA-256 {FileName} says";
        }
        return null;
    }

    private static string Hash(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
