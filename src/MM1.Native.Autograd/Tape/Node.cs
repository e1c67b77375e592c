namespace MM1.Native.Autograd;

/// <summary>
/// One operation on the tape. A subclass holds what its backward needs (marked by <see cref="Save"/>) and turns the
/// gradients of its outputs into gradients of its inputs.
/// </summary>
internal abstract class Node
{
    private TensorState? _saved0, _saved1, _saved2, _saved3;
    private List<TensorState>? _savedMore;
    private TensorState? _owned0, _owned1, _owned2;

    /// <summary>The operation's name, for messages.</summary>
    public abstract string Operation { get; }

    public TensorState Output = null!;

    /// <summary>Place on the tape.</summary>
    public int Order;

    /// <summary>A second output, for operations such as residual + norm.</summary>
    public TensorState? SecondOutput;

    /// <summary>Further outputs of custom operations.</summary>
    public TensorState[]? MoreOutputs;

    /// <summary>Gradient of <see cref="Output"/>; null when only another output has one.</summary>
    protected TensorState? OutputGradient => Output.Gradient;

    public abstract void Backward();

    /// <summary>Whether backward may write over the gradient of an output: nobody shares it, and nobody asked to read it.</summary>
    protected static bool MayOverwriteGradient(TensorState output) => !output.Keeps && output.Gradient!.IsExclusive;

    /// <summary>Inputs, for the debug trap.</summary>
    protected virtual ReadOnlySpan<TensorState?> Inputs => default;

    /// <summary>The debug trap after backward: the first input gradient that is not finite.</summary>
    public void TrapGradients()
    {
        foreach (TensorState? input in Inputs)
        {
            if (input?.Gradient is { } gradient) Kernel.RequireFinite(Operation + " (backward)", "the gradient of an input", gradient);
            else if (input?.Parameter is { HasGradient: true } parameter) Kernel.RequireFinite(Operation + " (backward)", $"the gradient of {parameter.Name}", parameter.Gradient.State);
        }
    }

    /// <summary>Notes that backward reads this tensor: it must not be written in place, or released, before.</summary>
    protected internal TensorState Save(TensorState state)
    {
        state.Owner.Saved++;
        if (_saved0 is null) _saved0 = state;
        else if (_saved1 is null) _saved1 = state;
        else if (_saved2 is null) _saved2 = state;
        else if (_saved3 is null) _saved3 = state;
        else (_savedMore ??= []).Add(state);
        return state;
    }

    /// <summary>Notes a tensor that only this node uses: its memory goes back as soon as backward has run. Returns it.</summary>
    protected TensorState? Own(TensorState? state)
    {
        if (_owned0 is null) _owned0 = state;
        else if (_owned1 is null) _owned1 = state;
        else if (_owned2 is null) _owned2 = state;
        else throw new InvalidOperationException($"{Operation} owns more than three tensors.");
        return state;
    }

    /// <summary>Ends the claim on saved and owned tensors.</summary>
    public void ReleaseSaved()
    {
        if (_owned0 is not null) Arena.Release(_owned0);
        if (_owned1 is not null) Arena.Release(_owned1);
        if (_owned2 is not null) Arena.Release(_owned2);
        _owned0 = _owned1 = _owned2 = null;
        Forget();
    }

    /// <summary>Ends the claim on saved tensors, which may belong to outer arenas and parameters, of a node that backward never reached.</summary>
    public void Forget()
    {
        if (_saved0 is not null) _saved0.Owner.Saved--;
        if (_saved1 is not null) _saved1.Owner.Saved--;
        if (_saved2 is not null) _saved2.Owner.Saved--;
        if (_saved3 is not null) _saved3.Owner.Saved--;
        if (_savedMore is not null)
        {
            foreach (TensorState state in _savedMore) state.Owner.Saved--;
        }
        _saved0 = _saved1 = _saved2 = _saved3 = null;
        _savedMore = null;
    }
}
