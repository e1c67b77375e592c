using System.Diagnostics;
using System.Reflection;

namespace MM1.Native.TestSupport;

/// <summary>
/// Runs test classes of the running test program once more in a child process with other environment variables, for what a
/// process fixes when it starts: instruction sets (<c>DOTNET_EnableAVX512</c>, <c>DOTNET_EnableAVX2</c>,
/// <c>DOTNET_EnableHWIntrinsic</c>), runtime settings.
/// </summary>
public static class ChildRun
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Throws with the child's output unless its tests pass, at least one of them.</summary>
    /// <param name="environment">Variables to set.</param>
    /// <param name="classes">Filters on full class names, such as <c>*GemmTests</c>.</param>
    public static void Check(IReadOnlyDictionary<string, string> environment, params string[] classes)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The path of the test program is unknown.");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Started as `dotnet Tests.dll`, the program is the host and the tests are its first argument.
        if (Path.GetFileNameWithoutExtension(program) == "dotnet") start.ArgumentList.Add(Assembly.GetEntryAssembly()!.Location);
        start.ArgumentList.Add("--filter-class");
        foreach (string name in classes) start.ArgumentList.Add(name);
        // A child writes its own result files, if any, nowhere near its parent's.
        start.ArgumentList.Add("--results-directory");
        start.ArgumentList.Add(Path.Combine(Path.GetTempPath(), $"mm1-child-run-{Environment.ProcessId}"));
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        // Where this process was started by a test host, the child must not report to it.
        foreach (string name in start.Environment.Keys.Where(key => key.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(), error = child.StandardError.ReadToEndAsync();
        if (!child.WaitForExit(Limit))
        {
            child.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Describe()} ran for more than {Limit.TotalMinutes} minutes.");
        }
        if (child.ExitCode != 0)
            throw new InvalidOperationException($"{Describe()} ended with {child.ExitCode}:\n{output.Result}\n{error.Result}");

        string Describe() => $"{string.Join(' ', classes)} with {string.Join(' ', environment.Select(pair => $"{pair.Key}={pair.Value}"))}";
    }
}
