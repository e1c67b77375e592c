namespace MM1.Native.Cli;

/// <summary>What the process ends with; <c>mm1 --help</c> lists them.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Unreadable = 3;
    public const int Device = 4;
    public const int Interrupted = 130;
    public const int Terminated = 143;

    /// <summary>The table of <c>--help</c>.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> Table { get; } =
    [
        (Success, "done"),
        (Failed, "the work failed: training stopped by its guard, or an internal error"),
        (Usage, "wrong arguments or configuration; nothing was started"),
        (Unreadable, "a file or folder cannot be read or written: data, checkpoint, output"),
        (Device, "the device is not there or has not enough memory"),
        (Interrupted, "interrupted by Ctrl-C; training has saved and --resume goes on"),
        (Terminated, "ended by SIGTERM; training has saved and --resume goes on"),
    ];
}

/// <summary>A failure that is told to the user in one message.</summary>
internal sealed class CommandException(int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What the process ends with.</summary>
    public int ExitCode { get; } = exitCode;
}
