using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Models;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary>Exceptions to one message and an exit code.</summary>
internal static class Failures
{
    /// <summary>Whether the stack trace is wanted as well.</summary>
    public static bool Traces => Environment.GetEnvironmentVariable("MM1_TRACE") is "1" or "true";

    /// <summary>Tells a failure on the error stream; returns the exit code.</summary>
    public static int Report(Exception exception, Terminal terminal)
    {
        (int code, string message) = Describe(exception);
        terminal.WriteError(message);
        if (Traces) terminal.Error.WriteLine(exception);
        return code;
    }

    /// <summary>The exit code and the sentence.</summary>
    public static (int Code, string Message) Describe(Exception exception) => exception switch
    {
        CommandException known => (known.ExitCode, known.Message),
        OperationCanceledException => (ExitCode.Interrupted, "interrupted"),
        ConfigurationException => (ExitCode.Usage, exception.Message),
        CheckpointException => (ExitCode.Unreadable, exception.Message),
        TrainingException { InnerException: IOException or UnauthorizedAccessException } => (ExitCode.Unreadable, exception.Message),
        TrainingException => (ExitCode.Failed, exception.Message),
        DeviceUnavailableException or DeviceFailureException or KernelMissingException => (ExitCode.Device, exception.Message),
        OutOfMemoryException => (ExitCode.Device, $"not enough memory: {exception.Message} 'mm1 plan' shows what a model needs."),
        SafeTensorsException or BadImageException or InvalidDataException or EndOfStreamException => (ExitCode.Unreadable, exception.Message),
        FileNotFoundException { FileName: { Length: > 0 } file } when !exception.Message.Contains(file, StringComparison.Ordinal) => (ExitCode.Unreadable, $"{exception.Message} ({file})"),
        IOException or UnauthorizedAccessException => (ExitCode.Unreadable, exception.Message),
        ArgumentException => (ExitCode.Usage, WithoutParameter(exception.Message)),
        AggregateException { InnerExceptions.Count: 1 } aggregate => Describe(aggregate.InnerExceptions[0]),
        _ => (ExitCode.Failed, $"internal error: {exception.GetType().Name}: {exception.Message}{(Traces ? "" : " (MM1_TRACE=1 shows where)")}"),
    };

    /// <summary>.NET appends the name of the parameter, which says nothing to the user.</summary>
    private static string WithoutParameter(string message)
    {
        int at = message.LastIndexOf(" (Parameter '", StringComparison.Ordinal);
        return at < 0 ? message : message[..at] + message[(message.IndexOf(')', at) + 1)..];
    }
}
