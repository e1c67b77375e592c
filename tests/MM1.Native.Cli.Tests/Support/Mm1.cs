using System.Diagnostics;
using System.Globalization;

namespace MM1.Native.Cli.Tests;

/// <summary>What a run of the command gave.</summary>
internal sealed record Mm1Run(int ExitCode, string Output, string Error)
{
    /// <summary>The error stream's lines.</summary>
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}

/// <summary>The command, as a process or inside this one.</summary>
internal static class Mm1
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>Starts the command as a process and waits.</summary>
    public static Mm1Run Start(params string[] arguments) => Start(null, arguments);

    /// <summary>Starts the command as a process in a working folder and waits.</summary>
    /// <param name="whileRunning">Called with the process once it runs.</param>
    /// <param name="arguments">Arguments.</param>
    public static Mm1Run Start(Action<Process>? whileRunning, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (IgnoresInterrupts())
        {
            // A shell's background jobs ignore SIGINT, and so would all that they start.
            start.ArgumentList.Add("--default-signal=INT");
            start.ArgumentList.Add(start.FileName);
            start.FileName = "env";
        }
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "mm1.dll"));
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        foreach (string name in start.Environment.Keys.Where(static key => key.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal)).ToArray()) start.Environment.Remove(name);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        try
        {
            whileRunning?.Invoke(process);
            if (!process.WaitForExit(Limit)) throw new TimeoutException($"mm1 {string.Join(' ', arguments)} ran for more than {Limit.TotalMinutes} minutes.");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        return new Mm1Run(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    /// <summary>Whether this process was started with SIGINT ignored; Linux tells.</summary>
    private static bool IgnoresInterrupts()
    {
        const string Key = "SigIgn:";
        const ulong Interrupt = 1 << (2 - 1);
        string? line = OperatingSystem.IsLinux() ? File.ReadLines("/proc/self/status").FirstOrDefault(static line => line.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is not null && (ulong.Parse(line[Key.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & Interrupt) != 0;
    }

    /// <summary>Runs the command in this process: the same code without the start of a runtime.</summary>
    public static Mm1Run Call(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = Mm1CommandLine.RunAsync(arguments, new Terminal(output, error, interactive: false, width: 200)).GetAwaiter().GetResult();
        return new Mm1Run(code, output.ToString(), error.ToString());
    }
}
