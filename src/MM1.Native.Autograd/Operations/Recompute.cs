using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>
    /// Runs a block without keeping its activations; backward runs it again (Chen et al. 2016, arXiv 1604.06174). Memory falls
    /// to the block's input and output; time rises by one forward. The gradients are the same bits.
    /// </summary>
    /// <param name="block">Computes the output from the input and from parameters; it must compute the same again.</param>
    /// <param name="input">The input. Other tensors that the block uses get their gradients as well; until backward their elements must stay.</param>
    public static Tensor Recompute(Func<Tensor, Tensor> block, Tensor input)
    {
        const string Operation = "Recompute";
        ArgumentNullException.ThrowIfNull(block);
        if (!GradientMode.Records) return block(input);
        Arena arena = Kernel.Begin(Operation, input.State);
        TensorState output;
        // Inside an arena of its own: everything but the output goes back at once.
        using (var inner = new Arena(arena.Device, ArenaKind.MicroBatch, records: false))
        {
            TensorState result = block(input).State;
            output = arena.New(result.Shape, result.DType);
            Kernel.Copy(result, output);
        }
        arena.Tape.Record(new RecomputeNode(block, input.State), output);
        arena.Tape.MarkRecompute();
        return Kernel.End(Operation, output);
    }

    private sealed class RecomputeNode : Node
    {
        private readonly Func<Tensor, Tensor> _block;
        private readonly TensorState _input;

        public RecomputeNode(Func<Tensor, Tensor> block, TensorState input)
        {
            _block = block;
            _input = Save(input);
        }

        public override string Operation => "Recompute";

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            using var inner = new Arena(gradient.Device, ArenaKind.MicroBatch, records: true);
            // A leaf in place of the input: the inner tape ends there.
            TensorState leaf = inner.NewView(_input, _input.Shape, _input.Address);
            leaf.RequiresGradient = true;
            TensorState result = _block(new Tensor(leaf)).State;
            if (result.Shape != gradient.Shape)
                throw new OperationException(Operation, $"the block gave {result.Shape} when it ran again, {gradient.Shape} before; it must compute the same.");
            using (GradientMode.NoGrad())
            {
                // What the input has already goes along: every contribution is added in the order that it has without recomputing.
                TensorState? before = _input.Parameter is null ? _input.Gradient : null;
                if (before is not null) leaf.Gradient = inner.NewView(before, leaf.Shape, before.Address);
                if (result.Arena == inner && result.Producer is not null) result.Gradient = inner.NewView(gradient, gradient.Shape, gradient.Address);
                else Gradients.Pass(result, gradient); // the block made nothing
                inner.Tape.Run(result);
                if (!_input.RequiresGradient || leaf.Gradient is not { } after || after.Address == before?.Address) return;
                if (_input.Parameter is not null) Gradients.Pass(_input, after);
                else Kernel.Copy(after, Gradients.Destination(_input, out _));
            }
        }
    }
}
