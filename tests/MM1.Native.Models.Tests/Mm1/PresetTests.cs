using MM1.Native.Kernels;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>Totals of the presets against the counts of the public models (derived where the paper is silent; docs/names.md).</summary>
public sealed class PresetTests
{
    /// <summary>OpenAI's ViT-L/14-336 and DFN5B's ViT-H/14-378 with post-norm and projection: 304.3M and 632.7M.</summary>
    [Fact]
    public void ClipEncodersHaveThePublishedSize()
    {
        Assert.Equal(304_293_888, new VisionTransformer(VisionPresets.ClipLarge() with { PostNorm = true, ProjectionWidth = 768 }).ParameterCount());
        Assert.Equal(632_682_240, new VisionTransformer(VisionPresets.ClipHuge() with { PostNorm = true, ProjectionWidth = 1024 }).ParameterCount());
        // Ours stop before both.
        Assert.Equal(304_293_888 - 2 * 1024 - 1024 * 768, new VisionTransformer(VisionPresets.ClipLarge()).ParameterCount());
        Assert.Equal(24, VisionPresets.ClipLarge().Grid);
        Assert.Equal(27, VisionPresets.ClipHuge().Grid);
    }

    [Theory]
    [InlineData(24, 0.680e9, 1.21e9, 2.72e9)]
    [InlineData(20, 0.566e9, 1.01e9, 2.27e9)]
    public void AimEncodersHaveThePublishedSize(int layers, double small, double middle, double large)
    {
        foreach ((VisionConfig config, double expected) in new[] { (VisionPresets.Aim600M(layers), small), (VisionPresets.Aim1B(layers), middle), (VisionPresets.Aim3B(layers), large) })
        {
            long trunk = new VisionTransformer(config).Parameters().Matching("layers.*").Sum(parameter => parameter.Elements);
            Assert.Equal(expected, trunk, 0.005 * expected);
        }
    }

    /// <summary>Honeybee's numbers: stages of 15.8M (from 1024 channels) and 17.5M (from 1280), positions, readouts.</summary>
    [Theory]
    [InlineData(1024, 24, 2048, 15.8e6, 0.59e6, 6.3e6)]
    [InlineData(1280, 27, 3072, 17.5e6, 0.93e6, 12.6e6)]
    [InlineData(1280, 27, 4096, 17.5e6, 0.93e6, 21.0e6)]
    [InlineData(1280, 27, 7168, 17.5e6, 0.93e6, 58.7e6)]
    public void TheCAbstractorHasHoneybeesSize(int channels, int grid, int width, double stages, double positions, double readout)
    {
        using Connector connector = Connector.Create(new ConnectorConfig { Kind = ConnectorKind.CAbstractor }, channels, grid, width);
        Assert.Equal(stages, Count("stage*"), 0.006 * stages);
        Assert.Equal(positions, Count("position_embedding"), 0.006 * positions);
        Assert.Equal(readout, Count("readout*"), 0.006 * readout);

        double Count(string glob) => connector.Parameters().Matching(glob).Sum(parameter => parameter.Elements);
    }

    /// <summary>The decoder without embeddings is what the paper's name says, and gives its learning rate.</summary>
    [Theory]
    [InlineData("mm1-9m", 9.34e6, 6.6e-4)]
    [InlineData("mm1-85m", 0.085e9, 2.6e-4)]
    [InlineData("mm1-302m", 0.302e9, 1.5e-4)]
    [InlineData("mm1-1.2b", 1.208e9, 8.6e-5)]
    [InlineData("mm1-2.9b", 2.94e9, 5.9e-5)]
    [InlineData("mm1-3b", 2.94e9, 5.8e-5)]
    [InlineData("mm1-7b", 6.58e9, 4.1e-5)]
    [InlineData("mm1-30b", 29.6e9, 2.2e-5)]
    public void DecodersHaveThePapersSizes(string name, double parameters, double learningRate)
    {
        ParameterTotals totals = ParameterTotals.Of(Mm1Presets.Get(name));
        Assert.Equal(parameters, totals.DecoderBody, 0.005 * parameters);
        Assert.Equal(learningRate, totals.PeakLearningRate, 0.03 * learningRate);
        Assert.Equal(32768 * Mm1Presets.Get(name).Decoder.Width, totals.Embeddings);
    }

    /// <summary>With the experts of the paper's section 4.1 the totals become 64B and 47B.</summary>
    [Fact]
    public void ExpertsMakeThePapersTotals()
    {
        Assert.Equal(64.8e9, WithExperts("mm1-3b", 64, 2), 0.1e9);
        Assert.Equal(47.1e9, WithExperts("mm1-7b", 32, 4), 0.1e9);

        static double WithExperts(string name, int experts, int every)
        {
            DecoderConfig decoder = Mm1Presets.Get(name).Decoder;
            return ParameterTotals.Of(Mm1Presets.Get(name)).DecoderBody + (experts - 1.0) * (decoder.Layers / every) * 3 * decoder.Width * decoder.Hidden;
        }
    }

    [Fact]
    public void CountingAllocatesNothing()
    {
        long bytes = DeviceMemory.LiveBytes;
        Assert.InRange(ParameterTotals.Of(Mm1Presets.Get("mm1-30b")).Total, 30.5e9, 30.7e9);
        Assert.Equal(bytes, DeviceMemory.LiveBytes);
    }

    [Fact]
    public void SmallPresetsAreSmall()
    {
        Assert.InRange(ParameterTotals.Of(Mm1Presets.Get("tiny")).Total, 750_000, 1_500_000);
        Assert.InRange(ParameterTotals.Of(Mm1Presets.Get("small")).Total, 5_000_000, 15_000_000);
    }

    [Fact]
    public void EveryPresetFitsTogetherAndUnknownNamesListThem()
    {
        foreach (string name in Mm1Presets.Names)
        {
            Mm1Config config = Mm1Presets.Get(name);
            using var model = new Mm1Model(config);
            Assert.Equal(config.Connector.Tokens, model.ImageTokens(config.Vision.ImageSize, config.Vision.ImageSize));
        }
        Assert.Contains("mm1-30b", Assert.Throws<ArgumentException>(() => Mm1Presets.Get("mm1-31b")).Message, StringComparison.Ordinal);
    }
}
