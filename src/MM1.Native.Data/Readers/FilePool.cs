using Microsoft.Win32.SafeHandles;

namespace MM1.Native.Data;

/// <summary>A file that is read at any place by any thread. Its handle may be closed between two reads and opened again.</summary>
internal sealed class PooledFile(FilePool pool, string path, string name, long length)
{
    internal SafeFileHandle? Handle;
    internal long LastUse;

    /// <summary>The full path.</summary>
    internal string Path => path;

    /// <summary>The name that messages use.</summary>
    internal string Name => name;

    /// <summary>Bytes of it when it was opened first.</summary>
    internal long Length => length;

    /// <summary>Fills a span.</summary>
    /// <exception cref="IOException">The file changed since it was indexed, or cannot be read.</exception>
    internal void Read(long offset, Span<byte> into)
    {
        if (ReadSome(offset, into) != into.Length) throw new IOException($"{name}: the file became shorter while it was in use");
    }

    /// <summary>Fills a span, or less at the end of the file.</summary>
    internal int ReadSome(long offset, Span<byte> into)
    {
        int done = 0;
        while (done < into.Length)
        {
            int count;
            try
            {
                count = RandomAccess.Read(pool.Rent(this), into[done..], offset + done);
            }
            catch (ObjectDisposedException)
            {
                continue; // closed by the pool between the two calls
            }
            if (count == 0) break;
            done += count;
        }
        return done;
    }
}

/// <summary>Keeps a bounded number of handles open, those last used. Thread-safe; handles that are left close with their finalizers.</summary>
internal sealed class FilePool(int limit = 128)
{
    private readonly Lock _gate = new();
    private readonly List<PooledFile> _open = [];
    private long _clock;

    /// <summary>Handles that are open now.</summary>
    internal int Open
    {
        get { lock (_gate) return _open.Count; }
    }

    /// <summary>A file, which must be there.</summary>
    /// <param name="path">The full path.</param>
    /// <param name="name">The name that messages use.</param>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    internal PooledFile Add(string path, string name)
    {
        var information = new FileInfo(path);
        if (!information.Exists) throw new FileNotFoundException($"{name}: the file is not there", path);
        if (information.LinkTarget is not null) information = (FileInfo)(information.ResolveLinkTarget(returnFinalTarget: true) ?? information);
        return new PooledFile(this, path, name, information.Length);
    }

    internal SafeFileHandle Rent(PooledFile file)
    {
        lock (_gate)
        {
            file.LastUse = ++_clock;
            if (file.Handle is { } known) return known;
            if (_open.Count >= limit) CloseOldest();
            SafeFileHandle handle = File.OpenHandle(file.Path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess);
            long length = RandomAccess.GetLength(handle);
            if (length != file.Length)
            {
                handle.Dispose();
                throw new IOException($"{file.Name}: the file changed while it was in use: it had {file.Length} bytes, now {length}");
            }
            file.Handle = handle;
            _open.Add(file);
            return handle;
        }
    }

    private void CloseOldest()
    {
        int oldest = 0;
        for (int i = 1; i < _open.Count; i++)
            if (_open[i].LastUse < _open[oldest].LastUse) oldest = i;
        _open[oldest].Handle!.Dispose();
        _open[oldest].Handle = null;
        _open.RemoveAt(oldest);
    }
}
