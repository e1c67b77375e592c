using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>The same elements in another shape, without a copy.</summary>
    public static Tensor Reshape(Tensor x, Shape shape)
    {
        const string Operation = "Reshape";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        if (shape.Elements != input.Elements)
            throw new OperationException(Operation, $"{input.Shape} has {input.Elements} elements, {shape} has {shape.Elements}.");
        return View(arena, input, shape, 0);
    }

    /// <summary>Rows [start, start + length) of the first dimension, without a copy.</summary>
    public static Tensor Rows(Tensor x, long start, long length)
    {
        const string Operation = "Rows";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        if (input.Shape.Rank < 1 || start < 0 || length < 0 || length > input.Shape[0] - start)
            throw new OperationException(Operation, $"rows [{start}, {start + length}) do not lie in {input.Shape}.");
        long inner = input.Shape[0] == 0 ? 0 : input.Elements / input.Shape[0];
        return View(arena, input, input.Shape.With(0, length), start * inner);
    }

    /// <summary>Elements [start, start + length) of one dimension, copied.</summary>
    public static Tensor Slice(Tensor x, int dimension, long start, long length)
    {
        const string Operation = "Slice";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        RequireDimension(Operation, input.Shape, dimension);
        if (start < 0 || length < 0 || length > input.Shape[dimension] - start)
            throw new OperationException(Operation, $"[{start}, {start + length}) does not lie in dimension {dimension} of {input.Shape}.");
        TensorState output = arena.New(input.Shape.With(dimension, length), input.DType);
        (long outer, long inner) = Around(input.Shape, dimension);
        CopyBlocks(input, start * inner, input.Shape[dimension] * inner, output, 0, length * inner, outer, length * inner);
        if (Kernel.Records(input)) arena.Tape.Record(new SliceNode(input, dimension, start), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>Tensors of one dtype, equal but in <paramref name="dimension"/>, one after the other along it; copied.</summary>
    public static Tensor Concatenate(ReadOnlySpan<Tensor> tensors, int dimension)
    {
        const string Operation = "Concatenate";
        if (tensors.Length == 0) throw new OperationException(Operation, "no tensors were given.");
        var inputs = new TensorState[tensors.Length];
        for (int i = 0; i < inputs.Length; i++) inputs[i] = tensors[i].State;
        Arena arena = Kernel.Begin(Operation, inputs[0]);
        Shape first = inputs[0].Shape;
        RequireDimension(Operation, first, dimension);
        long total = 0;
        foreach (TensorState input in inputs)
        {
            Kernel.RequireDevice(Operation, arena, input);
            if (input.Shape.Rank != first.Rank || input.Shape.With(dimension, first[dimension]) != first || input.DType != inputs[0].DType)
                throw new OperationException(Operation, $"{input.DType} {input.Shape} does not fit {inputs[0].DType} {first}: all dimensions but {dimension} must be equal.");
            total += input.Shape[dimension];
        }
        TensorState output = arena.New(first.With(dimension, total), inputs[0].DType);
        (long outer, long inner) = Around(first, dimension);
        long offset = 0;
        bool records = false;
        foreach (TensorState input in inputs)
        {
            long block = input.Shape[dimension] * inner;
            CopyBlocks(input, 0, block, output, offset, total * inner, outer, block);
            offset += block;
            records |= Kernel.Records(input);
        }
        if (records) arena.Tape.Record(new ConcatenateNode(inputs, dimension), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>Exchanges two neighbouring dimensions: <c>[..., a, b, ...]</c> to <c>[..., b, a, ...]</c>; copied.</summary>
    /// <param name="x">The tensor.</param>
    /// <param name="dimension">The first of the two.</param>
    public static Tensor SwapDimensions(Tensor x, int dimension)
    {
        const string Operation = "SwapDimensions";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        if (dimension < 0 || dimension + 1 >= input.Shape.Rank)
            throw new OperationException(Operation, $"dimensions {dimension} and {dimension + 1} are not both in {input.Shape}.");
        long rows = input.Shape[dimension], columns = input.Shape[dimension + 1];
        (long batch, _) = Around(input.Shape, dimension);
        (_, long inner) = Around(input.Shape, dimension + 1);
        TensorState output = arena.New(input.Shape.With(dimension, columns).With(dimension + 1, rows), input.DType);
        TransposeInto(input, output, batch, rows, columns, inner);
        if (Kernel.Records(input)) arena.Tape.Record(new SwapNode(input, batch, rows, columns, inner), output);
        return Kernel.End(Operation, output);
    }

    private static Tensor View(Arena arena, TensorState input, Shape shape, long offset)
    {
        TensorState view = arena.NewView(input, shape, input.Address + (nint)(offset * input.DType.Size()));
        if (Kernel.Records(input))
        {
            if (shape.Elements == input.Elements) arena.Tape.Record(new ReshapeNode(input), view);
            else arena.Tape.Record(new RowsNode(input, offset), view);
        }
        return new Tensor(view);
    }

    private static void RequireDimension(string operation, Shape shape, int dimension)
    {
        if (dimension < 0 || dimension >= shape.Rank) throw new OperationException(operation, $"{shape} has no dimension {dimension}.");
    }

    /// <summary>Products of the extents before and after a dimension.</summary>
    private static (long Outer, long Inner) Around(Shape shape, int dimension)
    {
        long outer = 1, inner = 1;
        for (int i = 0; i < dimension; i++) outer *= shape[i];
        for (int i = dimension + 1; i < shape.Rank; i++) inner *= shape[i];
        return (outer, inner);
    }

    private static void CopyBlocks(TensorState source, long sourceOffset, long sourceStride, TensorState destination, long destinationOffset, long destinationStride, long blocks, long length)
    {
        int size = source.DType.Size();
        source.Device.Kernels.Copy(source.Device.Launch(), new CopyArgs
        {
            Rows = blocks,
            Columns = length,
            X = new Operand(source.Address + (nint)(sourceOffset * size), source.DType, sourceStride),
            Output = new Operand(destination.Address + (nint)(destinationOffset * size), source.DType, destinationStride),
        });
    }

    private static void TransposeInto(TensorState source, TensorState destination, long batch, long rows, long columns, long inner) =>
        source.Device.Kernels.TransposeBlocks(source.Device.Launch(), new TransposeBlocksArgs
        {
            Batch = batch,
            Rows = rows,
            Columns = columns,
            Inner = inner,
            X = source.AsRowsOf(columns * inner),
            Output = destination.AsRowsOf(rows * inner),
        });

    /// <summary>For kernels that add to a part of the input's gradient: the rest of a new gradient is zero. <see cref="Gradients.Commit"/> ends it.</summary>
    private static TensorState ZeroedStage(TensorState input)
    {
        TensorState destination = Gradients.Stage(input, out float beta);
        if (beta == 0) Kernel.Fill(destination, 0);
        return destination;
    }

    private static void AddBlocks(TensorState source, long sourceOffset, long sourceStride, TensorState destination, long destinationOffset, long destinationStride, long blocks, long length)
    {
        int size = source.DType.Size();
        var target = new Operand(destination.Address + (nint)(destinationOffset * size), source.DType, destinationStride);
        source.Device.Kernels.Add(source.Device.Launch(), new AddArgs
        {
            Rows = blocks,
            Columns = length,
            RowsB = blocks,
            A = target,
            B = new Operand(source.Address + (nint)(sourceOffset * size), source.DType, sourceStride),
            Output = target,
        });
    }

    /// <summary>A view's gradient is the input's.</summary>
    private sealed class ReshapeNode(TensorState input) : Node
    {
        public override string Operation => "Reshape";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward() => Gradients.Pass(input, OutputGradient!);
    }

    private sealed class RowsNode(TensorState input, long offset) : Node
    {
        public override string Operation => "Rows";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!, destination = ZeroedStage(input);
            AddBlocks(gradient, 0, gradient.Elements, destination, offset, gradient.Elements, 1, gradient.Elements);
            Gradients.Commit(input, destination);
        }
    }

    private sealed class SliceNode(TensorState input, int dimension, long start) : Node
    {
        public override string Operation => "Slice";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!, destination = ZeroedStage(input);
            (long outer, long inner) = Around(input.Shape, dimension);
            long block = gradient.Shape[dimension] * inner;
            AddBlocks(gradient, 0, block, destination, start * inner, input.Shape[dimension] * inner, outer, block);
            Gradients.Commit(input, destination);
        }
    }

    private sealed class ConcatenateNode(TensorState[] inputs, int dimension) : Node
    {
        public override string Operation => "Concatenate";

        protected override ReadOnlySpan<TensorState?> Inputs => inputs;

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            (long outer, long inner) = Around(gradient.Shape, dimension);
            long stride = gradient.Shape[dimension] * inner, offset = 0;
            foreach (TensorState input in inputs)
            {
                long block = input.Shape[dimension] * inner;
                if (input.RequiresGradient)
                {
                    TensorState destination = Gradients.Stage(input, out float beta);
                    if (beta == 0) CopyBlocks(gradient, offset, stride, destination, 0, block, outer, block);
                    else AddBlocks(gradient, offset, stride, destination, 0, block, outer, block);
                    Gradients.Commit(input, destination);
                }
                offset += block;
            }
        }
    }

    private sealed class SwapNode(TensorState input, long batch, long rows, long columns, long inner) : Node
    {
        public override string Operation => "SwapDimensions";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            TensorState back = gradient.Arena!.New(input.Shape, input.DType);
            TransposeInto(gradient, back, batch, columns, rows, inner);
            Gradients.Pass(input, back);
            Arena.Release(back);
        }
    }
}
