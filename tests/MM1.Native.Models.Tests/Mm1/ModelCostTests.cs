using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>Operations and memory by arithmetic, against published figures, the weights of built models and measured memory.</summary>
public sealed class ModelCostTests
{
    /// <summary>timm's counts of OpenAI's ViT-L/14: 191.1 billion multiply-adds at 336 pixels.</summary>
    [Fact]
    public void EncodersCostWhatIsPublished() =>
        Assert.Equal(2 * 191.1e9, ModelCost.Of(Mm1Presets.Get("mm1-3b") with { Vision = VisionPresets.ClipLarge() }).EncoderPerImage, 0.005 * 2 * 191.1e9);

    /// <summary>A stem costs its convolutions at their own resolutions, and its last layer at the patches.</summary>
    [Fact]
    public void AStemCostsItsConvolutions()
    {
        Mm1Config config = Mm1Presets.Get("tiny");
        VisionConfig vision = config.Vision with { ImageSize = 48, PatchSize = 8, Width = 96, StemConvolutions = 0 };
        double patches = ModelCost.Of(config with { Vision = vision }).EncoderPerImage - 2.0 * 36 * 192 * 96;
        double stem = ModelCost.Of(config with { Vision = vision with { StemConvolutions = 3 } }).EncoderPerImage - patches;
        Assert.Equal(2.0 * 9 * (576 * 3 * 24 + 144 * 24 * 48 + 36 * 48 * 96) + 2.0 * 36 * 96 * 96, stem, 1.0);
    }

    /// <summary>Without attention a token costs two operations a weight of the matrices it goes through.</summary>
    [Fact]
    public void ADecodersTokenCostsTwiceItsMatrices()
    {
        foreach (string name in Mm1Presets.Names)
        {
            Mm1Config config = Mm1Presets.Get(name);
            using var decoder = new DecoderModel(config.Decoder);
            double matrices = decoder.Parameters().Where(static parameter => parameter.Shape.Rank == 2).Sum(static parameter => (double)parameter.Elements);
            double attention = 2.0 * config.Decoder.Layers * config.Decoder.Heads * config.Decoder.ResolvedHeadSize * (1000 + 1);
            Assert.Equal(2 * matrices + attention, ModelCost.Of(config, 1000).DecoderPerToken, 1e-9 * matrices);
        }
    }

    /// <summary>Connectors: their matrices at as many positions as each runs at.</summary>
    [Theory]
    [InlineData(ConnectorKind.AveragePooling)]
    [InlineData(ConnectorKind.AttentionPooling)]
    [InlineData(ConnectorKind.CAbstractor)]
    [InlineData(ConnectorKind.Linear)]
    [InlineData(ConnectorKind.Mlp)]
    public void AConnectorCostsItsMatrices(ConnectorKind kind)
    {
        Mm1Config config = Mm1Presets.Get("mm1-3b");
        config = config with { Connector = config.Connector with { Kind = kind } };
        using Connector connector = Connector.Create(config.Connector, 1280, 27, 3072);
        double patches = 27 * 27, tokens = kind is ConnectorKind.Linear or ConnectorKind.Mlp ? patches : 144, expected = kind == ConnectorKind.AttentionPooling ? 4 * tokens * patches * 1280 : 0;
        ParameterList parameters = connector.Parameters();
        foreach (string name in parameters.Names)
        {
            Parameter parameter = parameters[name];
            if (parameter.Shape.Rank < 2 || name is "position_embedding" or "queries") continue;
            bool perImage = name.Contains("squeeze", StringComparison.Ordinal) || name.Contains("excite", StringComparison.Ordinal);
            bool atPatches = name.StartsWith("stage1", StringComparison.Ordinal) || name.StartsWith("key", StringComparison.Ordinal) || name.StartsWith("value", StringComparison.Ordinal);
            expected += 2.0 * parameter.Elements * (perImage ? 1 : atPatches ? patches : tokens);
        }
        Assert.Equal(expected, ModelCost.Of(config).ConnectorPerImage, 1e-9 * expected);
    }

    [Fact]
    public void TrainingIsThreeForwardPasses()
    {
        ModelCost cost = ModelCost.Of(Mm1Presets.Get("tiny"));
        Assert.Equal(3 * (100 * cost.DecoderPerToken + 4 * cost.PerImage), cost.OfStep(100, 4), 1.0);
        Assert.Equal(9, cost.ImageTokens);
        Assert.Equal(512, cost.DocumentLength);
        // Documents of one length: a token costs what the model says of that length.
        Assert.Equal(cost.OfStep(2 * 512, 4), cost.OfPacked(2 * 512, 2 * 512 * 513 / 2, 4), 1.0);
    }

    /// <summary>A convolution's result, its norm's and its activation's at each resolution are kept for backward.</summary>
    [Fact]
    public void AStemTakesMemory()
    {
        Mm1Config stemmed = Mm1Presets.Get("tiny"), plain = stemmed with { Vision = stemmed.Vision with { StemConvolutions = 0 } };
        Assert.Equal(3, stemmed.Vision.StemConvolutions);
        var shape = new TrainingShape { Tokens = 0, Images = 10 };
        long more = ModelMemory.Of(stemmed, ParameterTotals.Of(stemmed), shape).Activations - ModelMemory.Of(plain, ParameterTotals.Of(plain), shape).Activations;
        Assert.Equal(10L * 4 * 3 * (24 * 24 * 24 + 12 * 12 * 48 + 6 * 6 * 96), more);
    }

    /// <summary>Weights, gradients and moments are exact; activations are an estimate that a real step must not miss by more than a quarter.</summary>
    [Theory]
    [InlineData(ConnectorKind.CAbstractor)]
    [InlineData(ConnectorKind.AveragePooling)]
    [InlineData(ConnectorKind.AttentionPooling)]
    public void MemoryIsWhatAStepTakes(ConnectorKind kind)
    {
        Mm1Config config = Mm1Presets.Get("tiny");
        config = config with { Connector = config.Connector with { Kind = kind, Heads = kind == ConnectorKind.AttentionPooling ? 3 : 0 } };
        const int tokens = 1024, images = 32, length = 128;
        using Device device = TestDevices.Open("cpu/2");
        long before = DeviceMemory.LiveBytes;
        using var model = new Mm1Model(config);
        model.Build(device, seed: 1);
        ParameterTotals totals = ParameterTotals.Of(config);
        ModelMemory memory = ModelMemory.Of(config, totals, new TrainingShape { Tokens = tokens, Images = images });
        Assert.Equal((4 * totals.Total, 4 * totals.Total, 8 * totals.Total, 0), (memory.Weights, memory.Gradients, memory.Optimizer, memory.Shadow));
        var ids = new int[tokens];
        var positions = new int[tokens];
        var targets = new int[tokens];
        var placement = new int[tokens];
        int[] starts = [.. Enumerable.Range(0, tokens / length + 1).Select(static i => i * length)];
        for (int i = 0; i < tokens; i++)
        {
            (ids[i], targets[i], positions[i]) = (i % 300, (i + 1) % 300, i % length);
            int slot = i / (tokens / images), row = i % (tokens / images);
            placement[i] = row < 9 ? slot * 9 + row : -1;
        }
        long peak = 0;
        for (int step = 0; step < 2; step++)
        {
            using Arena arena = device.BeginStep();
            model.Loss(Mm1Batch.From(ids, positions, targets, placement, starts, length, new float[images * 48 * 48 * 3], 48)).Backward();
            peak = arena.PeakBytes;
        }
        Assert.True(memory.Activations > 0.75 * peak && memory.Activations < 1.33 * peak, $"{kind}: estimated {memory.Activations / 1048576.0:F1} MiB, taken {peak / 1048576.0:F1} MiB");
        Assert.True(DeviceMemory.LiveBytes > before);
        ModelMemory again = ModelMemory.Of(config, totals, new TrainingShape { Tokens = tokens, Images = images, Recompute = true, HalfPrecision = true, Trained = 1000 });
        Assert.True(again.Activations < memory.Activations / 2);
        Assert.Equal((4000L, 8000L, 2 * totals.Total), (again.Gradients, again.Optimizer, again.Shadow));
    }
}
