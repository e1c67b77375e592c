namespace MM1.Native.Data;

/// <summary>
/// One image cannot be used: its file is damaged, too large, absent. Batches count it by <see cref="Cause"/> and go on, up to a threshold.
/// </summary>
public sealed class BadImageException : Exception
{
    /// <summary>The bytes begin like no known image format, or there are none.</summary>
    public const string NotAnImage = "not an image";

    /// <summary>The file ends before its pixels do.</summary>
    public const string Truncated = "truncated";

    /// <summary>The file is of a known format and contradicts it.</summary>
    public const string Corrupt = "corrupt";

    /// <summary>More bytes or pixels than the limits allow; nothing was decoded.</summary>
    public const string TooLarge = "too large";

    /// <summary>A sound file of a kind that is not read.</summary>
    public const string Unsupported = "unsupported";

    /// <summary>There is no such file, or it is a URL: images are never fetched.</summary>
    public const string Missing = "missing";

    /// <summary>The path leaves the data folder.</summary>
    public const string OutsideDataFolder = "outside the data folder";

    /// <summary>Without a cause: <see cref="Corrupt"/>.</summary>
    public BadImageException() : this(Corrupt, "the image cannot be used") { }

    /// <summary>With a message alone: <see cref="Corrupt"/>.</summary>
    public BadImageException(string message) : this(Corrupt, message) { }

    /// <summary>With a message and what lies behind it; the cause is that of an inner exception of this type, else <see cref="Corrupt"/>.</summary>
    public BadImageException(string message, Exception innerException) : base(message, innerException) =>
        Cause = innerException is BadImageException inner ? inner.Cause : Corrupt;

    /// <summary>With the short name of the cause under which it is counted.</summary>
    public BadImageException(string cause, string message) : base(message) => Cause = cause;

    /// <summary>With a cause and what lies behind it.</summary>
    public BadImageException(string cause, string message, Exception innerException) : base(message, innerException) => Cause = cause;

    /// <summary>The short name under which it is counted: one of the constants of this class.</summary>
    public string Cause { get; }
}
