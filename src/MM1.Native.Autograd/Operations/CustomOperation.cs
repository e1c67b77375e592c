using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// An operation of one's own: any computation forward, and its gradients backward. Both run with recording off; they may use
/// <see cref="Functional"/>, the device's kernels on <see cref="Tensor.Operand"/>, or the host.
/// </summary>
public interface ICustomOperation
{
    /// <summary>Name, for messages.</summary>
    string Name { get; }

    /// <summary>Computes new tensors from the inputs.</summary>
    /// <param name="inputs">The inputs.</param>
    /// <param name="context">Takes what backward will need.</param>
    Tensor[] Forward(ReadOnlySpan<Tensor> inputs, CustomContext context);

    /// <summary>
    /// Gradients of the inputs, one each, of the input's shape; null where an input needs none. An output without a gradient
    /// gives null.
    /// </summary>
    Tensor?[] Backward(ReadOnlySpan<Tensor?> outputGradients, CustomContext context);
}

/// <summary>What a custom operation keeps from forward for backward.</summary>
public sealed class CustomContext
{
    private readonly List<Tensor> _saved = [];

    /// <summary>Keeps a tensor: it stays valid, and must not be written in place, until backward.</summary>
    public void Save(Tensor tensor) => _saved.Add(tensor);

    /// <summary>The kept tensors, in order.</summary>
    public IReadOnlyList<Tensor> Saved => _saved;

    /// <summary>Anything else that backward needs.</summary>
    public object? State { get; set; }
}

public static partial class Functional
{
    /// <summary>Runs a custom operation and records it where an input requires a gradient.</summary>
    public static Tensor[] Custom(ICustomOperation operation, params ReadOnlySpan<Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(operation);
        var states = new TensorState[inputs.Length];
        for (int i = 0; i < states.Length; i++) states[i] = inputs[i].State;
        Arena arena = Arena.Require(operation.Name);
        bool records = false;
        foreach (TensorState state in states)
        {
            Kernel.RequireDevice(operation.Name, arena, state);
            records |= Kernel.Records(state);
        }
        var context = new CustomContext();
        Tensor[] outputs;
        using (GradientMode.NoGrad()) outputs = operation.Forward(inputs, context);
        if (outputs is null || outputs.Length == 0) throw new OperationException(operation.Name, "Forward returned no tensors.");
        foreach (Tensor output in outputs)
        {
            if (output.State.Arena != arena || Array.IndexOf(states, output.State) >= 0)
                throw new OperationException(operation.Name, $"Forward must return new tensors of the current arena; {output} is an input or older.");
            if (GradientMode.TrapNonFinite) Kernel.RequireFinite(operation.Name, "its result", output.State);
        }
        if (records)
        {
            var node = new CustomNode(operation, states, context);
            arena.Tape.Record(node, outputs[0].State);
            if (outputs.Length > 1)
            {
                node.MoreOutputs = [.. outputs.Skip(1).Select(output => output.State)];
                foreach (TensorState state in node.MoreOutputs)
                {
                    state.Producer = node;
                }
            }
            // Indices and such have no gradient.
            foreach (Tensor output in outputs) output.State.RequiresGradient = output.DType.IsFloatingPoint();
        }
        return outputs;
    }

    private sealed class CustomNode : Node
    {
        private readonly ICustomOperation _operation;
        private readonly TensorState[] _inputs;
        private readonly CustomContext _context;

        public CustomNode(ICustomOperation operation, TensorState[] inputs, CustomContext context)
        {
            _operation = operation;
            _inputs = inputs;
            _context = context;
            foreach (Tensor tensor in context.Saved) Save(tensor.State);
        }

        public override string Operation => _operation.Name;

        protected override ReadOnlySpan<TensorState?> Inputs => _inputs;

        public override void Backward()
        {
            var outputs = new Tensor?[1 + (MoreOutputs?.Length ?? 0)];
            for (int i = 0; i < outputs.Length; i++)
            {
                TensorState output = i == 0 ? Output : MoreOutputs![i - 1];
                outputs[i] = output.Gradient is { } gradient ? new Tensor(gradient) : null;
            }
            Tensor?[] gradients = _operation.Backward(outputs, _context);
            if (gradients is null || gradients.Length != _inputs.Length)
                throw new OperationException(Operation, $"Backward returned {gradients?.Length ?? 0} gradients for {_inputs.Length} inputs.");
            for (int i = 0; i < gradients.Length; i++)
            {
                if (gradients[i] is not { } given || !_inputs[i].RequiresGradient) continue;
                if (given.Shape != _inputs[i].Shape)
                    throw new OperationException(Operation, $"Backward returned a gradient {given.Shape} for input {i} of shape {_inputs[i].Shape}.");
                if (!given.DType.IsFloatingPoint())
                    throw new OperationException(Operation, $"Backward returned a gradient of {given.DType} for input {i}; gradients have a floating-point dtype.");
                Gradients.Pass(_inputs[i], given.State);
            }
        }
    }
}
