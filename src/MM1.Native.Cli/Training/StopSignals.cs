using System.Runtime.InteropServices;

namespace MM1.Native.Cli;

/// <summary>Ctrl-C and SIGTERM: the first asks the work to save and end, the second ends the process at once.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Terminal _terminal;
    private readonly string _message;
    private readonly PosixSignalRegistration[] _registrations;
    private int _exitCode;

    /// <summary>Takes the signals until it is disposed.</summary>
    /// <param name="terminal">Where the message goes.</param>
    /// <param name="message">What the first signal tells the user.</param>
    public StopSignals(Terminal terminal, string message)
    {
        (_terminal, _message) = (terminal, message);
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>What the process ends with because of a signal; 0 without one.</summary>
    public int ExitCode => Volatile.Read(ref _exitCode);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _stop.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        int code = context.Signal == PosixSignal.SIGINT ? Cli.ExitCode.Interrupted : Cli.ExitCode.Terminated;
        context.Cancel = true;
        // The second signal does not wait for what the first began.
        if (Interlocked.CompareExchange(ref _exitCode, code, 0) != 0) Environment.Exit(code);
        _terminal.Error.WriteLine();
        _terminal.Error.WriteLine($"mm1: {_message}");
        _stop.Cancel();
    }
}
