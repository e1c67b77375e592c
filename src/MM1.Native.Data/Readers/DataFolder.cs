using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.IO.Enumeration;

namespace MM1.Native.Data;

/// <summary>
/// The folder that a source lies in. Annotations come from strangers: a path of theirs is followed only when it ends inside, by its text and by the symbolic links on its way.
/// Thread-safe.
/// </summary>
public sealed class DataFolder
{
    private const int MaximumLinks = 40; // as Linux has it
    private readonly string _realRoot;
    private readonly ConcurrentDictionary<string, string> _realFolders = new(StringComparer.Ordinal);

    /// <summary>A folder that is there.</summary>
    /// <exception cref="DirectoryNotFoundException">It is not there.</exception>
    public DataFolder(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        if (!Directory.Exists(root)) throw new DirectoryNotFoundException($"the data folder '{root}' is not there");
        Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
        _realRoot = RealPath(Root) ?? throw new IOException($"the data folder '{root}' is a symbolic link that leads nowhere");
    }

    /// <summary>The full path.</summary>
    public string Root { get; }

    /// <summary>The full path of a file or folder, which need not be there.</summary>
    /// <param name="relative">Its path, relative to the root.</param>
    /// <param name="path">The full path.</param>
    /// <param name="refusal">Why it is refused, as the end of a sentence about the path.</param>
    /// <returns>False where it leaves the folder.</returns>
    public bool TryResolve(string relative, [NotNullWhen(true)] out string? path, [NotNullWhen(false)] out string? refusal)
    {
        ArgumentNullException.ThrowIfNull(relative);
        (path, refusal) = (null, null);
        if (relative.Length == 0) refusal = "is empty";
        else if (relative.Contains('\0', StringComparison.Ordinal)) refusal = "holds a zero character";
        else if (Path.IsPathRooted(relative) || relative[0] is '/' or '\\') refusal = "is absolute; paths are relative to the data folder";
        if (refusal is not null) return false;
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(Path.Combine(Root, relative)));
        if (!IsInside(full, Root))
        {
            refusal = "leaves the data folder by '..'";
            return false;
        }
        string? real = full == Root ? _realRoot : RealInside(full);
        if (real is null || !IsInside(real, _realRoot))
        {
            refusal = real is null ? "is a symbolic link that leads nowhere" : "leaves the data folder by a symbolic link";
            return false;
        }
        path = full;
        return true;
    }

    /// <summary>The full path of a file or folder, which need not be there.</summary>
    /// <exception cref="InvalidDataException">The path leaves the folder.</exception>
    public string Resolve(string relative) =>
        TryResolve(relative, out string? path, out string? refusal) ? path : throw new InvalidDataException($"the path '{relative}' {refusal}");

    /// <summary>
    /// The files that patterns name, relative to the root with '/', patterns in their order, the matches of each in ordinal order, each file once.
    /// </summary>
    /// <param name="patterns">Paths; <c>*</c> and <c>?</c> stand for parts of a name, a part <c>**</c> for any folders.</param>
    /// <exception cref="FileNotFoundException">A pattern names no file.</exception>
    /// <exception cref="InvalidDataException">A pattern or a file leaves the folder.</exception>
    public IReadOnlyList<string> Files(IReadOnlyList<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        var files = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string pattern in patterns)
        {
            Resolve(pattern.Length > 0 ? pattern : "."); // absolute paths and '..' are refused before the disk is looked at
            var matches = new List<string>();
            Match(Root, pattern.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(static part => part != ".").ToArray(), matches);
            matches.Sort(StringComparer.Ordinal);
            if (matches.Count == 0) throw new FileNotFoundException($"no file '{pattern}' in the data folder '{Root}'");
            foreach (string match in matches)
            {
                Resolve(match);
                if (seen.Add(match)) files.Add(match);
            }
        }
        return files;
    }

    private void Match(string folder, ReadOnlySpan<string> parts, List<string> matches)
    {
        if (parts.Length == 0) return;
        string part = parts[0];
        ReadOnlySpan<string> rest = parts[1..];
        if (part == "**")
        {
            Match(folder, rest, matches);
            foreach (DirectoryInfo inner in new DirectoryInfo(folder).EnumerateDirectories())
                if (inner.LinkTarget is null) Match(inner.FullName, parts, matches); // links could go round in circles
            return;
        }
        if (!part.AsSpan().ContainsAny('*', '?'))
        {
            string path = Path.GetFullPath(Path.Combine(folder, part));
            if (rest.Length > 0 && Directory.Exists(path)) Match(path, rest, matches);
            else if (rest.Length == 0 && File.Exists(path)) Add(path, matches);
            return;
        }
        foreach (FileSystemInfo entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            if (!FileSystemName.MatchesSimpleExpression(part, entry.Name, ignoreCase: false)) continue;
            if (rest.Length == 0 && entry is FileInfo) Add(entry.FullName, matches);
            else if (rest.Length > 0 && entry is DirectoryInfo) Match(entry.FullName, rest, matches);
        }
    }

    private void Add(string path, List<string> matches)
    {
        string relative = Path.GetRelativePath(Root, path).Replace(Path.DirectorySeparatorChar, '/');
        if (!matches.Contains(relative)) matches.Add(relative);
    }

    private static bool IsInside(string path, string folder) =>
        path.Length == folder.Length ? path == folder
        : path.StartsWith(folder, StringComparison.Ordinal) && (Path.EndsInDirectorySeparator(folder) || path[folder.Length] == Path.DirectorySeparatorChar);

    /// <summary>The real path of a file; its folder's is remembered, so that one look at the disk is enough.</summary>
    private string? RealInside(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        if (!_realFolders.TryGetValue(folder, out string? realFolder))
        {
            realFolder = RealPath(folder);
            if (realFolder is null) return null;
            _realFolders[folder] = realFolder;
        }
        string real = Path.Combine(realFolder, Path.GetFileName(path));
        return new FileInfo(real).LinkTarget is null ? real : RealPath(real);
    }

    /// <summary>The path with every symbolic link on its way followed, as realpath(3); what is not there is taken as it is. Null where links go round in circles.</summary>
    private static string? RealPath(string path)
    {
        string current = Path.GetPathRoot(path)!;
        var parts = new Stack<string>();
        Push(path[current.Length..]);
        int links = 0;
        while (parts.TryPop(out string? part))
        {
            if (part is "" or ".") continue;
            if (part == "..")
            {
                current = Path.GetDirectoryName(current) ?? current;
                continue;
            }
            string next = Path.Combine(current, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                current = next;
                continue;
            }
            if (++links > MaximumLinks) return null;
            if (Path.IsPathRooted(target)) current = Path.GetPathRoot(target)!;
            Push(target[(Path.GetPathRoot(target)?.Length ?? 0)..]);
        }
        return current;

        void Push(string text)
        {
            string[] pieces = text.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar);
            for (int i = pieces.Length - 1; i >= 0; i--) parts.Push(pieces[i]);
        }
    }
}
