namespace MM1.Native.Data;

/// <summary>A tar archive whose files are read at any place by any thread; a compressed one is expanded into the cache first.</summary>
internal sealed class TarShard
{
    private readonly PooledFile _file;

    private TarShard(PooledFile file) => _file = file;

    /// <summary>The name that messages use.</summary>
    internal string Name => _file.Name;

    /// <summary>Bytes of the archive, expanded.</summary>
    internal long Length => _file.Length;

    /// <summary>Whether a file is a tar by its name: .tar, .tar.gz or .tgz.</summary>
    internal static bool IsTar(string path) => path.EndsWith(".tar", StringComparison.OrdinalIgnoreCase) || IsCompressed(path);

    /// <summary>Opens an archive.</summary>
    /// <param name="pool">Keeps its handle.</param>
    /// <param name="path">The full path.</param>
    /// <param name="name">The name that messages use.</param>
    /// <param name="options">Cache folder and limit of a compressed one.</param>
    /// <param name="cancellationToken">Stops the expanding.</param>
    /// <exception cref="IOException">The file is not there or cannot be read.</exception>
    /// <exception cref="InvalidDataException">The compressed file is damaged.</exception>
    internal static TarShard Open(FilePool pool, string path, string name, SourceOptions options, CancellationToken cancellationToken) =>
        new(pool.Add(IsCompressed(path) ? ShardCache.Expand(path, name, options, cancellationToken) : path, name));

    /// <summary>Its files in order, found by reading the headers.</summary>
    /// <exception cref="InvalidDataException">The archive is damaged.</exception>
    internal IEnumerable<TarMember> Members()
    {
        var scanner = new TarScanner(_file);
        while (scanner.Next(out TarMember member)) yield return member;
    }

    /// <summary>Content of a file.</summary>
    internal byte[] Read(long offset, long size)
    {
        byte[] content = GC.AllocateUninitializedArray<byte>(checked((int)size));
        _file.Read(offset, content);
        return content;
    }

    /// <summary>Content of a file into memory of the caller.</summary>
    internal void Read(long offset, Span<byte> into) => _file.Read(offset, into);

    private static bool IsCompressed(string path) => path.EndsWith(".tar.gz", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase);
}
