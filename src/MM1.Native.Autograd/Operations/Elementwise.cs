using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>
    /// <c>alpha * a + beta * b</c>. b has a's shape, or a's trailing dimensions (then it repeats over the leading ones: a
    /// bias, a position table), or a's leading dimensions with a last one of 1 (one value a row).
    /// </summary>
    public static Tensor Add(Tensor a, Tensor b, float alpha = 1, float beta = 1)
    {
        const string Operation = "Add";
        TensorState left = a.State, right = b.State;
        Arena arena = Kernel.Begin(Operation, left, right);
        BroadcastPlan plan = BroadcastPlan.Of(Operation, left, right);
        TensorState output = arena.New(left.Shape, left.DType);
        arena.Device.Kernels.Add(arena.Device.Launch(), new AddArgs
        {
            Broadcast = plan.Kind,
            Alpha = alpha,
            Beta = beta,
            Rows = plan.Rows,
            Columns = plan.Columns,
            RowsB = plan.RowsB,
            A = left.AsRowsOf(plan.Columns),
            B = right.AsRowsOf(plan.ColumnsB),
            Output = output.AsRowsOf(plan.Columns),
        });
        if (Kernel.Records(left, right)) arena.Tape.Record(new AddNode(left, right, plan, alpha, beta), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// <c>a * b</c> with the broadcasts of <see cref="Add"/>, and one more: a [n, ..., c] with b [n, c] when
    /// <paramref name="perImage"/> is set (one factor per image and channel, as in squeeze-and-excitation).
    /// </summary>
    public static Tensor Multiply(Tensor a, Tensor b, bool perImage = false)
    {
        const string Operation = "Multiply";
        TensorState left = a.State, right = b.State;
        Arena arena = Kernel.Begin(Operation, left, right);
        BroadcastPlan plan = perImage ? BroadcastPlan.PerImage(Operation, left, right) : BroadcastPlan.Of(Operation, left, right);
        TensorState output = arena.New(left.Shape, left.DType);
        MultiplyInto(arena.Device, plan, left, right, output, 0);
        if (Kernel.Records(left, right)) arena.Tape.Record(new MultiplyNode(left, right, plan), output);
        return Kernel.End(Operation, output);
    }

    /// <summary><c>factor * x</c>.</summary>
    public static Tensor Scale(Tensor x, float factor)
    {
        const string Operation = "Scale";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        TensorState output = arena.New(input.Shape, input.DType);
        ScaleInto(input, factor, 0, output);
        if (Kernel.Records(input)) arena.Tape.Record(new ScaleNode(input, factor), output);
        return Kernel.End(Operation, output);
    }

    /// <summary><c>activation(x)</c>.</summary>
    public static Tensor Activate(Tensor x, Activation activation)
    {
        const string Operation = "Activate";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        TensorState output = arena.New(input.Shape, input.DType);
        arena.Device.Kernels.ActivationForward(arena.Device.Launch(), new ActivationForwardArgs
        {
            Activation = activation,
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Output = output.Operand,
        });
        if (Kernel.Records(input)) arena.Tape.Record(new ActivationNode(input, activation), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// <c>activation(gate) * up</c> of a fused projection [..., 2 * hidden], gate first: SwiGLU with Silu, GEGLU with Gelu
    /// (Shazeer 2020).
    /// </summary>
    public static Tensor GatedActivation(Tensor gateUp, Activation activation = Activation.Silu)
    {
        const string Operation = "GatedActivation";
        TensorState input = gateUp.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "gateUp", input);
        if (input.Shape.Rank < 1 || input.Shape.Columns % 2 != 0)
            throw new OperationException(Operation, $"gateUp {input.Shape} must have an even last dimension: gate and up side by side.");
        long hidden = input.Shape.Columns / 2;
        TensorState output = arena.New(input.Shape.WithColumns(hidden), input.DType);
        arena.Device.Kernels.GatedActivationForward(arena.Device.Launch(), new GatedActivationForwardArgs
        {
            Activation = activation,
            Rows = input.Shape.Rows,
            Columns = hidden,
            Gate = input.Operand,
            Up = input.ColumnsFrom(hidden),
            Output = output.Operand,
        });
        if (Kernel.Records(input)) arena.Tape.Record(new GatedActivationNode(input, activation), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// Rotary position embedding of x [tokens, heads, headSize] (Su et al. 2021). <paramref name="positions"/> is int32
    /// [tokens]; see <see cref="RotaryTable"/> for the table.
    /// </summary>
    public static Tensor RotaryEmbedding(Tensor x, Tensor positions, RotaryTable table)
    {
        const string Operation = "RotaryEmbedding";
        ArgumentNullException.ThrowIfNull(table);
        TensorState input = x.State, where = positions.State;
        Arena arena = Kernel.Begin(Operation, input, where);
        Kernel.RequireFloat(Operation, "x", input);
        Kernel.RequireDType(Operation, "positions", where, DType.Int32);
        if (input.Shape.Rank != 3 || where.Elements != input.Shape[0])
            throw new OperationException(Operation, $"x {input.Shape} must be [tokens, heads, headSize] with one position a token; positions is {where.Shape}.");
        TensorState output = arena.New(input.Shape, input.DType);
        table.Rotate(where, input.AsRowsOf(input.Shape[1] * input.Shape[2]), output.AsRowsOf(input.Shape[1] * input.Shape[2]), input.Shape[0], input.Shape[1], input.Shape[2], inverse: false);
        if (Kernel.Records(input)) arena.Tape.Record(new RotaryNode(input, where, table), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>x in another dtype. Gradients flow between floating-point dtypes, each tensor's in its own; casts from or to others are cut off.</summary>
    public static Tensor Cast(Tensor x, DType dtype)
    {
        const string Operation = "Cast";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        TensorState output = arena.New(input.Shape, dtype);
        if (input.DType == dtype) Kernel.Copy(input, output);
        else Kernel.Cast(input, output);
        if (Kernel.Records(input) && input.DType.IsFloatingPoint() && dtype.IsFloatingPoint()) arena.Tape.Record(new CastNode(input), output);
        return Kernel.End(Operation, output);
    }

    private static void MultiplyInto(Device device, in BroadcastPlan plan, TensorState a, TensorState b, TensorState output, float beta) =>
        device.Kernels.Multiply(device.Launch(), new MultiplyArgs
        {
            Broadcast = plan.Kind,
            OutputBeta = beta,
            Rows = plan.Rows,
            Columns = plan.Columns,
            RowsB = plan.RowsB,
            A = a.AsRowsOf(plan.Columns),
            B = b.AsRowsOf(plan.ColumnsB),
            Output = output.AsRowsOf(plan.Columns),
        });

    private static void ScaleInto(TensorState x, float factor, float beta, TensorState output)
    {
        long columns = x.Shape.Columns, rows = x.Shape.Rows;
        x.Device.Kernels.Scale(x.Device.Launch(), new ScaleArgs { Rows = rows, Columns = columns, X = x.Operand, Output = output.AsRowsOf(columns), Factor = factor, Beta = beta });
    }

    private static void SumInto(Device device, in BroadcastPlan plan, TensorState gradient, TensorState? multiplier, TensorState output, float beta)
    {
        var args = new ReduceRowsArgs
        {
            Broadcast = plan.Kind,
            Beta = beta,
            Rows = plan.Rows,
            Columns = plan.Columns,
            OutputRows = plan.RowsB,
            X = gradient.AsRowsOf(plan.Columns),
            Multiplier = multiplier?.AsRowsOf(plan.Columns) ?? default,
            Output = output.AsRowsOf(plan.ColumnsB),
        };
        device.Kernels.ReduceRows(device.Launch(device.Kernels.ReduceRowsWorkspaceBytes(args)), args);
    }

    private sealed class AddNode(TensorState a, TensorState b, BroadcastPlan plan, float alpha, float beta) : Node
    {
        public override string Operation => "Add";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { a, b };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            if (a.RequiresGradient) PassScaled(a, gradient, alpha);
            if (!b.RequiresGradient) return;
            if (plan.IsPlain)
            {
                PassScaled(b, gradient, beta);
                return;
            }
            if (beta == 1)
            {
                TensorState destination = Gradients.Stage(b, out float old);
                SumInto(gradient.Device, plan, gradient, null, destination, old);
                Gradients.Commit(b, destination);
                return;
            }
            TensorState sum = gradient.Arena!.New(b.Shape, gradient.DType);
            SumInto(gradient.Device, plan, gradient, null, sum, 0);
            PassScaled(b, sum, beta);
            Arena.Release(sum);
        }

        private static void PassScaled(TensorState input, TensorState gradient, float factor)
        {
            if (factor == 1)
            {
                Gradients.Pass(input, gradient);
                return;
            }
            TensorState destination = Gradients.Stage(input, out float beta);
            ScaleInto(gradient, factor, beta, destination);
            Gradients.Commit(input, destination);
        }
    }

    private sealed class MultiplyNode : Node
    {
        private readonly TensorState _a, _b;
        private readonly BroadcastPlan _plan;

        public MultiplyNode(TensorState a, TensorState b, BroadcastPlan plan)
        {
            _a = Save(a);
            _b = Save(b);
            _plan = plan;
        }

        public override string Operation => "Multiply";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _a, _b };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            if (_a.RequiresGradient)
            {
                TensorState destination = Gradients.Stage(_a, out float beta);
                MultiplyInto(gradient.Device, _plan, gradient, _b, destination, beta);
                Gradients.Commit(_a, destination);
            }
            if (_b.RequiresGradient)
            {
                TensorState destination = Gradients.Stage(_b, out float beta);
                if (_plan.IsPlain) MultiplyInto(gradient.Device, _plan, gradient, _a, destination, beta);
                else SumInto(gradient.Device, _plan, gradient, _a, destination, beta);
                Gradients.Commit(_b, destination);
            }
        }
    }

    /// <summary>The gradient in the input's dtype.</summary>
    private sealed class CastNode(TensorState input) : Node
    {
        public override string Operation => "Cast";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward() => Gradients.Pass(input, OutputGradient!);
    }

    private sealed class ScaleNode(TensorState input, float factor) : Node
    {
        public override string Operation => "Scale";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState destination = Gradients.Stage(input, out float beta);
            ScaleInto(OutputGradient!, factor, beta, destination);
            Gradients.Commit(input, destination);
        }
    }

    private sealed class ActivationNode : Node
    {
        private readonly TensorState _input;
        private readonly Activation _activation;

        public ActivationNode(TensorState input, Activation activation)
        {
            _input = Save(input);
            _activation = activation;
        }

        public override string Operation => "Activate";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input };

        public override void Backward()
        {
            TensorState destination = Gradients.Stage(_input, out float beta);
            destination.Device.Kernels.ActivationBackward(destination.Device.Launch(), new ActivationBackwardArgs
            {
                Activation = _activation,
                Beta = beta,
                Rows = _input.Shape.Rows,
                Columns = _input.Shape.Columns,
                OutputGradient = OutputGradient!.Operand,
                X = _input.Operand,
                InputGradient = destination.Operand,
            });
            Gradients.Commit(_input, destination);
        }
    }

    private sealed class GatedActivationNode : Node
    {
        private readonly TensorState _input;
        private readonly Activation _activation;

        public GatedActivationNode(TensorState input, Activation activation)
        {
            _input = Save(input);
            _activation = activation;
        }

        public override string Operation => "GatedActivation";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input };

        public override void Backward()
        {
            // A projection that nobody else reads becomes its own gradient: the widest tensor of a block exists once.
            Arena arena = OutputGradient!.Arena!;
            TensorState gradient = _input.MayBecomeGradient(arena) ? arena.NewView(_input, _input.Shape, _input.Address) : arena.New(_input.Shape, _input.DType);
            long hidden = _input.Shape.Columns / 2;
            gradient.Device.Kernels.GatedActivationBackward(gradient.Device.Launch(), new GatedActivationBackwardArgs
            {
                Activation = _activation,
                Rows = _input.Shape.Rows,
                Columns = hidden,
                OutputGradient = OutputGradient.Operand,
                Gate = _input.Operand,
                Up = _input.ColumnsFrom(hidden),
                GateGradient = gradient.Operand,
                UpGradient = gradient.ColumnsFrom(hidden),
            });
            Gradients.Pass(_input, gradient);
            Arena.Release(gradient);
        }
    }

    private sealed class RotaryNode : Node
    {
        private readonly TensorState _input, _positions;
        private readonly RotaryTable _table;

        public RotaryNode(TensorState input, TensorState positions, RotaryTable table)
        {
            _input = input;
            _positions = Save(positions);
            _table = table;
        }

        public override string Operation => "RotaryEmbedding";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input };

        public override void Backward()
        {
            Shape shape = _input.Shape;
            long columns = shape[1] * shape[2];
            TensorState gradient = OutputGradient!;
            TensorState rotated = MayOverwriteGradient(Output) ? gradient : gradient.Arena!.New(shape, gradient.DType);
            _table.Rotate(_positions, gradient.AsRowsOf(columns), rotated.AsRowsOf(columns), shape[0], shape[1], shape[2], inverse: true);
            Gradients.Pass(_input, rotated);
            if (rotated != gradient) Arena.Release(rotated);
        }
    }
}
