namespace MM1.Native.Autograd;

/// <summary>The operations of one step or micro-batch in the order in which they ran.</summary>
internal sealed class Tape
{
    private readonly List<Node> _nodes = [];
    private bool _consumed;
    private int _recorded;
    private int _lastRecompute = -1;

    public int Count => _nodes.Count;

    public void Record(Node node, TensorState output, TensorState? second = null)
    {
        _nodes.Add(node);
        node.Order = _recorded++;
        node.Output = output;
        output.Producer = node;
        output.RequiresGradient = true;
        if (second is null) return;
        node.SecondOutput = second;
        second.Producer = node;
        second.RequiresGradient = true;
    }

    /// <summary>The last recorded node runs its block again in backward, and reads whatever tensors the block captured.</summary>
    public void MarkRecompute() => _lastRecompute = _recorded - 1;

    /// <summary>Whether a recomputed block may still read the output of <paramref name="producer"/>: it was there when the block ran.</summary>
    public bool RecomputeMayRead(Node producer) => producer.Order < _lastRecompute;

    /// <summary>The arena ends. Nodes are left where backward did not run.</summary>
    public void Clear()
    {
        foreach (Node node in _nodes) node.Forget();
        _nodes.Clear();
        _consumed = false;
        _recorded = 0;
        _lastRecompute = -1;
    }

    /// <summary>Backward from a scalar, seeded with one.</summary>
    public static void Backward(TensorState root)
    {
        const string Operation = "Backward";
        if (root.Elements != 1)
            throw new OperationException(Operation, $"starts from a scalar; this tensor has shape {root.Shape}. Reduce it first (Functional.Sum, Functional.Mean or a loss).");
        _ = Arena.Require(Operation);
        if (root.Producer is null)
        {
            if (root.Arena?.Tape._consumed == true)
                throw new OperationException(Operation, "the tape was already used: Backward() ran once in this step and gave its memory back. Add losses together and call it once.");
            throw new OperationException(Operation, "nothing on the tape leads to this tensor. Was it computed under NoGrad or inference, or from tensors that require no gradient?");
        }
        Tape tape = root.Arena!.Tape;
        using (GradientMode.NoGrad())
        {
            TensorState seed = root.Arena.New(root.Shape, root.DType); // it lives as long as the root does
            Kernel.Fill(seed, 1);
            root.Gradient = seed;
            root.Keeps = true;
            tape.Run(root);
        }
        tape._consumed = true;
    }

    /// <summary>Backward through everything recorded, from a tensor whose gradient is set.</summary>
    public void Run(TensorState root)
    {
        for (int i = _nodes.Count - 1; i >= 0; i--)
        {
            Node node = _nodes[i];
            if (HasGradient(node))
            {
                node.Backward();
                if (GradientMode.TrapNonFinite) node.TrapGradients();
            }
            node.ReleaseSaved();
            Retire(node.Output, root);
            if (node.SecondOutput is { } second) Retire(second, root);
            if (node.MoreOutputs is { } more)
            {
                foreach (TensorState output in more) Retire(output, root);
            }
        }
        _nodes.Clear();
    }

    private static bool HasGradient(Node node)
    {
        if (node.Output.Gradient is not null || node.SecondOutput?.Gradient is not null) return true;
        return node.MoreOutputs is { } more && Array.Exists(more, output => output.Gradient is not null);
    }

    /// <summary>Every consumer of an output has run: its gradient and, unless marked, its elements go.</summary>
    private static void Retire(TensorState output, TensorState root)
    {
        output.Producer = null;
        if (output.Keeps || output == root) return;
        if (output.Gradient is { } gradient)
        {
            output.Gradient = null;
            Arena.Release(gradient);
        }
        Arena.Release(output);
    }
}
