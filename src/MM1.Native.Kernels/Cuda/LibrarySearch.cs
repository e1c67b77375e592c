using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cuda;

/// <summary>
/// Where a native kernel library is looked for. <c>MM1_KERNELS_PATH</c> (folders, or the library itself) is the only place where it is set: a library
/// from elsewhere in its stead would be a silent change. Without it: <c>runtimes/&lt;rid&gt;/native</c> beside the program, the program's own folder, and,
/// where the program lies in a checkout, what the build line leaves in <c>artifacts/native</c>.
/// </summary>
internal static class LibrarySearch
{
    public const string Variable = "MM1_KERNELS_PATH";

    /// <summary>What builds the libraries, typed at the top of a checkout.</summary>
    public const string BuildLine = "cmake -S . -B artifacts/native && cmake --build artifacts/native";

    /// <summary>The platform's portable runtime identifier, such as <c>linux-x64</c>.</summary>
    public static string RuntimeIdentifier { get; } =
        $"{(OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    /// <summary>The file that holds library <paramref name="name"/> on this platform.</summary>
    public static string FileName(string name) => OperatingSystem.IsWindows() ? $"{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    /// <summary>Every path to try, in order.</summary>
    /// <param name="name">The library's name without prefix and suffix.</param>
    /// <param name="variable">The value of <c>MM1_KERNELS_PATH</c>, if any.</param>
    /// <param name="program">The program's folder.</param>
    public static IReadOnlyList<string> Candidates(string name, string? variable, string program)
    {
        string file = FileName(name);
        if (!string.IsNullOrWhiteSpace(variable))
        {
            return
            [
                .. variable.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                    .Select(part => Path.GetFullPath(Path.GetFileName(part) == file ? part : Path.Combine(part, file))),
            ];
        }
        var paths = new List<string> { Path.Combine(program, "runtimes", RuntimeIdentifier, "native", file), Path.Combine(program, file) };
        for (DirectoryInfo? folder = new(program); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "MM1.Native.sln"))) continue;
            paths.Add(Path.Combine(folder.FullName, "artifacts", "native", "lib", file));
            break;
        }
        return paths;
    }
}
