using System.Globalization;
using MM1.Native.Inference;

namespace MM1.Native.Training;

/// <summary>A checkpoint on the disk.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Path">Its folder.</param>
public readonly record struct CheckpointPlace(long Step, string Path);

/// <summary>
/// The folder of a run's checkpoints. One is written into a hidden folder, every file is flushed, <c>complete.json</c> with lengths and hashes comes last, and only then the folder gets its name
/// <c>step-NNNNNN</c>: at any instant every folder of that name is whole. Older ones go when a new one is complete.
/// </summary>
public sealed class CheckpointStore
{
    private const string Prefix = "step-", UnfinishedPrefix = ".unfinished-", OldPrefix = ".old-";

    private readonly int _keep;

    /// <summary>Opens the folder, which need not exist.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="keep">How many checkpoints stay.</param>
    public CheckpointStore(string folder, int keep = int.MaxValue)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        (Folder, _keep) = (folder, keep);
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>All checkpoints, the newest first, whole or not.</summary>
    public IReadOnlyList<CheckpointPlace> List()
    {
        if (!Directory.Exists(Folder)) return [];
        var places = new List<CheckpointPlace>();
        foreach (string path in Directory.EnumerateDirectories(Folder, Prefix + "*"))
        {
            if (long.TryParse(Path.GetFileName(path).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step)) places.Add(new CheckpointPlace(step, path));
        }
        places.Sort(static (a, b) => b.Step.CompareTo(a.Step));
        return places;
    }

    /// <summary>Makes the folder, and removes what a run that was killed left unfinished.</summary>
    public void Prepare()
    {
        Directory.CreateDirectory(Folder);
        foreach (string prefix in (ReadOnlySpan<string>)[UnfinishedPrefix, OldPrefix])
        {
            foreach (string path in Directory.GetDirectories(Folder, prefix + "*")) Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>The newest checkpoint that is whole; null where the folder has none at all.</summary>
    /// <param name="passedOver">Gets a sentence for each newer one that is not whole.</param>
    /// <exception cref="CheckpointException">There are checkpoints, but none is whole.</exception>
    public CheckpointPlace? FindNewest(ICollection<string> passedOver)
    {
        ArgumentNullException.ThrowIfNull(passedOver);
        IReadOnlyList<CheckpointPlace> places = List();
        foreach (CheckpointPlace place in places)
        {
            try
            {
                Verify(place.Path);
                return place;
            }
            catch (CheckpointException fault)
            {
                passedOver.Add(fault.Message);
            }
        }
        if (places.Count == 0) return null;
        throw new CheckpointException($"None of the {places.Count} checkpoints in '{Folder}' is whole; the newest: {passedOver.First()} Restore one from a backup, or start again with another output folder.");
    }

    /// <summary>Checks that a checkpoint is whole: every file is there, as long as it was, with the hash it had.</summary>
    /// <exception cref="CheckpointException">It is not; the message names the file and says what to do.</exception>
    public static void Verify(string path)
    {
        string? fault;
        try
        {
            CheckpointManifest? manifest = CheckpointManifest.TryRead(path);
            fault = manifest is null ? $"'{Path.Combine(path, CheckpointManifest.FileName)}' is missing" : manifest.FindFault(path, hashes: true);
        }
        catch (Exception unreadable) when (unreadable is ConfigurationException or IOException or UnauthorizedAccessException)
        {
            throw Damaged(path, unreadable.Message, unreadable);
        }
        if (fault is not null) throw Damaged(path, fault);
    }

    /// <summary>Writes a checkpoint.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="write">Writes all its files into the folder that it is given.</param>
    /// <returns>The folder.</returns>
    /// <exception cref="CheckpointException">It could not be written; those that were complete are still there.</exception>
    public string Save(long step, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        string name = CheckpointFolders.Name(step), target = Path.Combine(Folder, name), unfinished = Path.Combine(Folder, UnfinishedPrefix + name);
        try
        {
            Directory.CreateDirectory(Folder);
            if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
            Directory.CreateDirectory(unfinished);
            write(unfinished);
            foreach (string file in Directory.EnumerateFiles(unfinished)) FileSync.Flush(file);
            CheckpointManifest.Write(unfinished, step);
            FileSync.Folder(unfinished);
            Retire(target); // only a damaged one that resuming passed over can have this name
            Directory.Move(unfinished, target);
            FileSync.Folder(Folder);
        }
        catch (Exception failure) when (FileSync.IsDiskFailure(failure))
        {
            TryDelete(unfinished);
            string last = List() is { Count: > 0 } places ? $"The last good checkpoint is '{places[0].Path}'" : "There is no earlier checkpoint";
            throw new CheckpointException($"The checkpoint of step {step} could not be written to '{target}': {failure.Message} {last}; make room (or the folder writable) and continue with --resume.", failure);
        }
        Prune();
        return target;
    }

    /// <summary>Deletes the oldest beyond those that are kept; what cannot be deleted stays, and is tried again at the next start.</summary>
    private void Prune()
    {
        foreach (CheckpointPlace place in List().Skip(_keep))
        {
            try
            {
                Retire(place.Path);
            }
            catch (Exception failure) when (FileSync.IsDiskFailure(failure))
            {
            }
        }
    }

    /// <summary>Takes the name away first: a half deleted folder must not look like a checkpoint.</summary>
    private void Retire(string path)
    {
        if (!Directory.Exists(path)) return;
        string old = Path.Combine(Folder, OldPrefix + Path.GetFileName(path));
        if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
        Directory.Move(path, old);
        Directory.Delete(old, recursive: true);
    }

    private static void TryDelete(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception failure) when (FileSync.IsDiskFailure(failure))
        {
        }
    }

    private static CheckpointException Damaged(string path, string what, Exception? inner = null)
    {
        string message = $"Checkpoint '{path}' is not whole: {what}. Use an earlier checkpoint, or delete this folder.";
        return inner is null ? new CheckpointException(message) : new CheckpointException(message, inner);
    }
}
