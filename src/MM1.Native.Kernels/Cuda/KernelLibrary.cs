using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cuda;

/// <summary>
/// One loaded native kernel library: its function table and its errors. Libraries are loaded once and stay for the life of the process: their threads and
/// the device memory that finalizers still give back outlive every device.
/// </summary>
internal sealed unsafe class KernelLibrary
{
    /// <summary>The version of the binary interface that the records of this assembly have (<c>MM1_ABI_VERSION</c>).</summary>
    public const int AbiVersion = 0;

    private static readonly SearchValues<char> CName = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_");
    private static readonly Dictionary<string, KernelLibrary> Loaded = [];

    private KernelLibrary(string path, in NativeApi api)
    {
        Path = path;
        Api = api;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The library's functions.</summary>
    public NativeApi Api { get; }

    /// <summary>File and version, for messages.</summary>
    public string Description => $"{System.IO.Path.GetFileName(Path)} (ABI {Api.AbiVersion})";

    /// <summary>The library of this name, found by <see cref="LibrarySearch"/>; loaded at the first call.</summary>
    /// <exception cref="DeviceUnavailableException">It is nowhere, or what is there cannot be used. The message lists everything that was tried.</exception>
    public static KernelLibrary Find(string name, string deviceName)
    {
        string? variable = Environment.GetEnvironmentVariable(LibrarySearch.Variable);
        return Search(name, deviceName, LibrarySearch.Candidates(name, variable, AppContext.BaseDirectory), !string.IsNullOrWhiteSpace(variable));
    }

    /// <summary>The first candidate that exists. One that exists and cannot be used is an error, never passed over.</summary>
    internal static KernelLibrary Search(string name, string deviceName, IReadOnlyList<string> candidates, bool named)
    {
        string? path = candidates.FirstOrDefault(File.Exists);
        if (path is null)
        {
            throw new DeviceUnavailableException(
                $"Device '{deviceName}' needs the native library {LibrarySearch.FileName(name)}, which is not here. Tried{(named ? $" ({LibrarySearch.Variable} names the place)" : "")}: "
                + $"{string.Join(", ", candidates)}. {Advice(named)}");
        }
        try
        {
            lock (Loaded)
            {
                if (!Loaded.TryGetValue(path, out KernelLibrary? library)) Loaded.Add(path, library = Open(path));
                return library;
            }
        }
        catch (DeviceUnavailableException exception)
        {
            throw new DeviceUnavailableException($"Device '{deviceName}': {exception.Message}", exception);
        }
    }

    /// <summary>Loads a file and fills its table.</summary>
    /// <exception cref="DeviceUnavailableException">The file is no library of this system, not one of ours, or of another version.</exception>
    internal static KernelLibrary Open(string path)
    {
        nint handle;
        try
        {
            handle = NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            throw new DeviceUnavailableException($"{path} cannot be loaded: {exception.Message.ReplaceLineEndings(" ").Trim()}", exception);
        }
        if (!NativeLibrary.TryGetExport(handle, "mm1_get_api", out nint entry))
        {
            NativeLibrary.Free(handle);
            throw new DeviceUnavailableException($"{path} is no kernel library of MM1.Native: it does not export mm1_get_api. {Advice(false)}");
        }
        var api = new NativeApi { StructSize = sizeof(NativeApi) };
        var status = (NativeStatus)((delegate* unmanaged[Cdecl]<int, NativeApi*, int>)entry)(AbiVersion, &api);
        string? fault = status != NativeStatus.Ok ? $"mm1_get_api answers {status}{TextOf(handle)}"
            : api.AbiVersion != AbiVersion ? $"it has ABI version {api.AbiVersion}"
            : api.StructSize < NativeApi.Required ? $"its function table has {api.StructSize} bytes, this program needs {NativeApi.Required} at least"
            : api.StructSize > sizeof(NativeApi) ? $"its function table says {api.StructSize} bytes where {sizeof(NativeApi)} were given"
            : api.FirstMissing() is { } function ? $"its function table lacks {function}"
            : null;
        if (fault is null) return new KernelLibrary(path, in api);
        NativeLibrary.Free(handle);
        throw new DeviceUnavailableException($"{path} does not fit this program, which has ABI version {AbiVersion}: {fault}. {Advice(false)}");
    }

    /// <summary>The text of the calling thread's last error.</summary>
    public string LastError() => Marshal.PtrToStringUTF8((nint)Api.GetLastErrorMessage()) ?? "";

    /// <summary>Throws unless a call succeeded.</summary>
    public void Check(int status, string what)
    {
        if (status != 0) Throw((NativeStatus)status, what);
    }

    /// <summary>The exception for a failed call, with the library's text.</summary>
    /// <param name="status">What it returned.</param>
    /// <param name="verb">The kernel's verb, or what was being done.</param>
    public Exception Error(NativeStatus status, string verb)
    {
        string text = LastError();
        int colon = text.IndexOf(": ", StringComparison.Ordinal);
        // "gemm: m is -1" names the verb as C does; the exception names it as C# does.
        string rule = colon > 0 && text.AsSpan(0, colon).IndexOfAnyExcept(CName) < 0 ? text[(colon + 2)..] : text;
        if (rule.Length == 0) rule = $"{Description} gives {status} and no text.";
        return status switch
        {
            NativeStatus.InvalidArgument or NativeStatus.Unsupported or NativeStatus.WorkspaceTooSmall => new KernelArgumentException(verb, rule),
            NativeStatus.OutOfMemory => new InsufficientMemoryException($"{verb}: {rule}"),
            NativeStatus.VersionMismatch => new DeviceUnavailableException($"{verb}: {rule}"),
            _ => new DeviceFailureException($"{verb}: {rule}", status == NativeStatus.DeviceLost),
        };
    }

    /// <summary>The exception for a verb that the library does not have.</summary>
    public KernelMissingException Missing(string verb) => new(verb, Description);

    [DoesNotReturn]
    private void Throw(NativeStatus status, string what) => throw Error(status, what);

    /// <summary>The library's own words, where it can say them before there is a table.</summary>
    private static string TextOf(nint handle)
    {
        if (!NativeLibrary.TryGetExport(handle, "mm1_get_last_error_message", out nint entry)) return "";
        string? text = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)entry)());
        return string.IsNullOrEmpty(text) ? "" : $" ({text})";
    }

    private static string Advice(bool named) =>
        $"Build it in a checkout with '{LibrarySearch.BuildLine}'{(named ? "" : $", or set {LibrarySearch.Variable} to the folder that holds it")}; 'cpu' needs no native library.";
}
