namespace MM1.Native.Cli;

/// <summary>What the command reads from the environment.</summary>
internal static class EnvironmentVariables
{
    /// <summary>Name and meaning.</summary>
    public static IReadOnlyList<(string Name, string Meaning)> Table { get; } =
    [
        ("MM1_TRACE", "1 shows the stack trace of a failure"),
        ("MM1_PEAK_GFLOPS", "the machine's peak, for the share of it in the training line"),
        ("NO_COLOR", "any value: no colours and no line that is written over"),
    ];
}
