using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class Mm1ConfigReaderTests
{
    private static Mm1Config Read(string yaml, long? vocabulary = null) =>
        Mm1ConfigReader.FromNode(StrictYaml.Parse(yaml, "a.yaml")["model"]!.AsObject(), "a.yaml", "model", vocabulary);

    [Fact]
    public void EveryPresetSurvivesJson()
    {
        foreach (string name in Mm1Presets.Names)
        {
            Mm1Config preset = Mm1Presets.Get(name);
            Assert.Equal(preset, Mm1ConfigReader.FromNode(new JsonObject { ["preset"] = name }, "a.yaml"));
            Assert.Equal(preset, Mm1ConfigReader.FromNode(Mm1ConfigReader.ToNode(preset), "a.yaml"));
            Assert.Equal(preset, JsonSerializer.Deserialize(JsonSerializer.Serialize(preset, ModelsJson.Default.Mm1Config), ModelsJson.Default.Mm1Config));
        }
    }

    [Fact]
    public void ValuesLieOverThePreset()
    {
        Mm1Config tiny = Mm1Presets.Get("tiny");
        Mm1Config config = Read("model: {preset: tiny, vision: {layers: 4}, connector: {kind: averagePooling, tokens: 4}, decoder: {norm: layer, rotaryStyle: interleaved, normEpsilon: 1e-6}}");
        Assert.Equal(tiny.Vision with { Layers = 4 }, config.Vision);
        Assert.Equal(tiny.Connector with { Kind = ConnectorKind.AveragePooling, Tokens = 4 }, config.Connector);
        Assert.Equal(tiny.Decoder with { Norm = NormKind.Layer, RotaryStyle = Kernels.RotaryStyle.Interleaved, NormEpsilon = 1e-6f }, config.Decoder);
    }

    [Fact]
    public void TheVocabularyIsTheGivenOneUnlessTheSectionSaysSo()
    {
        Assert.Equal(333, Read("model: {preset: tiny}", 333).Decoder.Vocabulary);
        Assert.Equal(400, Read("model: {preset: tiny, decoder: {vocabulary: 400}}", 333).Decoder.Vocabulary);
        Assert.Equal(512, Read("model: {preset: tiny}").Decoder.Vocabulary);
    }

    [Fact]
    public void WithoutAPresetTheRecordsDefaultsHold()
    {
        Mm1Config config = Read("model: {vision: {imageSize: 48, patchSize: 8, layers: 1, width: 32, heads: 2}, connector: {kind: linear}, decoder: {layers: 1, width: 32, heads: 2, hidden: 64}}");
        Assert.Equal(new DecoderConfig { Layers = 1, Width = 32, Heads = 2, Hidden = 64 }, config.Decoder);
        Assert.Equal(new ConnectorConfig { Kind = ConnectorKind.Linear }, config.Connector);
        Assert.True(config.Vision.AntialiasPositions);
    }

    [Theory]
    [InlineData("model:\n  preset: tyni", "a.yaml:2: 'model.preset' is 'tyni', which is no preset; the nearest is 'tiny'")]
    [InlineData("model:\n  preset: 3", "'model.preset' is the number 3; it must be the name of a preset")]
    [InlineData("model:\n  preset: tiny\n  decoder:\n    layrs: 3", "a.yaml:4: 'model.decoder.layrs' is not a known key; the nearest is 'layers'")]
    [InlineData("model:\n  preset: tiny\n  connector:\n    kind: cabstracter", "a.yaml:4: 'model.connector.kind' is the text \"cabstracter\"; it must be one of averagePooling, attentionPooling, cAbstractor, linear, mlp; the nearest is 'cAbstractor'")]
    [InlineData("model:\n  preset: tiny\n  vision: {resolvedHidden: 3}", "'model.vision.resolvedHidden' is not a known key")]
    [InlineData("model:\n  connector: {kind: mlp}", "is missing")]
    public void ErrorsNameKeyAndLine(string yaml, string message) =>
        Assert.Contains(message, Assert.Throws<ConfigurationException>(() => Read(yaml)).Message, StringComparison.Ordinal);
}
