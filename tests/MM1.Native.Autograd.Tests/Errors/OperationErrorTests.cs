using MM1.Native.Kernels;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>What operations say about tensors that do not fit: operation, shapes, rule.</summary>
public sealed class OperationErrorTests
{
    private static readonly IReadOnlyDictionary<string, Action<CaseContext>> Rules = Build().ToDictionary(rule => rule.Message, rule => rule.Run);

    public static TheoryData<string> Messages() => [.. Rules.Keys];

    [Theory, MemberData(nameof(Messages))]
    public void TheMessageNamesOperationShapesAndRule(string message)
    {
        using var context = new CaseContext("cpu/1");
        using Arena arena = context.Device.BeginStep();
        var error = Assert.Throws<OperationException>(() => Rules[message](context));
        Assert.Equal(message, error.Message);
        Assert.Equal(message[..message.IndexOf(':', StringComparison.Ordinal)], error.Operation);
        Assert.True(GradientMode.Records);
    }

    [Fact]
    public void LengthsThatWouldOverflowDoNotFit()
    {
        using var context = new CaseContext("cpu/1");
        using Arena arena = context.Device.BeginStep();
        Assert.Throws<OperationException>(() => Functional.Rows(F(2, 3), 1, long.MaxValue));
        Assert.Throws<OperationException>(() => Functional.Slice(F(2, 3), 1, 1, long.MaxValue));
    }

    private static IEnumerable<(string Message, Action<CaseContext> Run)> Build()
    {
        // Products
        yield return ("Linear: x [2, 3] and weight [4, 5] do not fit: the last dimension of x must equal the weight's columns (weight is [out, in]).", _ => Functional.Linear(F(2, 3), F(4, 5)));
        yield return ("Linear: x [] and weight [1, 1] do not fit: the last dimension of x must equal the weight's columns (weight is [out, in]).", _ => Functional.Linear(F(), F(1, 1)));
        yield return ("Linear: x [2, 3] and weight [3] do not fit: the last dimension of x must equal the weight's columns (weight is [out, in]).", _ => Functional.Linear(F(2, 3), F(3)));
        yield return ("Linear: bias [5] does not fit weight [4, 3]: it must be [4].", _ => Functional.Linear(F(2, 3), F(4, 3), F(5)));
        yield return ("Linear: bias [1, 4] does not fit weight [4, 3]: it must be [4].", _ => Functional.Linear(F(2, 3), F(4, 3), F(1, 4)));
        yield return ("Linear: residual [4, 2] must have the shape of the result, [2, 4].", _ => Functional.Linear(F(2, 3), F(4, 3), residual: F(4, 2)));
        yield return ("Linear: x [2, 3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Linear(I(2, 3), F(4, 3)));
        yield return ("Linear: bias [4] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Linear(F(2, 3), F(4, 3), I(4)));
        yield return ("Linear: residual [2, 4] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Linear(F(2, 3), F(4, 3), residual: I(2, 4)));
        yield return ("Linear: weight [4, 3] holds Float64; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Linear(F(2, 3), Tensor.Zeros([4, 3], DType.Float64)));
        yield return ("MatMul: a [3] and b [3, 2] must have two dimensions at least.", _ => Functional.MatMul(F(3), F(3, 2)));
        yield return ("MatMul: a [2, 3] and b [2, 3] do not fit: columns of op(a) must equal rows of op(b), and leading dimensions must be equal (or b has two dimensions).", _ => Functional.MatMul(F(2, 3), F(2, 3)));
        yield return ("MatMul: a [2, 3] transposed and b [3, 4] transposed do not fit: columns of op(a) must equal rows of op(b), and leading dimensions must be equal (or b has two dimensions).",
            _ => Functional.MatMul(F(2, 3), F(3, 4), transposeA: true, transposeB: true));
        yield return ("MatMul: a [2, 3, 4] and b [5, 4, 3] do not fit: columns of op(a) must equal rows of op(b), and leading dimensions must be equal (or b has two dimensions).", _ => Functional.MatMul(F(2, 3, 4), F(5, 4, 3)));
        yield return ("MatMul: a [3, 4] and b [2, 4, 3] do not fit: columns of op(a) must equal rows of op(b), and leading dimensions must be equal (or b has two dimensions).", _ => Functional.MatMul(F(3, 4), F(2, 4, 3)));
        yield return ("MatMul: a [2, 3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.MatMul(I(2, 3), F(3, 2)));
        yield return ("MatMul: b [3, 2] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.MatMul(F(2, 3), I(3, 2)));

        // Elementwise
        yield return ("Add: a [2, 3] and b [2] do not fit: b must have a's shape, a's trailing dimensions, or a's shape with a last dimension of 1.", _ => Functional.Add(F(2, 3), F(2)));
        yield return ("Add: a [3] and b [2, 3] do not fit: b must have a's shape, a's trailing dimensions, or a's shape with a last dimension of 1.", _ => Functional.Add(F(3), F(2, 3)));
        yield return ("Add: a [2, 3] and b [] do not fit: b must have a's shape, a's trailing dimensions, or a's shape with a last dimension of 1.", _ => Functional.Add(F(2, 3), F()));
        yield return ("Add: b [3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Add(F(3), I(3)));
        yield return ("Multiply: a [2, 3] and b [3, 2] do not fit: b must have a's shape, a's trailing dimensions, or a's shape with a last dimension of 1.", _ => Functional.Multiply(F(2, 3), F(3, 2)));
        yield return ("Multiply: a [2, 3, 4] and b [3, 4] do not fit: per image, a is [n, ..., c] and b [n, c].", _ => Functional.Multiply(F(2, 3, 4), F(3, 4), perImage: true));
        yield return ("Scale: x [3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Scale(I(3), 2));
        yield return ("Activate: x [3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Activate(I(3), Activation.Silu));
        yield return ("GatedActivation: gateUp [2, 3] must have an even last dimension: gate and up side by side.", _ => Functional.GatedActivation(F(2, 3)));
        yield return ("GatedActivation: gateUp [] must have an even last dimension: gate and up side by side.", _ => Functional.GatedActivation(F()));
        yield return ("RotaryEmbedding: x [4, 8] must be [tokens, heads, headSize] with one position a token; positions is [4].", c => Functional.RotaryEmbedding(F(4, 8), I(4), c.Rotary(8)));
        yield return ("RotaryEmbedding: x [4, 1, 8] must be [tokens, heads, headSize] with one position a token; positions is [3].", c => Functional.RotaryEmbedding(F(4, 1, 8), I(3), c.Rotary(8)));
        yield return ("RotaryEmbedding: positions [4] holds Float32; Int32 is needed. Cast it with Functional.Cast.", c => Functional.RotaryEmbedding(F(4, 1, 8), F(4), c.Rotary(8)));
        yield return ("RotaryEmbedding: the table rotates 16 elements, a head has 8.", c => Functional.RotaryEmbedding(F(4, 1, 8), I(4), c.Rotary(16)));

        // Layout
        yield return ("Reshape: [2, 3] has 6 elements, [4] has 4.", _ => Functional.Reshape(F(2, 3), [4]));
        yield return ("Rows: rows [1, 3) do not lie in [2, 3].", _ => Functional.Rows(F(2, 3), 1, 2));
        yield return ("Rows: rows [-1, 0) do not lie in [2, 3].", _ => Functional.Rows(F(2, 3), -1, 1));
        yield return ("Rows: rows [0, 1) do not lie in [].", _ => Functional.Rows(F(), 0, 1));
        yield return ("Slice: [2, 5) does not lie in dimension 1 of [2, 4].", _ => Functional.Slice(F(2, 4), 1, 2, 3));
        yield return ("Slice: [2, 4] has no dimension 2.", _ => Functional.Slice(F(2, 4), 2, 0, 1));
        yield return ("Slice: [2, 4] has no dimension -1.", _ => Functional.Slice(F(2, 4), -1, 0, 1));
        yield return ("Concatenate: no tensors were given.", _ => Functional.Concatenate([], 0));
        yield return ("Concatenate: [2] has no dimension 1.", _ => Functional.Concatenate([F(2)], 1));
        yield return ("Concatenate: Float32 [3, 2] does not fit Float32 [2, 3]: all dimensions but 0 must be equal.", _ => Functional.Concatenate([F(2, 3), F(3, 2)], 0));
        yield return ("Concatenate: Int32 [2, 3] does not fit Float32 [2, 3]: all dimensions but 0 must be equal.", _ => Functional.Concatenate([F(2, 3), I(2, 3)], 0));
        yield return ("Concatenate: Float32 [3] does not fit Float32 [2, 3]: all dimensions but 0 must be equal.", _ => Functional.Concatenate([F(2, 3), F(3)], 0));
        yield return ("SwapDimensions: dimensions 1 and 2 are not both in [2, 3].", _ => Functional.SwapDimensions(F(2, 3), 1));

        // Normalization and reduction
        yield return ("LayerNorm: x is a scalar; it needs a last dimension to normalize over.", _ => Functional.LayerNorm(F(), null, null));
        yield return ("LayerNorm: a parameter [4] does not fit x [2, 3]: it must be [3].", _ => Functional.LayerNorm(F(2, 3), F(3), F(4)));
        yield return ("AddLayerNorm: residual [3, 2] must have the shape of x, [2, 3].", _ => Functional.AddLayerNorm(F(2, 3), F(3, 2), null, null));
        yield return ("RmsNorm: a parameter [1, 3] does not fit x [2, 3]: it must be [3].", _ => Functional.RmsNorm(F(2, 3), F(1, 3)));
        yield return ("RmsNorm: x [2, 3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.RmsNorm(I(2, 3), null));
        yield return ("RmsNorm: weight [3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.RmsNorm(F(2, 3), I(3)));
        yield return ("AddRmsNorm: residual [2, 3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.AddRmsNorm(F(2, 3), I(2, 3), null));
        yield return ("AddRmsNorm: residual [2] must have the shape of x, [2, 3].", _ => Functional.AddRmsNorm(F(2, 3), F(2), null));
        yield return ("L2Normalize: x [2] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.L2Normalize(I(2)));
        yield return ("Sum: x [2] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Sum(I(2)));
        yield return ("Softmax: x [2] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Functional.Softmax(I(2)));
        yield return ("ArgMax: x [] has no last dimension to choose from.", _ => Functional.ArgMax(F()));
        yield return ("ArgMax: x [2, 0] has no last dimension to choose from.", _ => Functional.ArgMax(F(2, 0)));
        yield return ("TopK: k = 4 does not lie in 1..3, the last dimension of [2, 3].", _ => Functional.TopK(F(2, 3), 4));
        yield return ("TopK: k = 0 does not lie in 1..3, the last dimension of [2, 3].", _ => Functional.TopK(F(2, 3), 0));

        // Tables and images
        yield return ("Embedding: ids [2] hold Float32; Int32 or Int64 is needed.", _ => Functional.Embedding(F(2), F(5, 4)));
        yield return ("Embedding: table [5] must be [vocabulary, width].", _ => Functional.Embedding(I(2), F(5)));
        yield return ("Embedding: ids [1, 1, 1, 1, 1, 1] have too many dimensions.", _ => Functional.Embedding(I(1, 1, 1, 1, 1, 1), F(5, 4)));
        yield return ("PlaceImageTokens: text [5, 4], image [3, 2] and placement [5] do not fit: [tokens, width], [imageTokens, width], [tokens].", _ => Functional.PlaceImageTokens(F(5, 4), F(3, 2), I(5)));
        yield return ("PlaceImageTokens: placement [5] holds Float32; Int32 is needed. Cast it with Functional.Cast.", _ => Functional.PlaceImageTokens(F(5, 4), F(3, 4), F(5)));
        yield return ("Conv2d: x [4, 4, 3] and weight [2, 1, 1, 3] with 1 groups do not fit: [n, height, width, c] and [out, kernelHeight, kernelWidth, c / groups].", _ => Functional.Conv2d(F(4, 4, 3), F(2, 1, 1, 3)));
        yield return ("Conv2d: stride 0, padding 0 and groups 1 must be at least 1, 0 and 1.", _ => Functional.Conv2d(F(1, 4, 4, 3), F(2, 1, 1, 3), stride: 0));
        yield return ("Conv2d: 2 groups for 4 channels to 4: only dense (1) and depthwise (groups = channels = output channels) convolutions exist.", _ => Functional.Conv2d(F(1, 4, 4, 4), F(4, 1, 1, 2), groups: 2));
        yield return ("Conv2d: the kernel [2, 5, 5, 3] is larger than the padded image [1, 2, 2, 3].", _ => Functional.Conv2d(F(1, 2, 2, 3), F(2, 5, 5, 3), padding: 1));
        yield return ("Conv2d: bias [3] must be [2].", _ => Functional.Conv2d(F(1, 2, 2, 3), F(2, 1, 1, 3), F(3)));
        yield return ("AdaptiveAveragePool2d: x [2, 2, 3] must be [n, height, width, c] with at least one pixel.", _ => Functional.AdaptiveAveragePool2d(F(2, 2, 3), 1, 1));
        yield return ("AdaptiveAveragePool2d: the result must have at least 1 x 1 pixels, not 0 x 1.", _ => Functional.AdaptiveAveragePool2d(F(1, 2, 2, 3), 0, 1));
        yield return ("InterpolateGrid: table [5, 3] must be [1 + 2 * 3, c], and both grids have at least one position.", _ => Functional.InterpolateGrid(F(5, 3), 1, (2, 3), (2, 2), antialias: false));

        // Attention
        yield return ("Attention: query [6, 2, 8], key [6, 2, 16] and value [6, 2, 16] do not fit: all are [tokens, heads, headSize], key and value of one shape, one head size, and the key heads divide the query heads.",
            _ => Functional.Attention(F(6, 2, 8), F(6, 2, 16), F(6, 2, 16), AttentionLayout.Uniform(1, 6)));
        yield return ("Attention: query [6, 3, 8], key [6, 2, 8] and value [6, 2, 8] do not fit: all are [tokens, heads, headSize], key and value of one shape, one head size, and the key heads divide the query heads.",
            _ => Functional.Attention(F(6, 3, 8), F(6, 2, 8), F(6, 2, 8), AttentionLayout.Uniform(1, 6)));
        yield return ("Attention: head size 12 is not supported; it must be a multiple of 8, at most 256.", _ => Functional.Attention(F(6, 2, 12), F(6, 2, 12), F(6, 2, 12), AttentionLayout.Uniform(1, 6)));
        yield return ("Attention: head size 264 is not supported; it must be a multiple of 8, at most 256.", _ => Functional.Attention(F(1, 1, 264), F(1, 1, 264), F(1, 1, 264), AttentionLayout.Uniform(1, 1)));
        yield return ("Attention: 6 query and 6 key rows do not fit a layout of 2 sequences of 4 and 4 tokens.", _ => Functional.Attention(F(6, 2, 8), F(6, 2, 8), F(6, 2, 8), AttentionLayout.Uniform(2, 4)));
        yield return ("Attention: the prefix mask needs prefix lengths; use WithPrefix.", _ => Functional.Attention(F(6, 2, 8), F(6, 2, 8), F(6, 2, 8), AttentionLayout.Uniform(2, 3, AttentionMask.Prefix)));
        yield return ("Attention: prefixLengths [3] must have 2 elements for 2 documents.", _ => Functional.Attention(F(6, 2, 8), F(6, 2, 8), F(6, 2, 8), AttentionLayout.Uniform(2, 3).WithPrefix(I(3))));
        yield return ("Attention: cuSeqlensQuery [3] holds Int64; Int32 is needed. Cast it with Functional.Cast.",
            _ => Functional.Attention(F(6, 2, 8), F(6, 2, 8), F(6, 2, 8), AttentionLayout.Packed(Tensor.Zeros([3], DType.Int64), 4)));
        yield return ("Attention: cuSeqlensKey [4] must have 3 elements for 2 documents.", _ => Functional.Attention(F(6, 2, 8), F(6, 2, 8), F(6, 2, 8), AttentionLayout.PackedCross(I(3), 4, I(4), 4)));
        yield return ("SelfAttention: qkv [6, 40] must be [tokens, 48] for 2 query heads and 2 key and value heads of 8.", _ => Functional.SelfAttention(F(6, 40), new() { Heads = 2, HeadSize = 8 }, AttentionLayout.Uniform(1, 6)));
        yield return ("SelfAttention: 2 key heads must divide 3 query heads.", _ => Functional.SelfAttention(F(6, 56), new() { Heads = 3, KeyValueHeads = 2, HeadSize = 8 }, AttentionLayout.Uniform(1, 6)));
        yield return ("SelfAttention: head size 4 is not supported; it must be a multiple of 8, at most 256.", _ => Functional.SelfAttention(F(6, 12), new() { Heads = 1, HeadSize = 4 }, AttentionLayout.Uniform(1, 6)));
        yield return ("SelfAttention: rotary embedding needs both a table and positions.", c => Functional.SelfAttention(F(6, 24), new() { Heads = 1, HeadSize = 8, Rotary = c.Rotary(8) }, AttentionLayout.Uniform(1, 6)));
        yield return ("SelfAttention: QK-norm needs both weights.", _ => Functional.SelfAttention(F(6, 24), new() { Heads = 1, HeadSize = 8, QueryNorm = F(8) }, AttentionLayout.Uniform(1, 6)));
        yield return ("SelfAttention: a QK-norm weight [4] must be [8].", _ => Functional.SelfAttention(F(6, 24), new() { Heads = 1, HeadSize = 8, QueryNorm = F(8), KeyNorm = F(4) }, AttentionLayout.Uniform(1, 6)));
        yield return ("SelfAttention: positions [5] must hold one position for each of 6 tokens.",
            c => Functional.SelfAttention(F(6, 24), new() { Heads = 1, HeadSize = 8, Rotary = c.Rotary(8), Positions = I(5) }, AttentionLayout.Uniform(1, 6)));
        yield return ("DecodeAttention: has no backward; run it inside BeginInference() or GradientMode.NoGrad().", _ => Functional.DecodeAttention(Leaf(2, 1, 8), F(2, 4, 1, 8), F(2, 4, 1, 8), I(2)));
        yield return ("DecodeAttention: query [3, 1, 8], caches [2, 4, 1, 8] and [2, 4, 1, 8] and lengths [2] do not fit: [batch * queryLength, heads, headSize], [batch, maxLength, keyValueHeads, headSize] twice, [batch].",
            _ => Functional.DecodeAttention(F(3, 1, 8), F(2, 4, 1, 8), F(2, 4, 1, 8), I(2)));
        yield return ("AppendKeyValue: key [2, 1, 8], value [2, 1, 8], caches [2, 4, 1, 8] and [2, 4, 1, 8], sequences [2] and positions [1] do not fit: [tokens, keyValueHeads, headSize] twice, [batch, maxLength, keyValueHeads, headSize] twice, [tokens] twice.",
            _ => Functional.AppendKeyValue(F(2, 1, 8), F(2, 1, 8), F(2, 4, 1, 8), F(2, 4, 1, 8), I(2), I(1)));
        yield return ("AppendKeyValue: the tensor [2, 4, 1, 8] is saved by an operation on the tape for its backward; writing in place would give wrong gradients. Write to a copy, or after Backward().", AppendToSaved);

        // Losses
        yield return ("Loss.CrossEntropy: logits [2, 3] and targets [3] do not fit: one target for each row of logits.", _ => Loss.CrossEntropy(F(2, 3), I(3)));
        yield return ("Loss.CrossEntropy: targets [2] holds Int64; Int32 is needed. Cast it with Functional.Cast.", _ => Loss.CrossEntropy(F(2, 3), Tensor.Zeros([2], DType.Int64)));
        yield return ("Loss.CrossEntropy: logits [2, 3] holds Int32; Float32 is needed. Cast it with Functional.Cast.", _ => Loss.CrossEntropy(I(2, 3), I(2)));
        yield return ("Loss.LinearCrossEntropy: x [2, 3], weight [5, 4] and targets [2] do not fit: [..., width], [vocabulary, width], one target for each row of x.", _ => Loss.LinearCrossEntropy(F(2, 3), F(5, 4), I(2)));
        yield return ("Loss.Contrastive: image [2, 3], text [3, 3] and logScale [1] do not fit: [n, width] twice and one value.", _ => Loss.Contrastive(F(2, 3), F(3, 3), F(1)));
        yield return ("Loss.PatchRegression: prediction [2, 3], target [3, 2] and mask (none) do not fit: one shape, and one mask value a patch.", _ => Loss.PatchRegression(F(2, 3), F(3, 2)));
        yield return ("Loss.PatchRegression: prediction [2, 3], target [2, 3] and mask [3] do not fit: one shape, and one mask value a patch.", _ => Loss.PatchRegression(F(2, 3), F(2, 3), Tensor.Zeros([3], DType.UInt8)));
        yield return ("Loss.PatchRegression: mask [2] holds Int32; UInt8 is needed. Cast it with Functional.Cast.", _ => Loss.PatchRegression(F(2, 3), F(2, 3), I(2)));

        // Tensors and the tape
        yield return ("Tensor.From: 3 values were given for shape [2] of 2 elements.", _ => Tensor.From(new float[3], [2]));
        yield return ("Tensor.From: a Int32 tensor cannot require a gradient; only those can in whose dtype device cpu computes.", _ => Tensor.From(new int[2], [2], requiresGradient: true));
        yield return ("Tensor.From: a Float64 tensor cannot require a gradient; only those can in whose dtype device cpu computes.", _ => Tensor.From(new double[2], [2], requiresGradient: true));
        yield return ("Tensor.CopyTo: the tensor [2] holds Int32, not Float32; cast it first.", _ => I(2).ToArray());
        yield return ("Tensor.CopyTo: 3 elements of space for the 2 of shape [2].", _ => F(2).CopyTo(new float[3].AsSpan()));
        yield return ("Tensor.Item: shape [2] has 2 elements, not one; use ToArray().", _ => F(2).Item());
        yield return ("Tensor.Write: 3 Float32 values do not fit Float32 [2].", _ => F(2).Write<float>(new float[3]));
        yield return ("Tensor.Write: 2 Int32 values do not fit Float32 [2].", _ => F(2).Write<int>(new int[2]));
        yield return ("Tensor.RetainGradient: the tensor [2] does not require a gradient.", _ => F(2).RetainGradient());
        yield return ("Backward: starts from a scalar; this tensor has shape [2]. Reduce it first (Functional.Sum, Functional.Mean or a loss).", _ => (Leaf(2) + Leaf(2)).Backward());
        yield return ("Backward: nothing on the tape leads to this tensor. Was it computed under NoGrad or inference, or from tensors that require no gradient?", _ => Functional.Sum(F(2)).Backward());
    }

    private static void AppendToSaved(CaseContext context)
    {
        Tensor cache = F(2, 4, 1, 8);
        Functional.Multiply(Leaf(2, 4, 1, 8), cache);
        Functional.AppendKeyValue(F(2, 1, 8), F(2, 1, 8), F(2, 4, 1, 8), cache, I(2), I(2));
    }

    private static Tensor F(params ReadOnlySpan<long> extents) => Tensor.Zeros(new Shape(extents));

    private static Tensor I(params ReadOnlySpan<long> extents) => Tensor.Zeros(new Shape(extents), DType.Int32);

    private static Tensor Leaf(params ReadOnlySpan<long> extents)
    {
        var shape = new Shape(extents);
        return Tensor.From(new float[shape.Elements], shape, requiresGradient: true);
    }
}
