using System.Runtime.InteropServices;
using MM1.Native.Inference;

namespace MM1.Native.Training;

/// <summary>Brings files and folders to the disk, so that a crash of the machine does not undo a rename.</summary>
internal static partial class FileSync
{
    private const int ReadOnly = 0;

    /// <summary>Whether the disk, and not the program, is at fault. A limit of file sizes (EFBIG) comes as an argument out of range from .NET's file streams.</summary>
    public static bool IsDiskFailure(Exception failure) => failure is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value", Source: "System.Private.CoreLib" };

    /// <summary>Writes a small file whole or not at all, and brings its name to the disk too.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        AtomicFile.Write(path, content);
        Folder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Flushes a file.</summary>
    public static void Flush(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Flushes the entries of a folder; Windows does so by itself.</summary>
    public static void Folder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = Open(path, ReadOnly);
        if (descriptor < 0) throw new IOException($"{path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        try
        {
            // Some file systems cannot flush folders and say so with EINVAL; they keep renames in order themselves.
            const int InvalidArgument = 22;
            if (Sync(descriptor) != 0 && Marshal.GetLastPInvokeError() is var error && error != InvalidArgument)
                throw new IOException($"{path}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
