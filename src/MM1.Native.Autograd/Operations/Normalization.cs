using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>
    /// Layer normalization over the last dimension; weight and bias [columns] are optional. With <paramref name="activation"/>
    /// (<see cref="Activation.Silu"/>; no other is fused) its result is activated in the same pass, and so is its gradient.
    /// </summary>
    public static Tensor LayerNorm(Tensor x, Tensor? weight, Tensor? bias, float epsilon = 1e-5f, Activation activation = Activation.None) =>
        LayerNorm("LayerNorm", x, null, weight, bias, epsilon, activation).Output;

    /// <summary>s = x + residual and its layer normalization in one pass.</summary>
    public static (Tensor Sum, Tensor Output) AddLayerNorm(Tensor x, Tensor residual, Tensor? weight, Tensor? bias, float epsilon = 1e-5f)
    {
        (Tensor? sum, Tensor output) = LayerNorm("AddLayerNorm", x, residual, weight, bias, epsilon, Activation.None);
        return (sum!.Value, output);
    }

    /// <summary>Root-mean-square normalization over the last dimension; the weight [columns] is optional.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor? weight, float epsilon = 1e-5f) => RmsNorm("RmsNorm", x, null, weight, epsilon).Output;

    /// <summary>s = x + residual and its root-mean-square normalization in one pass.</summary>
    public static (Tensor Sum, Tensor Output) AddRmsNorm(Tensor x, Tensor residual, Tensor? weight, float epsilon = 1e-5f)
    {
        (Tensor? sum, Tensor output) = RmsNorm("AddRmsNorm", x, residual, weight, epsilon);
        return (sum!.Value, output);
    }

    /// <summary>Rows of unit length: x / max(norm, epsilon) over the last dimension.</summary>
    public static Tensor L2Normalize(Tensor x, float epsilon = 1e-12f)
    {
        const string Operation = "L2Normalize";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        bool records = Kernel.Records(input);
        TensorState output = arena.New(input.Shape, input.DType);
        TensorState? inverse = records ? arena.New([input.Shape.Rows], DType.Float32) : null;
        arena.Device.Kernels.L2NormalizeForward(arena.Device.Launch(), new L2NormalizeForwardArgs
        {
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Output = output.Operand,
            InverseNorm = inverse?.AsRowsOf(1) ?? default,
            Epsilon = epsilon,
        });
        if (records) arena.Tape.Record(new L2NormalizeNode(input, output, inverse!, epsilon), output);
        return Kernel.End(Operation, output);
    }

    private static (Tensor? Sum, Tensor Output) LayerNorm(string operation, Tensor x, Tensor? residual, Tensor? weight, Tensor? bias, float epsilon, Activation activation)
    {
        TensorState input = x.State;
        TensorState? shortcut = residual?.State, gain = weight?.State, offset = bias?.State;
        Arena arena = Kernel.Begin(operation, input);
        CheckNorm(operation, arena, input, shortcut, gain, offset);
        bool records = Kernel.Records(input, shortcut, gain, offset);
        TensorState output = arena.New(input.Shape, input.DType);
        TensorState? sum = shortcut is null ? null : arena.New(input.Shape, input.DType);
        long rows = input.Shape.Rows;
        TensorState? mean = records ? arena.New([rows], DType.Float32) : null, deviation = records ? arena.New([rows], DType.Float32) : null;
        arena.Device.Kernels.LayerNormForward(arena.Device.Launch(), new LayerNormForwardArgs
        {
            Rows = rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Residual = shortcut?.Operand ?? default,
            SumOutput = sum?.Operand ?? default,
            Weight = gain?.Operand ?? default,
            Bias = offset?.Operand ?? default,
            Output = output.Operand,
            Mean = mean?.AsRowsOf(1) ?? default,
            InverseStandardDeviation = deviation?.AsRowsOf(1) ?? default,
            Epsilon = epsilon,
            Activation = activation,
        });
        if (records)
        {
            var node = new NormNode(operation, input, shortcut, sum, gain, offset, mean, deviation!, activation);
            arena.Tape.Record(node, output, sum);
        }
        return Finish(operation, output, sum);
    }

    private static (Tensor? Sum, Tensor Output) RmsNorm(string operation, Tensor x, Tensor? residual, Tensor? weight, float epsilon)
    {
        TensorState input = x.State;
        TensorState? shortcut = residual?.State, gain = weight?.State;
        Arena arena = Kernel.Begin(operation, input);
        CheckNorm(operation, arena, input, shortcut, gain, null);
        bool records = Kernel.Records(input, shortcut, gain);
        TensorState output = arena.New(input.Shape, input.DType);
        TensorState? sum = shortcut is null ? null : arena.New(input.Shape, input.DType);
        TensorState? inverse = records ? arena.New([input.Shape.Rows], DType.Float32) : null;
        arena.Device.Kernels.RmsNormForward(arena.Device.Launch(), new RmsNormForwardArgs
        {
            Rows = input.Shape.Rows,
            Columns = input.Shape.Columns,
            X = input.Operand,
            Residual = shortcut?.Operand ?? default,
            SumOutput = sum?.Operand ?? default,
            Weight = gain?.Operand ?? default,
            Output = output.Operand,
            InverseRootMeanSquare = inverse?.AsRowsOf(1) ?? default,
            Epsilon = epsilon,
        });
        if (records)
        {
            var node = new NormNode(operation, input, shortcut, sum, gain, null, null, inverse!, Activation.None);
            arena.Tape.Record(node, output, sum);
        }
        return Finish(operation, output, sum);
    }

    private static void CheckNorm(string operation, Arena arena, TensorState input, TensorState? residual, TensorState? weight, TensorState? bias)
    {
        Kernel.RequireFloat(operation, "x", input);
        if (input.Shape.Rank < 1) throw new OperationException(operation, "x is a scalar; it needs a last dimension to normalize over.");
        if (residual is not null) Kernel.RequireDevice(operation, arena, residual);
        if (residual is not null) Kernel.RequireSame(operation, "residual", residual, "x", input);
        if (residual is not null && residual.Shape != input.Shape)
            throw new OperationException(operation, $"residual {residual.Shape} must have the shape of x, {input.Shape}.");
        foreach (TensorState? parameter in (ReadOnlySpan<TensorState?>)[weight, bias])
        {
            if (parameter is null) continue;
            Kernel.RequireDevice(operation, arena, parameter);
            Kernel.RequireSame(operation, parameter == weight ? "weight" : "bias", parameter, "x", input);
            if (parameter.Shape.Rank != 1 || parameter.Elements != input.Shape.Columns)
                throw new OperationException(operation, $"a parameter {parameter.Shape} does not fit x {input.Shape}: it must be [{input.Shape.Columns}].");
        }
    }

    private static (Tensor? Sum, Tensor Output) Finish(string operation, TensorState output, TensorState? sum)
    {
        if (sum is not null && GradientMode.TrapNonFinite) Kernel.RequireFinite(operation, "its sum", sum);
        Tensor result = Kernel.End(operation, output);
        return (sum is null ? null : new Tensor(sum), result);
    }

    /// <summary>
    /// Layer norm (with a mean) and RMS norm (without): the gradient of what was normalized goes to x and, unchanged, to the
    /// residual; the gradient that arrives at the sum by the residual stream is added in the same pass. For an activation nothing more is
    /// saved: the kernel normalizes again.
    /// </summary>
    private sealed class NormNode : Node
    {
        private readonly string _operation;
        private readonly TensorState _input;
        private readonly TensorState? _residual, _weight, _bias, _mean;
        private readonly TensorState _normalized, _inverse;
        private readonly Activation _activation;

        public NormNode(string operation, TensorState input, TensorState? residual, TensorState? sum, TensorState? weight, TensorState? bias, TensorState? mean, TensorState inverse,
            Activation activation)
        {
            _operation = operation;
            _input = input;
            _residual = residual;
            _normalized = Save(sum ?? input);
            _weight = weight is null ? null : Save(weight);
            // Only an activation's input depends on it.
            _bias = bias is null || activation == Activation.None ? bias : Save(bias);
            _activation = activation;
            _mean = Own(mean);
            _inverse = Own(inverse)!;
        }

        public override string Operation => _operation;

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input, _residual, _weight, _bias };

        public override void Backward()
        {
            TensorState? gradient = OutputGradient, stream = SecondOutput?.Gradient;
            if (gradient is null)
            {
                PassBoth(stream!);
                return;
            }
            bool needsInput = _input.RequiresGradient || _residual is { RequiresGradient: true };
            TensorState target;
            float beta = 0;
            bool owned = false;
            if (needsInput && _residual is null)
            {
                target = Gradients.Stage(_input, out beta);
            }
            else if (stream is not null && MayOverwriteGradient(SecondOutput!)) target = stream;
            else
            {
                target = gradient.Arena!.New(_normalized.Shape, _normalized.DType);
                owned = true;
            }
            Run(gradient, stream, target, beta);
            if (needsInput && _residual is not null) PassBoth(target);
            else if (needsInput) Gradients.Commit(_input, target);
            if (owned) Arena.Release(target);
        }

        private void PassBoth(TensorState gradient)
        {
            Gradients.Pass(_input, gradient);
            if (_residual is not null) Gradients.Pass(_residual, gradient);
        }

        private void Run(TensorState gradient, TensorState? stream, TensorState target, float betaInput)
        {
            Device device = gradient.Device;
            TensorState? weightGradient = null, biasGradient = null;
            float beta = 0;
            if (_weight is { RequiresGradient: true }) weightGradient = Gradients.StageSum(_weight, out beta);
            if (_bias is { RequiresGradient: true })
            {
                biasGradient = Gradients.StageSum(_bias, out float betaBias);
                // The kernel has one factor for both; they differ only if one of them was just created.
                if (weightGradient is not null && beta != betaBias) Kernel.Fill(beta == 0 ? weightGradient : biasGradient, 0);
                beta = Math.Max(beta, betaBias);
            }
            if (_mean is not null)
            {
                var args = new LayerNormBackwardArgs
                {
                    Rows = _normalized.Shape.Rows,
                    Columns = _normalized.Shape.Columns,
                    OutputGradient = gradient.Operand,
                    SumGradient = stream?.Operand ?? default,
                    X = _normalized.Operand,
                    Weight = _weight?.Operand ?? default,
                    Mean = _mean.AsRowsOf(1),
                    InverseStandardDeviation = _inverse.AsRowsOf(1),
                    InputGradient = target.Operand,
                    WeightGradient = weightGradient?.Operand ?? default,
                    BiasGradient = biasGradient?.Operand ?? default,
                    BetaInput = betaInput,
                    BetaParameters = beta,
                    Bias = _activation == Activation.None ? default : _bias?.Operand ?? default,
                    Activation = _activation,
                };
                device.Kernels.LayerNormBackward(device.Launch(device.Kernels.LayerNormBackwardWorkspaceBytes(args)), args);
                Gradients.CommitSum(_weight, weightGradient);
                Gradients.CommitSum(_bias, biasGradient);
                return;
            }
            var rms = new RmsNormBackwardArgs
            {
                Rows = _normalized.Shape.Rows,
                Columns = _normalized.Shape.Columns,
                OutputGradient = gradient.Operand,
                SumGradient = stream?.Operand ?? default,
                X = _normalized.Operand,
                Weight = _weight?.Operand ?? default,
                InverseRootMeanSquare = _inverse.AsRowsOf(1),
                InputGradient = target.Operand,
                WeightGradient = weightGradient?.Operand ?? default,
                BetaInput = betaInput,
                BetaParameters = beta,
            };
            device.Kernels.RmsNormBackward(device.Launch(device.Kernels.RmsNormBackwardWorkspaceBytes(rms)), rms);
            Gradients.CommitSum(_weight, weightGradient);
        }
    }

    private sealed class L2NormalizeNode : Node
    {
        private readonly TensorState _input, _output, _inverse;
        private readonly float _epsilon;

        public L2NormalizeNode(TensorState input, TensorState output, TensorState inverse, float epsilon)
        {
            _input = input;
            _output = Save(output);
            _inverse = Own(inverse)!;
            _epsilon = epsilon;
        }

        public override string Operation => "L2Normalize";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input };

        public override void Backward()
        {
            TensorState destination = Gradients.Stage(_input, out float beta);
            destination.Device.Kernels.L2NormalizeBackward(destination.Device.Launch(), new L2NormalizeBackwardArgs
            {
                Rows = _input.Shape.Rows,
                Columns = _input.Shape.Columns,
                OutputGradient = OutputGradient!.Operand,
                Output = _output.Operand,
                InverseNorm = _inverse.AsRowsOf(1),
                InputGradient = destination.Operand,
                Epsilon = _epsilon,
                Beta = beta,
            });
            Gradients.Commit(_input, destination);
        }
    }
}
