namespace MM1.Native.Autograd;

/// <summary>An operation was asked for what it cannot do; the message names the operation, the shapes and the rule.</summary>
public class OperationException : InvalidOperationException
{
    /// <summary>An error of <paramref name="operation"/>.</summary>
    public OperationException(string operation, string message) : base($"{operation}: {message}") => Operation = operation;

    /// <summary>The operation's name.</summary>
    public string Operation { get; }
}

/// <summary>The debug switch <see cref="GradientMode.TrapNonFinite"/> found the first operation that made a NaN or an infinity.</summary>
public sealed class NonFiniteException : OperationException
{
    /// <summary>The value at <paramref name="index"/> of what <paramref name="operation"/> made is not finite.</summary>
    public NonFiniteException(string operation, string what, Shape shape, long index, float value)
        : base(operation, $"made {value} in {what} {shape} at flat index {index}; everything before it was finite.")
    {
        Index = index;
        Value = value;
    }

    /// <summary>Flat index of the first such element.</summary>
    public long Index { get; }

    /// <summary>NaN or an infinity.</summary>
    public float Value { get; }
}
