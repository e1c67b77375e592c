using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// A vision transformer for images of any size that patches divide. Parameters: <c>patch_embedding.weight</c> [width, patch,
/// patch, 3] and bias (or <c>stem</c>), <c>patch_norm</c>, <c>class_embedding</c> [width], <c>position_embedding</c> [class + grid * grid,
/// width], <c>pre_norm</c>, <c>layers.i.*</c>, <c>post_norm</c>, <c>projection.weight</c>; those that the configuration has.
/// </summary>
public sealed class VisionTransformer : Module
{
    private readonly Conv2d? _patchEmbedding;
    private readonly ConvolutionStem? _stem;
    private readonly LayerNorm? _patchNorm, _preNorm, _postNorm;
    private readonly Parameter? _classEmbedding, _positionEmbedding;
    private readonly Linear? _projection;
    private readonly VisionBlock[] _layers;
    // Of fixed positions, by grid: that of training from the start, others when they first come.
    private readonly Dictionary<(int Height, int Width), Constant> _sinCos = [];

    /// <summary>Describes the model.</summary>
    public VisionTransformer(VisionConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.PatchSize <= 0 || config.ImageSize <= 0 || config.ImageSize % config.PatchSize != 0)
            throw new ArgumentException($"Patches of {config.PatchSize} do not divide images of {config.ImageSize}.", nameof(config));
        if (config.FeatureLayers < 0 || config.FeatureLayers > config.Layers)
            throw new ArgumentException($"Features after {config.FeatureLayers} of {config.Layers} blocks were asked for.", nameof(config));
        Config = config;
        int width = checked((int)config.Width);
        if (config.StemConvolutions > 0) _stem = AddChild("stem", new ConvolutionStem(config));
        else _patchEmbedding = AddChild("patch_embedding", new Conv2d(3, width, config.PatchSize, config.PatchSize, bias: config.PatchBias));
        if (config.PatchNorm) _patchNorm = AddChild("patch_norm", new LayerNorm(width, config.NormEpsilon));
        if (config.ClassToken) _classEmbedding = AddParameter("class_embedding", [width], Initializer.Normal(0.02f));
        if (config.Position == PatchPositionKind.Learned)
            _positionEmbedding = AddParameter("position_embedding", [PrefixTokens + (long)config.Grid * config.Grid, width], Initializer.TruncatedNormal(0.02f));
        if (config.PreNorm) _preNorm = AddChild("pre_norm", new LayerNorm(width, config.NormEpsilon));
        _layers = AddChildren("layers", config.Layers, _ => new VisionBlock(config));
        if (config.PostNorm) _postNorm = AddChild("post_norm", new LayerNorm(width, config.NormEpsilon));
        if (config.ProjectionWidth > 0) _projection = AddChild("projection", new Linear(width, config.ProjectionWidth, bias: false));
    }

    /// <summary>The sizes.</summary>
    public VisionConfig Config { get; }

    /// <summary>Tokens before the patches: 1 with a class token, else 0.</summary>
    public int PrefixTokens => Config.ClassToken ? 1 : 0;

    /// <summary>Whether blocks run again in backward instead of keeping their activations (default false).</summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>
    /// The patches' features after the configured block and before any post-norm, without the class token: images [n, height,
    /// width, 3] to [n, height / patch, width / patch, features].
    /// </summary>
    /// <param name="images">Normalized pixels, NHWC.</param>
    /// <param name="prefixLengths">int32 [n]: AIM's prefix attention in pre-training; null for attention among all patches.</param>
    public Tensor Forward(Tensor images, Tensor? prefixLengths = null)
    {
        (int height, int width) = GridOf(images);
        Tensor tokens = Tokens(images, Config.FeatureLayers == 0 ? Config.Layers : Config.FeatureLayers, prefixLengths);
        long n = images.Shape[0], patches = (long)height * width;
        if (PrefixTokens > 0) tokens = Functional.Slice(Functional.Reshape(tokens, [n, PrefixTokens + patches, Config.Width]), 1, PrefixTokens, patches);
        return Functional.Reshape(tokens, [n, height, width, Config.Width]);
    }

    /// <summary>One vector per image: the class token (without one: the mean of the patches) after the post-norm and the projection where there are; [n, width].</summary>
    public Tensor Pool(Tensor images)
    {
        (int height, int width) = GridOf(images);
        long n = images.Shape[0], patches = (long)height * width;
        Tensor tokens = Tokens(images, Config.Layers, null), pooled;
        if (PrefixTokens > 0)
        {
            pooled = Functional.Reshape(Functional.Slice(Functional.Reshape(tokens, [n, PrefixTokens + patches, Config.Width]), 1, 0, 1), [n, Config.Width]);
            if (_postNorm is not null) pooled = _postNorm.Forward(pooled);
        }
        else
        {
            if (_postNorm is not null) tokens = _postNorm.Forward(tokens);
            pooled = Functional.Reshape(Functional.AdaptiveAveragePool2d(Functional.Reshape(tokens, [n, height, width, Config.Width]), 1, 1), [n, Config.Width]);
        }
        return _projection is null ? pooled : _projection.Forward(pooled);
    }

    /// <inheritdoc/>
    protected override void OnBuilt(Device device)
    {
        if (Config.Position == PatchPositionKind.SinCos) SinCos(device, Config.Grid, Config.Grid);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (Constant table in _sinCos.Values) table.Dispose();
            _sinCos.Clear();
        }
        base.Dispose(disposing);
    }

    /// <summary>Images to tokens [n * (class + patches), width] after the first blocks.</summary>
    private Tensor Tokens(Tensor images, int layers, Tensor? prefixLengths)
    {
        (int height, int width) = GridOf(images);
        long n = images.Shape[0], count = PrefixTokens + (long)height * width;
        images = images.To(ComputeDType);
        Tensor x = Functional.Reshape(_stem?.Forward(images) ?? _patchEmbedding!.Forward(images), [n, (long)height * width, Config.Width]);
        if (_patchNorm is not null) x = _patchNorm.Forward(x);
        if (_classEmbedding is not null)
        {
            Tensor first = Functional.Add(Tensor.Zeros([n, 1, Config.Width], ComputeDType), _classEmbedding);
            x = Functional.Concatenate([first, x], 1);
        }
        x = Functional.Reshape(Functional.Add(x, Positions(height, width)), [n * count, Config.Width]);
        if (_preNorm is not null) x = _preNorm.Forward(x);
        AttentionLayout layout = AttentionLayout.Uniform(n, count, prefixLengths is null ? AttentionMask.Full : AttentionMask.Causal);
        if (prefixLengths is { } lengths) layout = layout.WithPrefix(lengths);
        for (int i = 0; i < layers; i++)
        {
            VisionBlock block = _layers[i];
            x = RecomputesActivations ? Functional.Recompute(input => block.Forward(input, layout), x) : block.Forward(x, layout);
        }
        return x;
    }

    /// <summary>[class + height * width, width] for any grid.</summary>
    private Tensor Positions(int height, int width)
    {
        if (_positionEmbedding is not null)
        {
            return (height, width) == (Config.Grid, Config.Grid)
                ? _positionEmbedding
                : Functional.InterpolateGrid(_positionEmbedding, PrefixTokens, (Config.Grid, Config.Grid), (height, width), Config.AntialiasPositions);
        }
        return SinCos(Device!, height, width).Value;
    }

    private Constant SinCos(Device device, int height, int width)
    {
        if (_sinCos.TryGetValue((height, width), out Constant? table)) return table;
        // A class token has no position.
        float[] values = [.. new float[PrefixTokens * Config.Width], .. SinCosPositions.Table(height, width, Config.Width)];
        table = new Constant(device, values, [PrefixTokens + (long)height * width, Config.Width], ComputeDType);
        _sinCos.Add((height, width), table);
        return table;
    }

    private (int Height, int Width) GridOf(Tensor images)
    {
        Shape shape = images.Shape;
        if (shape.Rank != 4 || shape[3] != 3 || shape[1] < 1 || shape[2] < 1 || shape[1] % Config.PatchSize != 0 || shape[2] % Config.PatchSize != 0)
            throw new OperationException("VisionTransformer", $"images {shape} must be [n, height, width, 3] with sides that patches of {Config.PatchSize} divide.");
        return ((int)shape[1] / Config.PatchSize, (int)shape[2] / Config.PatchSize);
    }
}
