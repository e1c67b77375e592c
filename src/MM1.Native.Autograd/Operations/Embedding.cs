using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

public static partial class Functional
{
    /// <summary>Rows of a table: ids (Int32 or Int64) [...], table [vocabulary, width]; the result is [..., width].</summary>
    public static Tensor Embedding(Tensor ids, Tensor table)
    {
        const string Operation = "Embedding";
        TensorState indices = ids.State, rows = table.State;
        Arena arena = Kernel.Begin(Operation, rows, indices);
        Kernel.RequireFloat(Operation, "table", rows);
        if (indices.DType is not (DType.Int32 or DType.Int64)) throw new OperationException(Operation, $"ids {indices.Shape} hold {indices.DType}; Int32 or Int64 is needed.");
        if (rows.Shape.Rank != 2) throw new OperationException(Operation, $"table {rows.Shape} must be [vocabulary, width].");
        if (indices.Shape.Rank >= Shape.MaximumRank) throw new OperationException(Operation, $"ids {indices.Shape} have too many dimensions.");
        Span<long> extents = stackalloc long[indices.Shape.Rank + 1];
        indices.Shape.CopyTo(extents);
        extents[^1] = rows.Shape[1];
        TensorState output = arena.New(new Shape(extents), rows.DType);
        arena.Device.Kernels.EmbeddingGather(arena.Device.Launch(), new EmbeddingGatherArgs
        {
            Tokens = indices.Elements,
            Vocabulary = rows.Shape[0],
            Width = rows.Shape[1],
            Ids = indices.AsRowsOf(1),
            Table = rows.Operand,
            Output = output.Operand,
        });
        if (Kernel.Records(rows)) arena.Tape.Record(new EmbeddingNode(indices, rows), output);
        return Kernel.End(Operation, output);
    }

    /// <summary>
    /// Puts image tokens into a sequence: row t is text[t] where placement[t] is -1, else image[placement[t]]. text
    /// [tokens, width], image [imageTokens, width], placement int32 [tokens]; every image row is named once at most.
    /// </summary>
    public static Tensor PlaceImageTokens(Tensor text, Tensor image, Tensor placement)
    {
        const string Operation = "PlaceImageTokens";
        TensorState words = text.State, pixels = image.State, where = placement.State;
        Arena arena = Kernel.Begin(Operation, words, pixels);
        Kernel.RequireDevice(Operation, arena, where);
        Kernel.RequireFloat(Operation, "text", words);
        Kernel.RequireSame(Operation, "image", pixels, "text", words);
        Kernel.RequireDType(Operation, "placement", where, DType.Int32);
        if (words.Shape.Rank != 2 || pixels.Shape.Rank != 2 || words.Shape[1] != pixels.Shape[1] || where.Elements != words.Shape[0])
            throw new OperationException(Operation, $"text {words.Shape}, image {pixels.Shape} and placement {where.Shape} do not fit: [tokens, width], [imageTokens, width], [tokens].");
        TensorState output = arena.New(words.Shape, words.DType);
        arena.Device.Kernels.ImageTokenPlacementForward(arena.Device.Launch(), new ImageTokenPlacementForwardArgs
        {
            Tokens = words.Shape[0],
            ImageTokens = pixels.Shape[0],
            Width = words.Shape[1],
            Placement = where.AsRowsOf(1),
            Text = words.Operand,
            Image = pixels.Operand,
            Output = output.Operand,
        });
        if (Kernel.Records(words, pixels)) arena.Tape.Record(new PlacementNode(words, pixels, where), output);
        return Kernel.End(Operation, output);
    }

    private sealed class EmbeddingNode : Node
    {
        private readonly TensorState _ids, _table;

        public EmbeddingNode(TensorState ids, TensorState table)
        {
            _ids = Save(ids);
            _table = table;
        }

        public override string Operation => "Embedding";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _table };

        public override void Backward()
        {
            TensorState destination = Gradients.StageSum(_table, out float beta);
            var args = new EmbeddingScatterAddArgs
            {
                Tokens = _ids.Elements,
                Vocabulary = _table.Shape[0],
                Width = _table.Shape[1],
                Ids = _ids.AsRowsOf(1),
                OutputGradient = OutputGradient!.Operand,
                TableGradient = destination.Operand,
                Beta = beta,
            };
            destination.Device.Kernels.EmbeddingScatterAdd(destination.Device.Launch(destination.Device.Kernels.EmbeddingScatterAddWorkspaceBytes(args)), args);
            Gradients.CommitSum(_table, destination);
        }
    }

    private sealed class PlacementNode : Node
    {
        private readonly TensorState _text, _image, _placement;

        public PlacementNode(TensorState text, TensorState image, TensorState placement)
        {
            _text = text;
            _image = image;
            _placement = Save(placement);
        }

        public override string Operation => "PlaceImageTokens";

        protected override ReadOnlySpan<TensorState?> Inputs => new[] { _text, _image };

        public override void Backward()
        {
            TensorState gradient = OutputGradient!;
            Arena arena = gradient.Arena!;
            TensorState? text = _text.RequiresGradient ? (MayOverwriteGradient(Output) ? gradient : arena.New(_text.Shape, _text.DType)) : null;
            TensorState? image = _image.RequiresGradient ? arena.New(_image.Shape, _image.DType) : null;
            gradient.Device.Kernels.ImageTokenPlacementBackward(gradient.Device.Launch(), new ImageTokenPlacementBackwardArgs
            {
                Tokens = _text.Shape[0],
                ImageTokens = _image.Shape[0],
                Width = _text.Shape[1],
                Placement = _placement.AsRowsOf(1),
                OutputGradient = gradient.Operand,
                TextGradient = text?.Operand ?? default,
                ImageGradient = image?.Operand ?? default,
            });
            if (image is not null)
            {
                Gradients.Pass(_image, image);
                Arena.Release(image);
            }
            if (text is null) return;
            Gradients.Pass(_text, text);
            if (text != gradient) Arena.Release(text);
        }
    }
}
