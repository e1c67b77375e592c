using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>
    /// Two-dimensional convolution, NHWC: x [batch, height, width, channels], weight [outputChannels, kernelHeight,
    /// kernelWidth, channels / groups], bias [outputChannels]. Groups is 1 or, depthwise, the channels.
    /// </summary>
    public static Tensor Conv2d(Tensor x, Tensor weight, Tensor? bias = null, int stride = 1, int padding = 0, int groups = 1)
    {
        const string Operation = "Conv2d";
        TensorState input = x.State, kernel = weight.State;
        TensorState? offset = bias?.State;
        Arena arena = Kernel.Begin(Operation, input, kernel);
        Kernel.RequireFloat(Operation, "x", input);
        Kernel.RequireSame(Operation, "weight", kernel, "x", input);
        if (offset is not null) Kernel.RequireDevice(Operation, arena, offset);
        if (offset is not null) Kernel.RequireSame(Operation, "bias", offset, "x", input);
        if (stride < 1 || padding < 0 || groups < 1) throw new OperationException(Operation, $"stride {stride}, padding {padding} and groups {groups} must be at least 1, 0 and 1.");
        if (input.Shape.Rank != 4 || kernel.Shape.Rank != 4 || kernel.Shape[3] * groups != input.Shape[3])
            throw new OperationException(Operation, $"x {input.Shape} and weight {kernel.Shape} with {groups} groups do not fit: [n, height, width, c] and [out, kernelHeight, kernelWidth, c / groups].");
        if (groups != 1 && (groups != input.Shape[3] || groups != kernel.Shape[0]))
            throw new OperationException(Operation, $"{groups} groups for {input.Shape[3]} channels to {kernel.Shape[0]}: only dense (1) and depthwise (groups = channels = output channels) convolutions exist.");
        long height = (input.Shape[1] + 2 * padding - kernel.Shape[1]) / stride + 1, width = (input.Shape[2] + 2 * padding - kernel.Shape[2]) / stride + 1;
        if (input.Shape[1] + 2 * padding < kernel.Shape[1] || input.Shape[2] + 2 * padding < kernel.Shape[2])
            throw new OperationException(Operation, $"the kernel {kernel.Shape} is larger than the padded image {input.Shape}.");
        if (offset is not null && (offset.Shape.Rank != 1 || offset.Elements != kernel.Shape[0]))
            throw new OperationException(Operation, $"bias {offset.Shape} must be [{kernel.Shape[0]}].");
        TensorState output = arena.New([input.Shape[0], height, width, kernel.Shape[0]], input.DType);
        var args = new ConvolutionForwardArgs
        {
            Batch = input.Shape[0],
            InputHeight = input.Shape[1],
            InputWidth = input.Shape[2],
            InputChannels = input.Shape[3],
            OutputHeight = height,
            OutputWidth = width,
            OutputChannels = kernel.Shape[0],
            KernelHeight = kernel.Shape[1],
            KernelWidth = kernel.Shape[2],
            Stride = stride,
            Padding = padding,
            Groups = groups,
            X = input.Operand,
            Weight = kernel.AsRowsOf(kernel.Shape[1] * kernel.Shape[2] * kernel.Shape[3]),
            Bias = offset?.Operand ?? default,
            Output = output.Operand,
        };
        arena.Device.Kernels.ConvolutionForward(arena.Device.Launch(arena.Device.Kernels.ConvolutionForwardWorkspaceBytes(args)), args);
        if (Kernel.Records(input, kernel, offset)) arena.Tape.Record(new ConvolutionNode(input, kernel, offset, args), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// Averages x [n, height, width, c] over bins that start at floor(i * in / out) and end before ceil((i + 1) * in / out):
    /// they overlap where the sizes do not divide (27 to 12). (1, 1) is global pooling.
    /// </summary>
    public static Tensor AdaptiveAveragePool2d(Tensor x, int height, int width)
    {
        const string Operation = "AdaptiveAveragePool2d";
        TensorState input = x.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "x", input);
        if (input.Shape.Rank != 4 || input.Shape[1] < 1 || input.Shape[2] < 1) throw new OperationException(Operation, $"x {input.Shape} must be [n, height, width, c] with at least one pixel.");
        if (height < 1 || width < 1) throw new OperationException(Operation, $"the result must have at least 1 x 1 pixels, not {height} x {width}.");
        TensorState output = arena.New([input.Shape[0], height, width, input.Shape[3]], input.DType);
        arena.Device.Kernels.AdaptiveAveragePoolForward(arena.Device.Launch(), new AdaptiveAveragePoolForwardArgs
        {
            Batch = input.Shape[0],
            InputHeight = input.Shape[1],
            InputWidth = input.Shape[2],
            OutputHeight = height,
            OutputWidth = width,
            Channels = input.Shape[3],
            X = input.Operand,
            Output = output.Operand,
        });
        if (Kernel.Records(input)) arena.Tape.Record(new PoolNode(input), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>Bicubic interpolation of a position table [prefixRows + height * width, c] to another grid; prefix rows are copied.</summary>
    public static Tensor InterpolateGrid(Tensor table, int prefixRows, (int Height, int Width) from, (int Height, int Width) to, bool antialias)
    {
        const string Operation = "InterpolateGrid";
        TensorState input = table.State;
        Arena arena = Kernel.Begin(Operation, input);
        Kernel.RequireFloat(Operation, "table", input);
        if (input.Shape.Rank != 2 || prefixRows < 0 || from.Height < 1 || from.Width < 1 || to.Height < 1 || to.Width < 1 || input.Shape[0] != prefixRows + (long)from.Height * from.Width)
            throw new OperationException(Operation, $"table {input.Shape} must be [{prefixRows} + {from.Height} * {from.Width}, c], and both grids have at least one position.");
        TensorState output = arena.New([prefixRows + (long)to.Height * to.Width, input.Shape[1]], input.DType);
        var args = new GridInterpolationForwardArgs
        {
            InputHeight = from.Height,
            InputWidth = from.Width,
            OutputHeight = to.Height,
            OutputWidth = to.Width,
            Channels = input.Shape[1],
            PrefixRows = prefixRows,
            X = input.Operand,
            Output = output.Operand,
            Antialias = antialias ? 1 : 0,
        };
        arena.Device.Kernels.GridInterpolationForward(arena.Device.Launch(), args);
        if (Kernel.Records(input)) arena.Tape.Record(new InterpolationNode(input, args), output);
        return Kernel.End(Operation, output);
    }

    private sealed class ConvolutionNode : Node
    {
        private readonly TensorState _input, _weight;
        private readonly TensorState? _bias;
        private readonly ConvolutionForwardArgs _forward;

        public ConvolutionNode(TensorState input, TensorState weight, TensorState? bias, in ConvolutionForwardArgs forward)
        {
            _input = Save(input);
            _weight = Save(weight);
            _bias = bias;
            _forward = forward;
        }

        public override string Operation => "Conv2d";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input, _weight, _bias };

        public override void Backward()
        {
            Device device = OutputGradient!.Device;
            Operand upstream = OutputGradient.Operand;
            if (_weight.RequiresGradient || _bias is { RequiresGradient: true })
            {
                float betaWeight = 0, betaBias = 0;
                TensorState? weight = _weight.RequiresGradient ? Gradients.StageSum(_weight, out betaWeight) : null;
                TensorState? bias = _bias is { RequiresGradient: true } ? Gradients.StageSum(_bias, out betaBias) : null;
                if (weight is not null && bias is not null && betaWeight != betaBias) Kernel.Fill(betaWeight == 0 ? weight : bias, 0);
                var args = new ConvolutionBackwardWeightArgs
                {
                    Batch = _forward.Batch,
                    InputHeight = _forward.InputHeight,
                    InputWidth = _forward.InputWidth,
                    InputChannels = _forward.InputChannels,
                    OutputHeight = _forward.OutputHeight,
                    OutputWidth = _forward.OutputWidth,
                    OutputChannels = _forward.OutputChannels,
                    KernelHeight = _forward.KernelHeight,
                    KernelWidth = _forward.KernelWidth,
                    Stride = _forward.Stride,
                    Padding = _forward.Padding,
                    Groups = _forward.Groups,
                    X = _forward.X,
                    OutputGradient = upstream,
                    WeightGradient = weight is null ? default : weight.AsRowsOf(_forward.Weight.RowStride),
                    BiasGradient = bias?.Operand ?? default,
                    Beta = Math.Max(betaWeight, betaBias),
                };
                device.Kernels.ConvolutionBackwardWeight(device.Launch(device.Kernels.ConvolutionBackwardWeightWorkspaceBytes(args)), args);
                Gradients.CommitSum(_weight, weight);
                Gradients.CommitSum(_bias, bias);
            }
            if (!_input.RequiresGradient) return;
            TensorState destination = Gradients.Stage(_input, out float beta);
            var data = new ConvolutionBackwardDataArgs
            {
                Batch = _forward.Batch,
                InputHeight = _forward.InputHeight,
                InputWidth = _forward.InputWidth,
                InputChannels = _forward.InputChannels,
                OutputHeight = _forward.OutputHeight,
                OutputWidth = _forward.OutputWidth,
                OutputChannels = _forward.OutputChannels,
                KernelHeight = _forward.KernelHeight,
                KernelWidth = _forward.KernelWidth,
                Stride = _forward.Stride,
                Padding = _forward.Padding,
                Groups = _forward.Groups,
                OutputGradient = upstream,
                Weight = _forward.Weight,
                InputGradient = destination.Operand,
                Beta = beta,
            };
            device.Kernels.ConvolutionBackwardData(device.Launch(device.Kernels.ConvolutionBackwardDataWorkspaceBytes(data)), data);
            Gradients.Commit(_input, destination);
        }
    }

    private sealed class PoolNode(TensorState input) : Node
    {
        public override string Operation => "AdaptiveAveragePool2d";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!, destination = Gradients.Stage(input, out float beta);
            destination.Device.Kernels.AdaptiveAveragePoolBackward(destination.Device.Launch(), new AdaptiveAveragePoolBackwardArgs
            {
                Batch = input.Shape[0],
                InputHeight = input.Shape[1],
                InputWidth = input.Shape[2],
                OutputHeight = gradient.Shape[1],
                OutputWidth = gradient.Shape[2],
                Channels = input.Shape[3],
                OutputGradient = gradient.Operand,
                InputGradient = destination.Operand,
                Beta = beta,
            });
            Gradients.Commit(input, destination);
        }
    }

    private sealed class InterpolationNode(TensorState input, GridInterpolationForwardArgs forward) : Node
    {
        public override string Operation => "InterpolateGrid";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { input };

        public override void Backward()
        {
            TensorState destination = Gradients.Stage(input, out float beta);
            destination.Device.Kernels.GridInterpolationBackward(destination.Device.Launch(), new GridInterpolationBackwardArgs
            {
                InputHeight = forward.InputHeight,
                InputWidth = forward.InputWidth,
                OutputHeight = forward.OutputHeight,
                OutputWidth = forward.OutputWidth,
                Channels = forward.Channels,
                PrefixRows = forward.PrefixRows,
                OutputGradient = OutputGradient!.Operand,
                InputGradient = destination.Operand,
                Antialias = forward.Antialias,
                Beta = beta,
            });
            Gradients.Commit(input, destination);
        }
    }
}
