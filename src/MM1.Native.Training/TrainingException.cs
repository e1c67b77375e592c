namespace MM1.Native.Training;

/// <summary>A run cannot start or go on. The message says what is wrong, where, and what to do.</summary>
public class TrainingException : Exception
{
    /// <summary>Without a message.</summary>
    public TrainingException() { }

    /// <summary>With a message.</summary>
    public TrainingException(string message) : base(message) { }

    /// <summary>With a message and what lies behind it.</summary>
    public TrainingException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>A checkpoint is not whole, or does not belong to this run.</summary>
public sealed class CheckpointException : TrainingException
{
    /// <summary>Without a message.</summary>
    public CheckpointException() { }

    /// <summary>With a message.</summary>
    public CheckpointException(string message) : base(message) { }

    /// <summary>With a message and what lies behind it.</summary>
    public CheckpointException(string message, Exception innerException) : base(message, innerException) { }
}
