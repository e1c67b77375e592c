namespace MM1.Native.Inference;

/// <summary>A configuration or a folder of files cannot be used. The message is one sentence for the person who wrote it: file, line where known, dotted key, what is wrong.</summary>
public sealed class ConfigurationException : Exception
{
    /// <summary>What stands for a file where a value comes from the command line, which has no lines.</summary>
    internal const string CommandLine = "--set ";

    /// <summary>Without a message of its own.</summary>
    public ConfigurationException() : this("the configuration cannot be used") { }

    /// <summary>With the message.</summary>
    public ConfigurationException(string message) : base(message) { }

    /// <summary>With the message and what lies behind it.</summary>
    public ConfigurationException(string message, Exception? innerException) : base(message, innerException) { }

    /// <summary>An error at a place of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="line">Its line, from 1; 0 where it is not known.</param>
    /// <param name="key">The dotted key; empty for the whole file.</param>
    /// <param name="what">What is wrong and what to do.</param>
    /// <param name="inner">What lies behind it.</param>
    internal static ConfigurationException At(string file, int line, string key, string what, Exception? inner = null) =>
        new($"{file}{(line > 0 && !file.StartsWith(CommandLine, StringComparison.Ordinal) ? $":{line}" : "")}: {(key.Length > 0 ? $"'{key}' " : "")}{what}", inner);
}
