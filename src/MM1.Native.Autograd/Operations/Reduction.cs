using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>Sum of all elements, a Float32 scalar.</summary>
    public static Tensor Sum(Tensor x)
    {
        TensorState input = x.State;
        // Rows first: a device reduces them side by side, and the order of the sum is that of the shape.
        Tensor rows = ReduceLast("Sum", input, Reduction.Sum);
        return rows.State.Elements == 1 ? Reshape(rows, []) : Reshape(ReduceLast("Sum", Reshape(rows, [1, rows.Elements]).State, Reduction.Sum), []);
    }

    /// <summary>Mean of all elements, a scalar.</summary>
    public static Tensor Mean(Tensor x) => Scale(Sum(x), (float)(1.0 / x.Elements));

    /// <summary>Sums over the last dimension: [..., c] to Float32 [...].</summary>
    public static Tensor SumLast(Tensor x) => ReduceLast("SumLast", x.State, Reduction.Sum);

    /// <summary>Means over the last dimension, Float32.</summary>
    public static Tensor MeanLast(Tensor x) => ReduceLast("MeanLast", x.State, Reduction.Mean);

    /// <summary>Largest elements of the last dimension, Float32; without a gradient.</summary>
    public static Tensor MaxLast(Tensor x) => ReduceLast("MaxLast", x.Detach().State, Reduction.Max);

    /// <summary>Softmax of scale * x over the last dimension.</summary>
    public static Tensor Softmax(Tensor x, float scale = 1)
    {
        const string Operation = "Softmax";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        TensorState output = arena.New(input.Shape, input.DType);
        arena.Device.Kernels.SoftmaxForward(arena.Device.Launch(), new SoftmaxForwardArgs
        {
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Output = output.Operand,
            Scale = scale,
        });
        if (Kernel.Records(input)) arena.Tape.Record(new SoftmaxNode(input, output, scale), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>Index of the largest element of each row (Int32); ties to the lower index.</summary>
    public static Tensor ArgMax(Tensor x)
    {
        const string Operation = "ArgMax";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        if (input.Shape.Rank < 1 || input.Shape.Columns < 1) throw new OperationException(Operation, $"x {input.Shape} has no last dimension to choose from.");
        TensorState output = arena.New(WithoutLast(input.Shape), DType.Int32);
        arena.Device.Kernels.ArgMax(arena.Device.Launch(), new ArgMaxArgs
        {
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Indices = output.AsRowsOf(1),
        });
        return Kernel.End(Operation, output);
    }

    /// <summary>The k largest elements of each row, descending, and their indices (Int32); without a gradient.</summary>
    public static (Tensor Values, Tensor Indices) TopK(Tensor x, int k)
    {
        const string Operation = "TopK";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        if (input.Shape.Rank < 1 || k < 1 || k > input.Shape.Columns) throw new OperationException(Operation, $"k = {k} does not lie in 1..{input.Shape.Columns}, the last dimension of {input.Shape}.");
        TensorState values = arena.New(input.Shape.WithColumns(k), input.DType), indices = arena.New(input.Shape.WithColumns(k), DType.Int32);
        arena.Device.Kernels.TopK(arena.Device.Launch(), new TopKArgs
        {
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            K = k,
            X = input.Operand,
            Values = values.Operand,
            Indices = indices.Operand,
        });
        return (Kernel.End(Operation, values), Kernel.End(Operation, indices));
    }

    private static Tensor ReduceLast(string operation, TensorState input, Reduction reduction)
    {
        Arena arena = Kernel.Begin(operation, input);
        Kernel.RequireFloat(operation, "x", input);
        TensorState output = arena.New(WithoutLast(input.Shape), DType.Float32);
        arena.Device.Kernels.Reduce(arena.Device.Launch(), new ReduceArgs
        {
            Reduction = reduction,
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Output = output.AsRowsOf(1),
        });
        if (Kernel.Records(input)) arena.Tape.Record(new ReduceNode(operation, input, reduction == Reduction.Mean ? (float)(1.0 / input.Shape.Columns) : 1), output);
        return Kernel.End(operation, output);
    }

    private static Shape WithoutLast(Shape shape)
    {
        Span<long> extents = stackalloc long[shape.Rank];
        shape.CopyTo(extents);
        return new Shape(extents[..Math.Max(0, shape.Rank - 1)]);
    }

    /// <summary>Every element of a row gets the row's gradient, times 1 or 1 / columns.</summary>
    private sealed class ReduceNode(string operation, TensorState input, float factor) : Node
    {
        public override string Operation => operation;

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!, destination = ZeroedStage(input);
            // Sums are float32 whatever was summed.
            TensorState rows = gradient.DType == destination.DType ? gradient : gradient.Arena!.New(gradient.Shape, destination.DType);
            if (rows != gradient) Kernel.Cast(gradient, rows);
            destination.Device.Kernels.Add(destination.Device.Launch(), new AddArgs
            {
                Broadcast = Broadcast.PerRow,
                Beta = factor,
                Rows = input.Shape.Rows,
                Columns = input.Shape.Columns,
                RowsB = input.Shape.Rows,
                A = destination.Operand,
                B = rows.AsRowsOf(1),
                Output = destination.Operand,
            });
            if (rows != gradient) Arena.Release(rows);
            Gradients.Commit(input, destination);
        }
    }

    private sealed class SoftmaxNode : Node
    {
        private readonly TensorState _input, _output;
        private readonly float _scale;

        public SoftmaxNode(TensorState input, TensorState output, float scale)
        {
            _input = input;
            _output = Save(output);
            _scale = scale;
        }

        public override string Operation => "Softmax";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input };

        public override void Backward()
        {
            TensorState destination = Gradients.Stage(_input, out float beta);
            destination.Device.Kernels.SoftmaxBackward(destination.Device.Launch(), new SoftmaxBackwardArgs
            {
                Rows = _input.Shape.Rows,
                Columns = _input.Shape.Columns,
                Output = _output.Operand,
                OutputGradient = OutputGradient!.Operand,
                InputGradient = destination.Operand,
                Scale = _scale,
                Beta = beta,
            });
            Gradients.Commit(_input, destination);
        }
    }
}
