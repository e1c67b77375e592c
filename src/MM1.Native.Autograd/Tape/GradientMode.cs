namespace MM1.Native.Autograd;

/// <summary>What autograd does on this thread.</summary>
public static class GradientMode
{
    [ThreadStatic]
    private static bool _records;

    [ThreadStatic]
    private static bool _trapNonFinite;

    /// <summary>Whether operations are recorded for backward. Steps switch it on, sessions and inference off.</summary>
    public static bool Records
    {
        get => _records;
        internal set => _records = value;
    }

    /// <summary>
    /// Debug switch of this thread: after every operation, forward and backward, all results are searched and the first NaN
    /// or infinity is a <see cref="NonFiniteException"/> that names the operation. Slow: every result is read back.
    /// </summary>
    public static bool TrapNonFinite
    {
        get => _trapNonFinite;
        set => _trapNonFinite = value;
    }

    /// <summary>Records nothing until the result is disposed: <c>using (GradientMode.NoGrad()) { ... }</c>.</summary>
    public static NoGradScope NoGrad() => new(Records);

    /// <summary>Restores the recording mode when disposed.</summary>
    public readonly record struct NoGradScope : IDisposable
    {
        private readonly bool _before;

        internal NoGradScope(bool before)
        {
            _before = before;
            Records = false;
        }

        /// <inheritdoc/>
        public void Dispose() => Records = _before;
    }
}
