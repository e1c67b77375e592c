using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// Differentiable operations, one file per kernel family. Each runs its kernel in the current arena and, where an input
/// requires a gradient, records one node on the tape. Shapes, dtypes or devices that do not fit throw
/// <see cref="OperationException"/>.
/// </summary>
public static partial class Functional
{
    /// <summary>
    /// <c>y = activation(x weight^T + bias) + residual</c> in one kernel: x [..., in], weight [out, in], bias [out],
    /// residual and y [..., out]. y has the dtype of x.
    /// </summary>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null, Activation activation = Activation.None, Tensor? residual = null) =>
        Linear(x, weight, bias, activation, residual, x.DType);

    /// <summary><c>y = x weight^T</c> with a Float32 result whatever dtype x and weight have: logits, which sampling compares.</summary>
    public static Tensor LinearToFloat32(Tensor x, Tensor weight) => Linear(x, weight, null, Activation.None, null, DType.Float32);

    private static Tensor Linear(Tensor x, Tensor weight, Tensor? bias, Activation activation, Tensor? residual, DType outputDType)
    {
        const string Operation = "Linear";
        TensorState input = x.State, matrix = weight.State;
        TensorState? offset = bias?.State, shortcut = residual?.State;
        Arena arena = Kernel.Begin(Operation, input, matrix);
        if (offset is not null) Kernel.RequireDevice(Operation, arena, offset);
        if (shortcut is not null) Kernel.RequireDevice(Operation, arena, shortcut);
        Kernel.RequireFloat(Operation, "x", input);
        Kernel.RequireSame(Operation, "weight", matrix, "x", input);
        if (offset is not null) Kernel.RequireSame(Operation, "bias", offset, "x", input);
        if (shortcut is not null) Kernel.RequireSame(Operation, "residual", shortcut, "x", input);
        if (matrix.Shape.Rank != 2 || input.Shape.Rank < 1 || input.Shape.Columns != matrix.Shape[1])
            throw new OperationException(Operation, $"x {input.Shape} and weight {matrix.Shape} do not fit: the last dimension of x must equal the weight's columns (weight is [out, in]).");
        long rows = input.Shape.Rows, width = matrix.Shape[0], depth = matrix.Shape[1];
        if (offset is not null && (offset.Shape.Rank != 1 || offset.Elements != width))
            throw new OperationException(Operation, $"bias {offset.Shape} does not fit weight {matrix.Shape}: it must be [{width}].");
        Shape shape = input.Shape.WithColumns(width);
        if (shortcut is not null && shortcut.Shape != shape)
            throw new OperationException(Operation, $"residual {shortcut.Shape} must have the shape of the result, {shape}.");
        TensorState output = arena.New(shape, outputDType);
        bool records = Kernel.Records(input, matrix, offset, shortcut);
        // The derivative of an activation is taken at its argument; without one there is nothing to keep.
        TensorState? preActivation = records && activation != Activation.None ? arena.New(shape, input.DType) : null;
        var args = new GemmArgs
        {
            TransposeB = Transpose.Transposed,
            Activation = activation,
            M = rows,
            N = width,
            K = depth,
            A = input.Operand,
            B = matrix.Operand,
            Output = output.Operand,
            Bias = offset?.Operand ?? default,
            Residual = shortcut?.Operand ?? default,
            PreActivation = preActivation?.Operand ?? default,
        };
        Run(arena.Device, args);
        if (records) arena.Tape.Record(new LinearNode(input, matrix, offset, shortcut, preActivation, activation), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// Matrix product of the last two dimensions, <c>scale * op(a) op(b)</c>; leading dimensions are equal batches, or b has
    /// two dimensions and is shared.
    /// </summary>
    public static Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false, float scale = 1)
    {
        const string Operation = "MatMul";
        TensorState left = a.State, right = b.State;
        Arena arena = Kernel.Begin(Operation, left, right);
        Kernel.RequireFloat(Operation, "a", left);
        Kernel.RequireSame(Operation, "b", right, "a", left);
        Shape shapeA = left.Shape, shapeB = right.Shape;
        if (shapeA.Rank < 2 || shapeB.Rank < 2) throw new OperationException(Operation, $"a {shapeA} and b {shapeB} must have two dimensions at least.");
        long m = shapeA[transposeA ? ^1 : ^2], k = shapeA[transposeA ? ^2 : ^1], kb = shapeB[transposeB ? ^1 : ^2], n = shapeB[transposeB ? ^2 : ^1];
        long batch = 1;
        for (int i = 0; i < shapeA.Rank - 2; i++) batch *= shapeA[i];
        bool shared = shapeB.Rank == 2;
        bool batchesFit = shared || shapeA.Rank == shapeB.Rank;
        for (int i = 0; batchesFit && !shared && i < shapeA.Rank - 2; i++) batchesFit = shapeA[i] == shapeB[i];
        if (k != kb || !batchesFit)
        {
            throw new OperationException(Operation, $"a {shapeA}{(transposeA ? " transposed" : "")} and b {shapeB}{(transposeB ? " transposed" : "")} do not fit: "
                + "columns of op(a) must equal rows of op(b), and leading dimensions must be equal (or b has two dimensions).");
        }
        Shape shape = shapeA.With(shapeA.Rank - 2, m).WithColumns(n);
        TensorState output = arena.New(shape, left.DType);
        Product(arena.Device, batch, m, n, k, scale, 0, left, transposeA, m * k, right, transposeB, shared ? 0 : k * n, output, m * n);
        if (Kernel.Records(left, right))
            arena.Tape.Record(new MatMulNode(left, right, transposeA, transposeB, scale, batch, m, n, k, shared), output);
        return Kernel.End(Operation, output);
    }

    private static void Run(Device device, in GemmArgs args) => device.Kernels.Gemm(device.Launch(device.Kernels.GemmWorkspaceBytes(args)), args);

    private static void Product(Device device, long batch, long m, long n, long k, float alpha, float beta,
        TensorState a, bool transposeA, long strideA, TensorState b, bool transposeB, long strideB, TensorState output, long strideOutput)
    {
        Run(device, new GemmArgs
        {
            TransposeA = transposeA ? Transpose.Transposed : Transpose.None,
            TransposeB = transposeB ? Transpose.Transposed : Transpose.None,
            M = m,
            N = n,
            K = k,
            Batch = batch,
            A = a.AsRowsOf(transposeA ? m : k),
            B = b.AsRowsOf(transposeB ? k : n),
            Output = output.AsRowsOf(n),
            BatchStrideA = strideA,
            BatchStrideB = strideB,
            BatchStrideOutput = strideOutput,
            Alpha = alpha,
            Beta = beta,
        });
    }

    /// <summary>dX = dY W; dW += dY^T X; db += column sums of dY; the residual gets dY as it is.</summary>
    private sealed class LinearNode : Node
    {
        private readonly TensorState _input, _weight;
        private readonly TensorState? _bias, _residual, _preActivation;
        private readonly Activation _activation;

        public LinearNode(TensorState input, TensorState weight, TensorState? bias, TensorState? residual, TensorState? preActivation, Activation activation)
        {
            _input = Save(input);
            _weight = Save(weight);
            _bias = bias;
            _residual = residual;
            _preActivation = Own(preActivation);
            _activation = activation;
        }

        public override string Operation => "Linear";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input, _weight, _bias, _residual };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            Device device = gradient.Device;
            long rows = _input.Shape.Rows, width = _weight.Shape[0], depth = _weight.Shape[1];
            if (_residual is not null) Gradients.Pass(_residual, gradient);
            TensorState? before = null;
            if (_preActivation is not null)
            {
                before = MayOverwriteGradient(Output) ? gradient : gradient.Arena!.New(gradient.Shape, gradient.DType);
                device.Kernels.ActivationBackward(device.Launch(), new ActivationBackwardArgs
                {
                    Activation = _activation,
                    Rows = rows,
                    Columns = width,
                    OutputGradient = gradient.Operand,
                    X = _preActivation.Operand,
                    InputGradient = before.Operand,
                });
            }
            // A float32 result of other operands: its gradient joins them in their dtype.
            if (before is null && gradient.DType != _input.DType) Kernel.Cast(gradient, before = gradient.Arena!.New(gradient.Shape, _input.DType));
            TensorState upstream = before ?? gradient;
            if (_weight.RequiresGradient)
            {
                TensorState destination = Gradients.Destination(_weight, out float beta);
                Product(device, 1, width, depth, rows, 1, beta, upstream, true, 0, _input, false, 0, destination, 0);
            }
            if (_bias is { RequiresGradient: true })
            {
                TensorState destination = Gradients.Destination(_bias, out float beta);
                var args = new BiasGradientArgs { Rows = rows, Columns = width, OutputGradient = upstream.AsRowsOf(width), BiasGradient = destination.Operand, Beta = beta };
                device.Kernels.BiasGradient(device.Launch(device.Kernels.BiasGradientWorkspaceBytes(args)), args);
            }
            if (_input.RequiresGradient)
            {
                TensorState destination = Gradients.Destination(_input, out float beta);
                Product(device, 1, rows, depth, width, 1, beta, upstream, false, 0, _weight, false, 0, destination, 0);
            }
            if (before is not null && before != gradient) Arena.Release(before);
        }
    }

    /// <summary>For C = s op(A) op(B): dA and dB are products of dC with the other operand, transposed as the operands were.</summary>
    private sealed class MatMulNode : Node
    {
        private readonly TensorState _a, _b;
        private readonly bool _transposeA, _transposeB, _shared;
        private readonly float _scale;
        private readonly long _batch, _m, _n, _k;

        public MatMulNode(TensorState a, TensorState b, bool transposeA, bool transposeB, float scale, long batch, long m, long n, long k, bool shared)
        {
            _a = Save(a);
            _b = Save(b);
            (_transposeA, _transposeB, _scale, _batch, _m, _n, _k, _shared) = (transposeA, transposeB, scale, batch, m, n, k, shared);
        }

        public override string Operation => "MatMul";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _a, _b };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            Device device = gradient.Device;
            long strideA = _m * _k, strideB = _shared ? 0 : _k * _n, strideC = _m * _n;
            if (_a.RequiresGradient)
            {
                TensorState destination = Gradients.Destination(_a, out float beta);
                if (_transposeA) Product(device, _batch, _k, _m, _n, _scale, beta, _b, _transposeB, strideB, gradient, true, strideC, destination, strideA);
                else Product(device, _batch, _m, _k, _n, _scale, beta, gradient, false, strideC, _b, !_transposeB, strideB, destination, strideA);
            }
            if (!_b.RequiresGradient) return;
            TensorState target = Gradients.Destination(_b, out float betaB);
            if (!_shared)
            {
                ProductB(device, _batch, betaB, 0, 0, target, strideA, strideB, strideC, gradient);
                return;
            }
            // One matrix met every batch: its gradient is the sum over them, in order.
            if (_batch == 0 && betaB == 0) Kernel.Fill(target, 0);
            for (long i = 0; i < _batch; i++)
            {
                ProductB(device, 1, i == 0 ? betaB : 1, i * strideA, i * strideC, target, 0, 0, 0, gradient);
            }
        }

        private void ProductB(Device device, long batch, float beta, long offsetA, long offsetC, TensorState target, long strideA, long strideB, long strideC, TensorState gradient)
        {
            var a = new Operand(_a.Address + (nint)(offsetA * _a.DType.Size()), _a.DType, _transposeA ? _m : _k);
            var c = new Operand(gradient.Address + (nint)(offsetC * gradient.DType.Size()), gradient.DType, _n);
            var args = new GemmArgs { Batch = batch, Alpha = _scale, Beta = beta, BatchStrideOutput = strideB };
            if (_transposeB)
            {
                args = args with { M = _n, N = _k, K = _m, A = c, TransposeA = Transpose.Transposed, BatchStrideA = strideC, B = a, TransposeB = Flag(_transposeA), BatchStrideB = strideA, Output = target.AsRowsOf(_k) };
            }
            else
            {
                args = args with { M = _k, N = _n, K = _m, A = a, TransposeA = Flag(!_transposeA), BatchStrideA = strideA, B = c, BatchStrideB = strideC, Output = target.AsRowsOf(_n) };
            }
            Run(device, args);
        }

        private static Transpose Flag(bool transposed) => transposed ? Transpose.Transposed : Transpose.None;
    }
}
