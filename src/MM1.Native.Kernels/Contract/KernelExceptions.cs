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

/// <summary>The library behind a device does not have this kernel.</summary>
public sealed class KernelMissingException : NotSupportedException
{
    /// <summary>Names the verb and the library with its version.</summary>
    public KernelMissingException(string verb, string library) : base($"{verb}: {library} has no such kernel. Device 'cpu' has all of them.") => (Verb, Library) = (verb, library);

    /// <summary>The kernel's verb.</summary>
    public string Verb { get; }

    /// <summary>The library and its version.</summary>
    public string Library { get; }
}

/// <summary>A device reported a failure of its own; what it was to write is undefined. A lost device says so at every later call.</summary>
public sealed class DeviceFailureException : InvalidOperationException
{
    /// <summary>A failure; <paramref name="isLost"/> where the device is of no more use to this process.</summary>
    public DeviceFailureException(string message, bool isLost) : base(message) => IsLost = isLost;

    /// <summary>Whether an earlier failure made the device unusable for this process.</summary>
    public bool IsLost { get; }
}
