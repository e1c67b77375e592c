using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// Compressed shards, expanded once into a cache folder: a member inside gzip cannot be read without all before it. A file there is named by path, size and time of the shard and
/// appears when it is complete, so several processes may expand at once.
/// </summary>
internal static class ShardCache
{
    private const int BufferBytes = 1 << 20;

    /// <summary>The path of the expanded shard.</summary>
    /// <param name="path">The compressed shard.</param>
    /// <param name="name">The name that messages use.</param>
    /// <param name="options">Cache folder and limit.</param>
    /// <param name="cancellationToken">Stops the work; nothing is left behind.</param>
    /// <exception cref="InvalidDataException">The shard is damaged, or expands beyond the limit.</exception>
    /// <exception cref="IOException">The cache cannot be written.</exception>
    internal static string Expand(string path, string name, SourceOptions options, CancellationToken cancellationToken)
    {
        var shard = new FileInfo(path);
        if (!shard.Exists) throw new FileNotFoundException($"{name}: the file is not there", path);
        string folder = Folder(options.CacheFolder);
        string identity = string.Create(CultureInfo.InvariantCulture, $"{shard.FullName}|{shard.Length}|{shard.LastWriteTimeUtc.Ticks}");
        string target = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)).AsSpan(0, 16)) + ".tar");
        if (File.Exists(target)) return target;
        string part = target + "." + Guid.NewGuid().ToString("N") + ".part";
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using (FileStream from = File.OpenRead(path))
            using (var gzip = new GZipStream(from, CompressionMode.Decompress))
            using (FileStream to = File.Create(part))
            {
                long written = 0;
                while (true)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    int count = ReadGzip(gzip, buffer, name, written);
                    if (count == 0) break;
                    if ((written += count) > options.ExpandedLimit)
                        throw new InvalidDataException($"{name}: the shard expands to more than {options.ExpandedLimit} bytes; raise the source's expandedLimit if it is no trap");
                    to.Write(buffer, 0, count);
                }
                if (written == 0) throw new InvalidDataException($"{name}: the compressed shard is empty");
                CheckLength(from, written, name);
                to.Flush(flushToDisk: true);
            }
            File.Move(part, target, overwrite: true);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            File.Delete(part); // does nothing where it was moved
        }
        return target;
    }

    /// <summary>A stream that is cut off ends for .NET as if it were whole; the length in the last four bytes tells.</summary>
    private static void CheckLength(FileStream shard, long written, string name)
    {
        Span<byte> length = stackalloc byte[4];
        if (shard.Length >= length.Length && RandomAccess.Read(shard.SafeFileHandle, length, shard.Length - length.Length) == length.Length
            && BinaryPrimitives.ReadUInt32LittleEndian(length) == (uint)written) return;
        throw new InvalidDataException($"{name}: the gzip data are cut off after {written} expanded bytes, or several gzip files were joined; compress the shard again with gzip");
    }

    private static int ReadGzip(GZipStream gzip, byte[] buffer, string name, long written)
    {
        try
        {
            return gzip.Read(buffer, 0, BufferBytes);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidDataException($"{name}: the gzip data are damaged after {written} expanded bytes", exception);
        }
    }

    /// <summary>The cache folder. The default one is private: a stranger must not be able to put shards there.</summary>
    private static string Folder(string? chosen)
    {
        if (chosen is not null) return Directory.CreateDirectory(chosen).FullName;
        string folder = Path.Combine(Path.GetTempPath(), $"mm1-shards-{Environment.UserName}");
        if (OperatingSystem.IsWindows()) return Directory.CreateDirectory(folder).FullName; // the temporary folder is the user's own there
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(folder, Private);
        if (new DirectoryInfo(folder).LinkTarget is not null || File.GetUnixFileMode(folder) != Private)
            throw new IOException($"the cache folder '{folder}' is open to other users; remove it, or name another (data.cache, --cache)");
        return folder;
    }
}
