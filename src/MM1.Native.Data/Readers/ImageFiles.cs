using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// The images that documents name: files of a folder, members of tar archives, base64 in the document itself. A URL is a missing image: nothing is ever fetched. Thread-safe.
/// </summary>
public sealed class ImageFiles
{
    /// <summary>Most bytes of an image file that is read: 256 MiB.</summary>
    public const int MaximumBytes = 256 << 20;

    private readonly DataFolder _folder;
    private readonly string _prefix = "";
    private readonly Dictionary<string, (TarShard Shard, TarMember Member)>? _members;

    private ImageFiles(DataFolder folder, string prefix) => (_folder, _prefix) = (folder, prefix);

    private ImageFiles(DataFolder folder, Dictionary<string, (TarShard, TarMember)> members) => (_folder, _members) = (folder, members);

    /// <summary>Opens the images of a source: those under <see cref="SourceOptions.Images"/>, else under its root.</summary>
    /// <exception cref="IOException">The folder or archive is not there.</exception>
    /// <exception cref="InvalidDataException">It lies outside of the data folder, or the archive is damaged.</exception>
    public static ImageFiles Open(SourceOptions options, DataFolder folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(folder);
        if (options.Images is null) return new ImageFiles(folder, "");
        if (!TarShard.IsTar(options.Images))
        {
            if (!Directory.Exists(folder.Resolve(options.Images))) throw new DirectoryNotFoundException($"source '{options.Name}': the folder of images '{options.Images}' is not in '{folder.Root}'");
            return new ImageFiles(folder, options.Images);
        }
        var pool = new FilePool();
        var members = new Dictionary<string, (TarShard, TarMember)>(StringComparer.Ordinal);
        foreach (string name in folder.Files([options.Images]))
        {
            TarShard shard = TarShard.Open(pool, folder.Resolve(name), name, options, cancellationToken);
            foreach (TarMember member in shard.Members())
            {
                cancellationToken.ThrowIfCancellationRequested();
                members[Plain(member.Name)] = (shard, member); // the last of a name counts, as when tar extracts
            }
        }
        return new ImageFiles(folder, members);
    }

    /// <summary>The image of a reference: a relative path, a data URI; null with the problem where there is none.</summary>
    /// <param name="reference">What the document says.</param>
    /// <param name="problem">Cause "missing", "outside the data folder" or "corrupt" (of base64).</param>
    public IImageSource? Find(string reference, [NotNullWhen(false)] out DocumentProblem? problem)
    {
        ArgumentNullException.ThrowIfNull(reference);
        if (reference.StartsWith("data:", StringComparison.OrdinalIgnoreCase)) return FindDataUri(reference, out problem);
        if (IsUrl(reference))
        {
            problem = new DocumentProblem(BadImageException.Missing, $"image '{Short(reference)}' is a URL, and images are never fetched; download it and give its path");
            return null;
        }
        return _members is null ? FindFile(reference, out problem) : FindMember(reference, _members, out problem);
    }

    /// <summary>The image in base64 text.</summary>
    /// <param name="text">The text; white space is passed over.</param>
    /// <param name="problem">Cause "corrupt", or "too large".</param>
    public static IImageSource? FindBase64(ReadOnlySpan<char> text, [NotNullWhen(false)] out DocumentProblem? problem)
    {
        problem = null;
        if (text.Length / 4L * 3 > MaximumBytes)
        {
            problem = new DocumentProblem(BadImageException.TooLarge, $"an image of {text.Length} characters of base64; at most {MaximumBytes} bytes are read");
            return null;
        }
        if (!Base64.IsValid(text, out int length) || length == 0)
        {
            problem = new DocumentProblem(BadImageException.Corrupt, $"an image is no base64 text ('{Short(text.ToString())}')");
            return null;
        }
        var bytes = new byte[length];
        Convert.TryFromBase64Chars(text, bytes, out _);
        return new EncodedImage(bytes);
    }

    /// <summary>A URL has a scheme and two slashes, or begins with two.</summary>
    internal static bool IsUrl(string reference)
    {
        int colon = reference.IndexOf("://", StringComparison.Ordinal);
        return reference.StartsWith("//", StringComparison.Ordinal) || (colon > 0 && reference.AsSpan(0, colon).IndexOfAnyExcept(SchemeLetters) < 0);
    }

    private static readonly System.Buffers.SearchValues<char> SchemeLetters = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    private static IImageSource? FindDataUri(string uri, out DocumentProblem? problem)
    {
        int comma = uri.IndexOf(',', StringComparison.Ordinal);
        if (comma >= 0 && uri.AsSpan(0, comma).EndsWith(";base64", StringComparison.OrdinalIgnoreCase)) return FindBase64(uri.AsSpan(comma + 1), out problem);
        problem = new DocumentProblem(BadImageException.Unsupported, $"image '{Short(uri)}' is a data URI without base64");
        return null;
    }

    private FileImage? FindFile(string reference, out DocumentProblem? problem)
    {
        problem = null;
        string shown = Short(reference);
        // An absolute reference must not become relative by being put after a folder.
        string relative = _prefix.Length == 0 || reference.Length == 0 || Path.IsPathRooted(reference) ? reference : _prefix + "/" + reference;
        if (!_folder.TryResolve(relative, out string? path, out string? refusal))
            problem = new DocumentProblem(reference.Length == 0 ? BadImageException.Missing : BadImageException.OutsideDataFolder, $"image '{shown}': the path {refusal}");
        else if (!File.Exists(path)) problem = new DocumentProblem(BadImageException.Missing, $"image '{shown}' is not there{(_prefix.Length == 0 ? "" : $" in '{_prefix}'")}");
        else return new FileImage(path, relative);
        return null;
    }

    private static TarImage? FindMember(string reference, Dictionary<string, (TarShard Shard, TarMember Member)> members, out DocumentProblem? problem)
    {
        problem = null;
        if (members.TryGetValue(Plain(reference), out (TarShard Shard, TarMember Member) found)) return new TarImage(found.Shard, found.Member.Offset, found.Member.Size, found.Member.Name);
        problem = new DocumentProblem(BadImageException.Missing, $"image '{Short(reference)}' is not in the archive");
        return null;
    }

    /// <summary>A name in an archive without a leading "./".</summary>
    private static string Plain(string name) => name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name;

    private static string Short(string text) => text.Length <= 200 ? text : text[..197] + "...";
}

/// <summary>An image file, read and decoded when it is needed.</summary>
internal sealed class FileImage(string path, string name) : IImageSource
{
    public ImageData Load()
    {
        byte[] bytes;
        try
        {
            long length = new FileInfo(path).Length;
            if (length > ImageFiles.MaximumBytes) throw new BadImageException(BadImageException.TooLarge, $"{name}: the file has {length} bytes; at most {ImageFiles.MaximumBytes} are read");
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new BadImageException(BadImageException.Missing, $"{name}: {exception.Message}", exception);
        }
        return Decoded.From(bytes, name);
    }
}

/// <summary>An image in a tar archive, read and decoded when it is needed.</summary>
internal sealed class TarImage(TarShard shard, long offset, long size, string name) : IImageSource
{
    public ImageData Load()
    {
        string where = $"{shard.Name}:{name}";
        if (size > ImageFiles.MaximumBytes) throw new BadImageException(BadImageException.TooLarge, $"{where}: the member has {size} bytes; at most {ImageFiles.MaximumBytes} are read");
        return Decoded.From(shard.Read(offset, size), where);
    }
}

/// <summary>Decoding with the name of the file in the message.</summary>
internal static class Decoded
{
    internal static ImageData From(byte[] file, string name)
    {
        try
        {
            return ImageCodec.Decode(file);
        }
        catch (BadImageException bad)
        {
            throw new BadImageException(bad.Cause, $"{name}: {bad.Message}", bad);
        }
    }
}
