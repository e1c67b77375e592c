namespace MM1.Native.Cli;

/// <summary>What a person types to start this program again, for the lines that say what comes next.</summary>
internal static class OwnName
{
    /// <summary><c>mm1</c> where that is on the PATH, else the program's path as seen from the working folder.</summary>
    public static string Value { get; } = Find(Environment.ProcessPath, AppContext.BaseDirectory, Environment.GetEnvironmentVariable("PATH") ?? "", Directory.GetCurrentDirectory());

    /// <summary>An argument as a shell takes it: in single quotes where it holds more than plain characters.</summary>
    public static string Quote(string argument) => argument.Length > 0 && argument.All(static c => char.IsLetterOrDigit(c) || "_-./:=,+@%\\".Contains(c, StringComparison.Ordinal))
        ? argument
        : "'" + argument.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    internal static string Find(string? process, string programFolder, string path, string workingFolder)
    {
        // Started as `dotnet mm1.dll`, the process is the host.
        bool hosted = process is null || Path.GetFileNameWithoutExtension(process) != "mm1";
        string program = hosted ? Path.Combine(programFolder, "mm1.dll") : process!;
        if (!hosted && path.Split(Path.PathSeparator).Contains(Path.GetDirectoryName(program), StringComparer.Ordinal)) return "mm1";
        string relative = Path.GetRelativePath(workingFolder, program);
        string shorter = relative.Length < program.Length && !relative.StartsWith("..", StringComparison.Ordinal) ? relative : program;
        if (!shorter.Contains(Path.DirectorySeparatorChar)) shorter = "." + Path.DirectorySeparatorChar + shorter;
        return hosted ? "dotnet " + shorter : shorter;
    }
}
