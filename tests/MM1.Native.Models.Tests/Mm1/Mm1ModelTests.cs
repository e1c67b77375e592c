using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class Mm1ModelTests
{
    private const int Vocabulary = 23, Placeholder = 1, ImageTokens = 4, ImageSize = 16;

    public static TheoryData<ConnectorKind> Kinds() => [ConnectorKind.AveragePooling, ConnectorKind.AttentionPooling, ConnectorKind.CAbstractor];

    /// <summary>Two documents with an image each: changing one's image or text leaves the hidden states of the other alone, bit for bit.</summary>
    [Theory, MemberData(nameof(Kinds))]
    public void DocumentsAreIsolated(ConnectorKind kind)
    {
        using Device device = TestDevices.Open("cpu/2");
        using Mm1Model model = Build(device, kind);
        Sample sample = Sample.Create(1), otherImage = sample with { Images = [.. sample.Images] }, otherText = sample with { Tokens = [.. sample.Tokens] };
        otherImage.Images[5] += 1;
        otherText.Tokens[0] = (otherText.Tokens[0] + 3) % Vocabulary;
        float[] hidden = Hidden(sample), image = Hidden(otherImage), text = Hidden(otherText);
        int second = sample.Starts[1] * (int)model.Config.Decoder.Width;
        Agreement.CheckBitwise("another image", image.AsSpan(second), hidden.AsSpan(second));
        Agreement.CheckBitwise("another text", text.AsSpan(second), hidden.AsSpan(second));
        Assert.NotEqual(hidden[..second], image[..second]);
        Assert.NotEqual(hidden[..second], text[..second]);

        float[] Hidden(Sample given)
        {
            using (device.BeginInference()) return model.Forward(given.ToBatch()).ToArray();
        }
    }

    /// <summary>A few steps on one batch bring the loss down, and every parameter of every part takes part.</summary>
    [Theory, MemberData(nameof(Kinds))]
    public void TheWholeModelLearns(ConnectorKind kind)
    {
        using Device device = TestDevices.Open("cpu/2");
        using Mm1Model model = Build(device, kind);
        using var optimizer = new AdamW(model.Parameters(), new AdamWOptions { LearningRate = 3e-3f });
        Sample sample = Sample.Create(2);
        float first = 0, last = 0;
        for (int step = 0; step < 30; step++)
        {
            using (device.BeginStep())
            {
                Tensor loss = model.Loss(sample.ToBatch());
                last = loss.Item();
                if (step == 0) first = last;
                loss.Backward();
                if (step == 0) Assert.All(model.Parameters(), parameter => Assert.True(parameter.HasGradient, parameter.Name));
                optimizer.Step();
            }
        }
        Assert.True(last < 0.3 * first, $"the loss went from {first} to {last}");
    }

    /// <summary>The loss by token, of which a trainer reports the loss by source: its mean over targets is the loss.</summary>
    [Fact]
    public void TokenLossesComeWithTheLoss()
    {
        using Device device = TestDevices.Open("cpu/2");
        using Mm1Model model = Build(device, ConnectorKind.AveragePooling);
        Sample sample = Sample.Create(9);
        using (device.BeginStep())
        {
            float[] expected = [model.Loss(sample.ToBatch()).Item()], actual = [model.Loss(sample.ToBatch(), out Tensor tokenLosses).Item()];
            Agreement.CheckBitwise("loss", actual, expected);
            float[] losses = tokenLosses.ToArray();
            for (int i = 0; i < losses.Length; i++) Assert.Equal(sample.Targets[i] == Autograd.Loss.IgnoreIndex, losses[i] == 0);
            Assert.Equal(expected[0], losses.Sum(loss => (double)loss) / sample.Targets.Count(target => target != Autograd.Loss.IgnoreIndex), 1e-6);
            Assert.True(model.Loss(sample.ToBatch(), out Tensor again, zLossWeight: 0.1f).Item() > expected[0] + 0.01f);
            Agreement.CheckBitwise("token losses with z-loss", again.ToArray(), losses);
        }
    }

    [Fact]
    public void RecomputationGivesTheSameLossAndGradients()
    {
        using Device device = TestDevices.Open("cpu/2");
        using Mm1Model keeps = Build(device, ConnectorKind.CAbstractor), recomputes = Build(device, ConnectorKind.CAbstractor);
        recomputes.RecomputesActivations = true;
        foreach (Mm1Model model in new[] { keeps, recomputes })
        {
            using (device.BeginStep()) model.Loss(Sample.Create(3).ToBatch()).Backward();
        }
        foreach (Parameter parameter in keeps.Parameters()) Agreement.CheckBitwise(parameter.Name, recomputes.Parameters()[parameter.Name].Gradient.ToArray(), parameter.Gradient.ToArray());
    }

    /// <summary>A prompt with an image continues as its whole sequence computed anew does, alone and beside a text prompt.</summary>
    [Fact]
    public void PromptsWithImagesGenerate()
    {
        using Device device = TestDevices.Open("cpu/2");
        using Mm1Model model = Build(device, ConnectorKind.CAbstractor);
        // A loud first value projection and quiet words: what is generated hangs on the image.
        model.Decoder.TokenEmbedding.Weight.Load(Samples.Normal(4, model.Decoder.TokenEmbedding.Weight.Elements, 0.1));
        foreach (Parameter parameter in model.Decoder.Parameters().Matching("layers.0.attention.output.weight")) parameter.Load([.. parameter.ToArray().Select(value => 8 * value)]);
        float[] image = Samples.Normal(5, ImageSize * ImageSize * 3);
        int[] prompt = [4, Placeholder, Placeholder, Placeholder, Placeholder, 9], placement = [-1, 0, 1, 2, 3, -1];
        IReadOnlyList<IReadOnlyList<int>> generated;
        using (device.BeginSession())
        {
            Tensor tokens = model.EncodeImages(Tensor.From(image, [1, ImageSize, ImageSize, 3]));
            generated = new TokenGenerator(model.Decoder).Generate([new TokenPrompt(prompt, placement), new TokenPrompt([2, 3])], new GenerationOptions { MaxNewTokens = 6 }, tokens);
            IReadOnlyList<int> alone = new TokenGenerator(model.Decoder).Generate([new TokenPrompt(prompt, placement)], new GenerationOptions { MaxNewTokens = 6 }, tokens)[0];
            Assert.Equal(generated[0], alone);
            Tensor other = Tensor.From(Samples.Normal(6, tokens.Elements), tokens.Shape);
            Assert.NotEqual(generated[0], new TokenGenerator(model.Decoder).Generate([new TokenPrompt(prompt, placement)], new GenerationOptions { MaxNewTokens = 6 }, other)[0]);
        }
        foreach (int token in generated[0])
        {
            float[] logits;
            using (device.BeginInference())
            {
                int[] positions = [.. Enumerable.Range(0, prompt.Length)];
                var batch = Mm1Batch.From(prompt, positions, [], placement, [0, prompt.Length], prompt.Length, image, ImageSize);
                logits = model.Decoder.Logits(model.Forward(batch)).ToArray()[^Vocabulary..];
            }
            Assert.Equal(Array.IndexOf(logits, logits.Max()), token);
            (prompt, placement) = ([.. prompt, token], [.. placement, -1]);
        }
        Assert.Throws<ArgumentException>(() => new TokenGenerator(model.Decoder).Generate([new TokenPrompt([1], [0])], new GenerationOptions { MaxNewTokens = 1 }));
    }

    /// <summary>A part saved out of a model loads into one of its own, and the other way round.</summary>
    [Fact]
    public void PartsAreSavedAndLoadedAlone()
    {
        using var folder = new TemporaryFolder();
        using Device device = TestDevices.Open("cpu/1");
        using Mm1Model model = Build(device, ConnectorKind.CAbstractor);
        using var encoder = new VisionTransformer(model.Config.Vision);
        encoder.Build(device, 12);
        ModelFiles.Save(model.Encoder, folder["part.safetensors"]);
        ModelFiles.Load(encoder, folder["part.safetensors"]);
        foreach (Parameter parameter in encoder.Parameters()) Agreement.CheckBitwise(parameter.Name, parameter.ToArray(), model.Encoder.Parameters()[parameter.Name].ToArray());
        RandomWeights.Fill(encoder);
        ModelFiles.Save(encoder, folder["alone.safetensors"]);
        ModelFiles.Load(model.Encoder, folder["alone.safetensors"]);
        foreach (Parameter parameter in encoder.Parameters()) Agreement.CheckBitwise(parameter.Name, model.Parameters()["encoder." + parameter.Name].ToArray(), parameter.ToArray());
    }

    [Fact]
    public void WrongBatchesAreRefused()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Mm1Model model = Build(device, ConnectorKind.AveragePooling);
        using (device.BeginInference())
        {
            Mm1Batch batch = Sample.Create(6).ToBatch();
            Assert.Contains("placement", Assert.Throws<ArgumentException>(() => model.Forward(batch with { Placement = null })).Message, StringComparison.Ordinal);
            Assert.Contains("targets", Assert.Throws<ArgumentException>(() => model.Loss(batch with { Targets = null })).Message, StringComparison.Ordinal);
        }
    }

    private static Mm1Model Build(Device device, ConnectorKind kind)
    {
        var model = new Mm1Model(new Mm1Config
        {
            Vision = VisionConfig.Clip(ImageSize, 4, 2, 32, 2),
            Connector = new ConnectorConfig { Kind = kind, Tokens = ImageTokens, Hidden = 32, Depth = 1, Heads = 2 },
            Decoder = new DecoderConfig { Layers = 2, Width = 32, Heads = 4, Hidden = 48, Vocabulary = Vocabulary, MaxPositions = 32 },
        });
        model.Build(device, 11);
        Assert.Equal(ImageTokens, model.ImageTokens(ImageSize, ImageSize));
        return model;
    }

    /// <summary>Two documents: text, image, text; the targets are the text after the image, the last place of the image first.</summary>
    private sealed record Sample(int[] Tokens, int[] Positions, int[] Targets, int[] Placement, int[] Starts, float[] Images)
    {
        public static Sample Create(int seed)
        {
            var random = new Random(seed);
            var (tokens, positions, targets, placement) = (new List<int>(), new List<int>(), new List<int>(), new List<int>());
            var starts = new List<int> { 0 };
            for (int document = 0; document < 2; document++)
            {
                int before = 2 + document, after = 5, length = before + ImageTokens + after;
                int[] ids = [.. Enumerable.Range(0, length).Select(i => i >= before && i < before + ImageTokens ? Placeholder : random.Next(2, Vocabulary))];
                for (int i = 0; i < length; i++)
                {
                    positions.Add(i);
                    placement.Add(ids[i] == Placeholder ? document * ImageTokens + i - before : -1);
                    targets.Add(i + 1 < length && i + 1 >= before + ImageTokens ? ids[i + 1] : Autograd.Loss.IgnoreIndex);
                }
                tokens.AddRange(ids);
                starts.Add(tokens.Count);
            }
            return new Sample([.. tokens], [.. positions], [.. targets], [.. placement], [.. starts], Samples.Normal(seed + 100, 2 * ImageSize * ImageSize * 3));
        }

        public Mm1Batch ToBatch() => Mm1Batch.From(Tokens, Positions, Targets, Placement, Starts, 16, Images, ImageSize);
    }
}
