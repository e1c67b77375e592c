namespace MM1.Native.Kernels;

/// <summary>A kernel was called with arguments that break its contract; nothing was written.</summary>
public sealed class KernelArgumentException : ArgumentException
{
    /// <summary>Names the verb and the broken rule.</summary>
    public KernelArgumentException(string verb, string rule) : base($"{verb}: {rule}") => Verb = verb;

    /// <summary>The kernel's verb, as in <c>kernels.h</c>.</summary>
    public string Verb { get; }
}

/// <summary>A device that was asked for is not available; the message says what was looked for and what to do.</summary>
public sealed class DeviceUnavailableException : InvalidOperationException
{
    /// <summary>A device is not available.</summary>
    public DeviceUnavailableException(string message) : base(message) { }

    /// <summary>A device is not available, because of <paramref name="inner"/>.</summary>
    public DeviceUnavailableException(string message, Exception inner) : base(message, inner) { }
}
