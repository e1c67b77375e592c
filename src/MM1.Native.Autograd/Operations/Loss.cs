using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// Losses: scalars that are divided by the targets that count, of the whole step where <c>BeginStep(lossDenominator)</c> gave
/// their number, else of the call.
/// </summary>
public static class Loss
{
    /// <summary>Target that does not count.</summary>
    public const int IgnoreIndex = -100;

    /// <summary>
    /// Softmax cross-entropy of logits [..., vocabulary] and targets Int32 [...], with an optional output z-loss
    /// (zLossWeight * logSumExp^2; PaLM, arXiv 2204.02311).
    /// </summary>
    public static Tensor CrossEntropy(Tensor logits, Tensor targets, int ignoreIndex = IgnoreIndex, float zLossWeight = 0) =>
        CrossEntropy(logits, targets, withTokenLosses: false, out _, ignoreIndex, zLossWeight);

    /// <summary>The same; also gives every token's own cross-entropy, of the targets' shape, without z-loss and not divided, 0 where the target is ignored. It takes no gradient.</summary>
    public static Tensor CrossEntropy(Tensor logits, Tensor targets, out Tensor tokenLosses, int ignoreIndex = IgnoreIndex, float zLossWeight = 0)
    {
        Tensor loss = CrossEntropy(logits, targets, withTokenLosses: true, out TensorState? losses, ignoreIndex, zLossWeight);
        tokenLosses = new Tensor(losses!);
        return loss;
    }

    private static Tensor CrossEntropy(Tensor logits, Tensor targets, bool withTokenLosses, out TensorState? tokenLosses, int ignoreIndex, float zLossWeight)
    {
        const string Operation = "Loss.CrossEntropy";
        TensorState scores = logits.State, labels = targets.State;
        Arena arena = Kernel.Begin(Operation, scores, labels);
        Kernel.RequireFloat(Operation, "logits", scores);
        Kernel.RequireDType(Operation, "targets", labels, DType.Int32);
        if (scores.Shape.Rank < 1 || labels.Elements != scores.Shape.Rows)
            throw new OperationException(Operation, $"logits {scores.Shape} and targets {labels.Shape} do not fit: one target for each row of logits.");
        TensorState loss = arena.New([], DType.Float32), logSumExp = arena.New([scores.Shape.Rows], DType.Float32);
        tokenLosses = withTokenLosses ? arena.New(labels.Shape, DType.Float32) : null;
        var args = new CrossEntropyForwardArgs
        {
            Tokens = scores.Shape.Rows,
            Vocabulary = scores.Shape.Columns,
            Logits = scores.Operand,
            Targets = labels.AsRowsOf(1),
            Loss = loss.AsRowsOf(1),
            TokenLosses = tokenLosses?.AsRowsOf(1) ?? default,
            LogSumExp = logSumExp.AsRowsOf(1),
            StepState = arena.StepStateAddress,
            IgnoreIndex = ignoreIndex,
            ZLossWeight = zLossWeight,
        };
        arena.Device.Kernels.CrossEntropyForward(arena.Device.Launch(arena.Device.Kernels.CrossEntropyForwardWorkspaceBytes(args)), args);
        if (Kernel.Records(scores)) arena.Tape.Record(new CrossEntropyNode(scores, labels, logSumExp, args), loss);
        return Kernel.End(Operation, loss);
    }

    /// <summary>
    /// Cross-entropy of logits = x weight^T, made in chunks so that all logits never exist together: x [..., width], weight
    /// [vocabulary, width], targets Int32 [...].
    /// </summary>
    public static Tensor LinearCrossEntropy(Tensor x, Tensor weight, Tensor targets, int ignoreIndex = IgnoreIndex, float zLossWeight = 0) =>
        LinearCrossEntropy(x, weight, targets, withTokenLosses: false, out _, ignoreIndex, zLossWeight);

    /// <summary>The same; also gives every token's own cross-entropy, of the targets' shape, without z-loss and not divided, 0 where the target is ignored. It takes no gradient.</summary>
    public static Tensor LinearCrossEntropy(Tensor x, Tensor weight, Tensor targets, out Tensor tokenLosses, int ignoreIndex = IgnoreIndex, float zLossWeight = 0)
    {
        Tensor loss = LinearCrossEntropy(x, weight, targets, withTokenLosses: true, out TensorState? losses, ignoreIndex, zLossWeight);
        tokenLosses = new Tensor(losses!);
        return loss;
    }

    private static Tensor LinearCrossEntropy(Tensor x, Tensor weight, Tensor targets, bool withTokenLosses, out TensorState? tokenLosses, int ignoreIndex, float zLossWeight)
    {
        const string Operation = "Loss.LinearCrossEntropy";
        TensorState input = x.State, matrix = weight.State, labels = targets.State;
        Arena arena = Kernel.Begin(Operation, input, matrix);
        Kernel.RequireDevice(Operation, arena, labels);
        Kernel.RequireFloat(Operation, "x", input);
        Kernel.RequireSame(Operation, "weight", matrix, "x", input);
        Kernel.RequireDType(Operation, "targets", labels, DType.Int32);
        if (matrix.Shape.Rank != 2 || input.Shape.Rank < 1 || input.Shape.Columns != matrix.Shape[1] || labels.Elements != input.Shape.Rows)
            throw new OperationException(Operation, $"x {input.Shape}, weight {matrix.Shape} and targets {labels.Shape} do not fit: [..., width], [vocabulary, width], one target for each row of x.");
        TensorState loss = arena.New([], DType.Float32), logSumExp = arena.New([input.Shape.Rows], DType.Float32);
        tokenLosses = withTokenLosses ? arena.New(labels.Shape, DType.Float32) : null;
        var args = new LinearCrossEntropyForwardArgs
        {
            Tokens = input.Shape.Rows,
            Width = input.Shape.Columns,
            Vocabulary = matrix.Shape[0],
            X = input.Operand,
            Weight = matrix.Operand,
            Targets = labels.AsRowsOf(1),
            Loss = loss.AsRowsOf(1),
            TokenLosses = tokenLosses?.AsRowsOf(1) ?? default,
            LogSumExp = logSumExp.AsRowsOf(1),
            StepState = arena.StepStateAddress,
            IgnoreIndex = ignoreIndex,
            ZLossWeight = zLossWeight,
        };
        arena.Device.Kernels.LinearCrossEntropyForward(arena.Device.Launch(arena.Device.Kernels.LinearCrossEntropyForwardWorkspaceBytes(args)), args);
        if (Kernel.Records(input, matrix)) arena.Tape.Record(new LinearCrossEntropyNode(input, matrix, labels, logSumExp, args), loss);
        return Kernel.End(Operation, loss);
    }

    /// <summary>
    /// Symmetric InfoNCE of n pairs of unit rows (CLIP, arXiv 2103.00020): image and text [n, width] (see
    /// <see cref="Functional.L2Normalize"/>), logScale [1] the learned logarithm of the scale, clamped at maxScale.
    /// </summary>
    public static Tensor Contrastive(Tensor image, Tensor text, Tensor logScale, float maxScale = 100)
    {
        const string Operation = "Loss.Contrastive";
        TensorState pixels = image.State, words = text.State, scale = logScale.State;
        Arena arena = Kernel.Begin(Operation, pixels, words);
        Kernel.RequireDevice(Operation, arena, scale);
        Kernel.RequireFloat(Operation, "image", pixels);
        Kernel.RequireSame(Operation, "text", words, "image", pixels);
        Kernel.RequireFloat32(Operation, "logScale", scale);
        if (pixels.Shape.Rank != 2 || pixels.Shape != words.Shape || scale.Elements != 1)
            throw new OperationException(Operation, $"image {pixels.Shape}, text {words.Shape} and logScale {scale.Shape} do not fit: [n, width] twice and one value.");
        long pairs = pixels.Shape[0];
        TensorState loss = arena.New([], DType.Float32), rows = arena.New([pairs], DType.Float32), columns = arena.New([pairs], DType.Float32);
        var args = new ContrastiveLossForwardArgs
        {
            Pairs = pairs,
            Width = pixels.Shape[1],
            Image = pixels.Operand,
            Text = words.Operand,
            LogScale = scale.AsRowsOf(1),
            Loss = loss.AsRowsOf(1),
            LogSumExpRows = rows.AsRowsOf(1),
            LogSumExpColumns = columns.AsRowsOf(1),
            MaxScale = maxScale,
        };
        arena.Device.Kernels.ContrastiveLossForward(arena.Device.Launch(arena.Device.Kernels.ContrastiveLossForwardWorkspaceBytes(args)), args);
        if (Kernel.Records(pixels, words, scale)) arena.Tape.Record(new ContrastiveNode(pixels, words, scale, rows, columns, args), loss);
        return Kernel.End(Operation, loss);
    }

    /// <summary>
    /// AIM's pixel loss (arXiv 2401.08541): prediction and target [..., pixels of a patch], target normalized per patch unless
    /// <paramref name="normalizeTarget"/> is false; mask UInt8 [...] chooses the patches that count.
    /// </summary>
    public static Tensor PatchRegression(Tensor prediction, Tensor target, Tensor? mask = null, bool normalizeTarget = true, float epsilon = 1e-6f)
    {
        const string Operation = "Loss.PatchRegression";
        TensorState guess = prediction.State, pixels = target.State;
        TensorState? counts = mask?.State;
        Arena arena = Kernel.Begin(Operation, guess, pixels);
        Kernel.RequireFloat(Operation, "prediction", guess);
        if (pixels.DType != DType.Float32) Kernel.RequireSame(Operation, "target", pixels, "prediction", guess);
        if (counts is not null) Kernel.RequireDevice(Operation, arena, counts);
        if (counts is not null) Kernel.RequireDType(Operation, "mask", counts, DType.UInt8);
        if (guess.Shape.Rank < 1 || guess.Shape != pixels.Shape || (counts is not null && counts.Elements != guess.Shape.Rows))
            throw new OperationException(Operation, $"prediction {guess.Shape}, target {pixels.Shape} and mask {counts?.Shape.ToString() ?? "(none)"} do not fit: one shape, and one mask value a patch.");
        TensorState loss = arena.New([], DType.Float32);
        var args = new PatchRegressionForwardArgs
        {
            Patches = guess.Shape.Rows,
            Columns = guess.Shape.Columns,
            Prediction = guess.Operand,
            Target = pixels.Operand,
            Mask = counts?.AsRowsOf(1) ?? default,
            Loss = loss.AsRowsOf(1),
            StepState = arena.StepStateAddress,
            NormalizeTarget = normalizeTarget ? 1 : 0,
            Epsilon = epsilon,
        };
        arena.Device.Kernels.PatchRegressionForward(arena.Device.Launch(arena.Device.Kernels.PatchRegressionForwardWorkspaceBytes(args)), args);
        if (Kernel.Records(guess)) arena.Tape.Record(new PatchRegressionNode(guess, pixels, counts, args), loss);
        return Kernel.End(Operation, loss);
    }

    private sealed class CrossEntropyNode : Node
    {
        private readonly TensorState _logits, _logSumExp;
        private readonly CrossEntropyForwardArgs _forward;

        public CrossEntropyNode(TensorState logits, TensorState targets, TensorState logSumExp, in CrossEntropyForwardArgs forward)
        {
            _logits = Save(logits);
            Save(targets);
            _logSumExp = Own(logSumExp)!;
            _forward = forward;
        }

        public override string Operation => "Loss.CrossEntropy";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _logits };

        public override void Backward()
        {
            Arena arena = OutputGradient!.Arena!;
            // Logits that nobody else reads become their own gradient: the largest tensor of a small model exists once.
            TensorState gradient = _logits.MayBecomeGradient(arena) ? arena.NewView(_logits, _logits.Shape, _logits.Address) : arena.New(_logits.Shape, _logits.DType);
            var args = new CrossEntropyBackwardArgs
            {
                Tokens = _forward.Tokens,
                Vocabulary = _forward.Vocabulary,
                Logits = _forward.Logits,
                Targets = _forward.Targets,
                LogSumExp = _logSumExp.AsRowsOf(1),
                LossGradient = OutputGradient.AsRowsOf(1),
                LogitsGradient = gradient.Operand,
                StepState = _forward.StepState,
                IgnoreIndex = _forward.IgnoreIndex,
                ZLossWeight = _forward.ZLossWeight,
            };
            arena.Device.Kernels.CrossEntropyBackward(arena.Device.Launch(arena.Device.Kernels.CrossEntropyBackwardWorkspaceBytes(args)), args);
            Gradients.Pass(_logits, gradient);
            Arena.Release(gradient);
        }
    }

    private sealed class LinearCrossEntropyNode : Node
    {
        private readonly TensorState _input, _weight, _logSumExp;
        private readonly LinearCrossEntropyForwardArgs _forward;

        public LinearCrossEntropyNode(TensorState input, TensorState weight, TensorState targets, TensorState logSumExp, in LinearCrossEntropyForwardArgs forward)
        {
            _input = Save(input);
            _weight = Save(weight);
            Save(targets);
            _logSumExp = Own(logSumExp)!;
            _forward = forward;
        }

        public override string Operation => "Loss.LinearCrossEntropy";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _input, _weight };

        public override void Backward()
        {
            Device device = OutputGradient!.Device;
            float betaInput = 0, betaWeight = 0;
            TensorState? input = _input.RequiresGradient ? Gradients.Stage(_input, out betaInput) : null;
            TensorState? weight = _weight.RequiresGradient ? Gradients.StageSum(_weight, out betaWeight) : null;
            var args = new LinearCrossEntropyBackwardArgs
            {
                Tokens = _forward.Tokens,
                Width = _forward.Width,
                Vocabulary = _forward.Vocabulary,
                ChunkTokens = _forward.ChunkTokens,
                X = _forward.X,
                Weight = _forward.Weight,
                Targets = _forward.Targets,
                LogSumExp = _logSumExp.AsRowsOf(1),
                LossGradient = OutputGradient.AsRowsOf(1),
                InputGradient = input?.Operand ?? default,
                WeightGradient = weight?.Operand ?? default,
                StepState = _forward.StepState,
                IgnoreIndex = _forward.IgnoreIndex,
                ZLossWeight = _forward.ZLossWeight,
                BetaInput = betaInput,
                BetaWeight = betaWeight,
            };
            device.Kernels.LinearCrossEntropyBackward(device.Launch(device.Kernels.LinearCrossEntropyBackwardWorkspaceBytes(args)), args);
            if (input is not null) Gradients.Commit(_input, input);
            Gradients.CommitSum(_weight, weight);
        }
    }

    private sealed class ContrastiveNode : Node
    {
        private readonly TensorState _image, _text, _logScale, _rows, _columns;
        private readonly ContrastiveLossForwardArgs _forward;

        public ContrastiveNode(TensorState image, TensorState text, TensorState logScale, TensorState rows, TensorState columns, in ContrastiveLossForwardArgs forward)
        {
            _image = Save(image);
            _text = Save(text);
            _logScale = Save(logScale);
            _rows = Own(rows)!;
            _columns = Own(columns)!;
            _forward = forward;
        }

        public override string Operation => "Loss.Contrastive";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _image, _text, _logScale };

        public override void Backward()
        {
            Arena arena = OutputGradient!.Arena!;
            float beta = 0;
            TensorState? image = _image.RequiresGradient ? arena.New(_image.Shape, _image.DType) : null;
            TensorState? text = _text.RequiresGradient ? arena.New(_text.Shape, _text.DType) : null;
            TensorState? scale = _logScale.RequiresGradient ? Gradients.Destination(_logScale, out beta) : null;
            var args = new ContrastiveLossBackwardArgs
            {
                Pairs = _forward.Pairs,
                Width = _forward.Width,
                Image = _forward.Image,
                Text = _forward.Text,
                LogScale = _forward.LogScale,
                LogSumExpRows = _rows.AsRowsOf(1),
                LogSumExpColumns = _columns.AsRowsOf(1),
                LossGradient = OutputGradient.AsRowsOf(1),
                ImageGradient = image?.Operand ?? default,
                TextGradient = text?.Operand ?? default,
                LogScaleGradient = scale?.AsRowsOf(1) ?? default,
                MaxScale = _forward.MaxScale,
                BetaLogScale = beta,
            };
            arena.Device.Kernels.ContrastiveLossBackward(arena.Device.Launch(arena.Device.Kernels.ContrastiveLossBackwardWorkspaceBytes(args)), args);
            PassAndRelease(_image, image);
            PassAndRelease(_text, text);
        }
    }

    private sealed class PatchRegressionNode : Node
    {
        private readonly TensorState _prediction;
        private readonly PatchRegressionForwardArgs _forward;

        public PatchRegressionNode(TensorState prediction, TensorState target, TensorState? mask, in PatchRegressionForwardArgs forward)
        {
            _prediction = Save(prediction);
            Save(target);
            if (mask is not null) Save(mask);
            _forward = forward;
        }

        public override string Operation => "Loss.PatchRegression";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _prediction };

        public override void Backward()
        {
            Arena arena = OutputGradient!.Arena!;
            TensorState gradient = arena.New(_prediction.Shape, _prediction.DType);
            var args = new PatchRegressionBackwardArgs
            {
                Patches = _forward.Patches,
                Columns = _forward.Columns,
                Prediction = _forward.Prediction,
                Target = _forward.Target,
                Mask = _forward.Mask,
                LossGradient = OutputGradient.AsRowsOf(1),
                PredictionGradient = gradient.Operand,
                StepState = _forward.StepState,
                NormalizeTarget = _forward.NormalizeTarget,
                Epsilon = _forward.Epsilon,
            };
            arena.Device.Kernels.PatchRegressionBackward(arena.Device.Launch(arena.Device.Kernels.PatchRegressionBackwardWorkspaceBytes(args)), args);
            PassAndRelease(_prediction, gradient);
        }
    }

    private static void PassAndRelease(TensorState input, TensorState? gradient)
    {
        if (gradient is null) return;
        Gradients.Pass(input, gradient);
        Arena.Release(gradient);
    }
}
