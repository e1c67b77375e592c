using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>
/// The bits of a token's logits are a function of its document: not of the cache, the batch, the packing or the threads. Shapes are
/// large enough that kernels choose other paths for one row than for many, and documents longer than a block of keys.
/// </summary>
public sealed class BatchInvarianceTests
{
    private const int ImageSize = 24, Vocabulary = 301;

    /// <summary>One document: tokens, and per token a row of its images' tokens or -1.</summary>
    private sealed record Sample(int[] Tokens, int[] Placement, float[][] Images, int NewTokens);

    private static DecoderConfig Base { get; } = new() { Layers = 2, Width = 96, Heads = 6, Hidden = 600, Vocabulary = Vocabulary, MaxPositions = 256 };

    private static (string Name, ConnectorKind Connector, DecoderConfig Decoder)[] Configs { get; } =
    [
        ("rotary, multi-head", ConnectorKind.CAbstractor, Base),
        ("rotary interleaved, grouped heads", ConnectorKind.AttentionPooling, Base with { KeyValueHeads = 2, RotaryStyle = RotaryStyle.Interleaved, TiedEmbedding = false }),
        ("learned, multi-head", ConnectorKind.AveragePooling, Base with { Position = PositionKind.Learned, Norm = NormKind.Layer, Mlp = MlpKind.Gelu, Bias = true, QueryKeyNorm = false }),
        ("learned, grouped heads", ConnectorKind.Linear, Base with { Position = PositionKind.Learned, KeyValueHeads = 3, HeadSize = 24, Mlp = MlpKind.GeGlu }),
        ("no positions, one key head, wide", ConnectorKind.Mlp, Base with { Position = PositionKind.None, KeyValueHeads = 1, Width = 528, Heads = 11, Layers = 1 }),
    ];

    /// <summary>The emulator takes seconds for each: all but one are of the nightly tier there, and half of the documents are looked at.</summary>
    public static IEnumerable<TheoryDataRow<string, string>> Cases()
    {
        foreach (TheoryDataRow<string, string> row in TestDevices.Rows([.. Configs.Select(config => config.Name)]))
        {
            if (row.Data.Item1 == "cuda-emulated" && row.Data.Item2 != Configs[1].Name) row.Traits["Tier"] = ["nightly"];
            yield return row;
        }
    }

    /// <summary>
    /// Prompts and decoded tokens of eight documents at once, of one at a time, and of each whole sequence without a cache: the same bits. On native devices the last
    /// are of the same size only: decoding cuts keys into other tiles.
    /// </summary>
    [Theory, MemberData(nameof(Cases))]
    public void CachedIsUncachedAndEightAreOne(string deviceName, string configuration)
    {
        using Device device = TestDevices.Open(deviceName);
        using Mm1Model model = Build(device, configuration);
        Sample[] samples = [.. Enumerable.Range(0, deviceName == "cuda-emulated" ? 4 : 8).Select(i => Create(model, i))];
        float[][] whole = [.. samples.Select(sample => Uncached(device, model, sample))];
        float[][] together = Cached(device, model, samples);
        for (int i = 0; i < samples.Length; i++)
        {
            if (TestDevices.IsNative(deviceName)) CheckClose($"document {i}, cached together", together[i], whole[i]);
            else Agreement.CheckBitwise($"document {i}, cached together", together[i], whole[i]);
            if (i < samples.Length / 2 + 1) Agreement.CheckBitwise($"document {i}, cached alone", Cached(device, model, [samples[i]])[0], together[i]);
        }
        float[] packed = Packed(device, model, samples);
        Agreement.CheckBitwise("packed", packed, [.. whole.SelectMany(logits => logits)]);
    }

    [Fact]
    public void ThreadsDoNotMatter()
    {
        using Device one = TestDevices.Open(TestDevices.Names[0]), two = TestDevices.Open(TestDevices.Names[^1]);
        foreach ((string name, _, _) in Configs)
        {
            using Mm1Model first = Build(one, name), second = Build(two, name);
            Sample[] samples = [.. Enumerable.Range(0, 5).Select(i => Create(first, i))];
            Agreement.CheckBitwise(name, Packed(two, second, samples), Packed(one, first, samples));
        }
    }

    /// <summary>Text or image of one document of a packed batch changes: all others keep their bits, and it does not.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void DocumentsOfAPackedBatchAreIsolated(string deviceName, string configuration)
    {
        if (deviceName == "cpu/1") return; // the bits do not depend on threads
        using Device device = TestDevices.Open(deviceName);
        using Mm1Model model = Build(device, configuration);
        Sample[] samples = [.. Enumerable.Range(0, deviceName == "cuda-emulated" ? 4 : 6).Select(i => Create(model, i))];
        float[] expected = Packed(device, model, samples);
        foreach (int changed in new[] { 0, 3 })
        {
            Sample text = samples[changed] with { Tokens = [(samples[changed].Tokens[0] + 7) % Vocabulary, .. samples[changed].Tokens[1..]] };
            Check(changed, text);
            if (samples[changed].Images.Length == 0) continue;
            Check(changed, samples[changed] with { Images = [Samples.Normal(900, samples[changed].Images[0].Length), .. samples[changed].Images[1..]] });
        }

        void Check(int changed, Sample other)
        {
            Sample[] moved = [.. samples];
            moved[changed] = other;
            float[] actual = Packed(device, model, moved);
            int start = samples[..changed].Sum(sample => sample.Tokens.Length) * Vocabulary, length = other.Tokens.Length * Vocabulary;
            Agreement.CheckBitwise($"before document {changed}", actual.AsSpan(0, start), expected.AsSpan(0, start));
            Agreement.CheckBitwise($"after document {changed}", actual.AsSpan(start + length), expected.AsSpan(start + length));
            Assert.False(actual.AsSpan(start, length).SequenceEqual(expected.AsSpan(start, length)), $"Nothing changed in document {changed}.");
        }
    }

    /// <summary>Two orders of float32 sums through two layers: some hundred roundings of the largest logit at most.</summary>
    private static void CheckClose(string what, float[] actual, float[] expected)
    {
        double largest = expected.Max(Math.Abs), allowed = 128 * Math.Pow(2, -24) * largest;
        for (int i = 0; i < expected.Length; i++) Assert.True(Math.Abs(actual[i] - expected[i]) <= allowed, $"{what}: [{i}] is {actual[i]:R}, {expected[i]:R} without a cache, allowed {allowed:E2}");
    }

    private static Mm1Model Build(Device device, string configuration)
    {
        (_, ConnectorKind connector, DecoderConfig decoder) = Configs.Single(config => config.Name == configuration);
        var model = new Mm1Model(new Mm1Config
        {
            Vision = VisionConfig.Clip(ImageSize, 4, 2, 48, 3, Activation.Gelu),
            Connector = new ConnectorConfig { Kind = connector, Tokens = 9, Hidden = 40, Depth = 1, Heads = 3 },
            Decoder = decoder,
        });
        model.Build(device, 21);
        RandomWeights.Fill(model);
        return model;
    }

    /// <summary>Documents of 1 to 170 tokens; odd ones begin with text and have one or two images.</summary>
    private static Sample Create(Mm1Model model, int index)
    {
        int imageTokens = model.ImageTokens(ImageSize, ImageSize), images = index % 2 == 0 ? 0 : 1 + index / 2 % 2;
        int text = index switch { 0 => 90, 1 => 3, 2 => 1, 3 => 20, 4 => 65, 5 => 66, 6 => 170, _ => 31 };
        List<int> tokens = [.. Samples.Integers(60 + index, text, Vocabulary)], placement = [.. Enumerable.Repeat(-1, text)];
        for (int image = 0; image < images; image++)
        {
            int at = 1 + image * (imageTokens + 1);
            tokens.InsertRange(at, Enumerable.Repeat(0, imageTokens));
            placement.InsertRange(at, Enumerable.Range(image * imageTokens, imageTokens));
        }
        float[][] pixels = [.. Enumerable.Range(0, images).Select(image => Samples.Normal(80 + 10 * index + image, 3 * ImageSize * ImageSize))];
        return new Sample([.. tokens], [.. placement], pixels, Math.Min(6, text - 1));
    }

    private static float[] Uncached(Device device, Mm1Model model, Sample sample) => Packed(device, model, [sample]);

    private static float[] Packed(Device device, Mm1Model model, Sample[] samples)
    {
        using (device.BeginInference()) return model.Decoder.Logits(model.Forward(Batch(model, samples))).ToArray();
    }

    private static Mm1Batch Batch(Mm1Model model, Sample[] samples)
    {
        int imageTokens = model.ImageTokens(ImageSize, ImageSize), images = 0;
        var (placement, starts) = (new List<int>(), new List<int> { 0 });
        foreach (Sample sample in samples)
        {
            placement.AddRange(sample.Placement.Select(row => row < 0 ? -1 : images * imageTokens + row));
            images += sample.Images.Length;
            starts.Add(placement.Count);
        }
        return Mm1Batch.From([.. samples.SelectMany(sample => sample.Tokens)], [.. samples.SelectMany(sample => Enumerable.Range(0, sample.Tokens.Length))], [], [.. placement],
            [.. starts], samples.Max(sample => sample.Tokens.Length), [.. samples.SelectMany(sample => sample.Images.SelectMany(pixels => pixels))], ImageSize);
    }

    /// <summary>Logits [tokens, vocabulary] of each document: all tokens but the last few as a prompt, those one by one.</summary>
    private static float[][] Cached(Device device, Mm1Model model, Sample[] samples)
    {
        DecoderModel decoder = model.Decoder;
        int[] lengths = [.. samples.Select(sample => sample.Tokens.Length - sample.NewTokens)];
        int longest = samples.Max(sample => sample.Tokens.Length), steps = samples.Max(sample => sample.NewTokens);
        var logits = samples.Select(_ => new List<float>()).ToArray();
        using (device.BeginSession())
        {
            var cache = new KeyValueCache(decoder.Config, samples.Length, longest + 3);
            using (device.BeginInference())
            {
                Sample[] prompts = [.. samples.Select((sample, i) => sample with { Tokens = sample.Tokens[..lengths[i]], Placement = sample.Placement[..lengths[i]] })];
                Mm1Batch batch = Batch(model, prompts);
                Tensor embeddings = decoder.Embed(batch.TokenIds);
                if (batch.Images is { } images) embeddings = Functional.PlaceImageTokens(embeddings, model.EncodeImages(images), batch.Placement!.Value);
                int[] sequences = [.. lengths.SelectMany((length, i) => Enumerable.Repeat(i, length))];
                cache.Advance(lengths, Tensor.From(sequences, [sequences.Length]));
                float[] all = decoder.Logits(decoder.Forward(embeddings, batch.Positions, cache, batch.Layout)).ToArray();
                int start = 0;
                for (int i = 0; i < samples.Length; i++)
                {
                    logits[i].AddRange(all.AsSpan(start * Vocabulary, lengths[i] * Vocabulary));
                    start += lengths[i];
                }
            }
            for (int step = 0; step < steps; step++)
            {
                bool[] runs = [.. samples.Select((sample, i) => lengths[i] < sample.Tokens.Length)];
                int[] next = [.. samples.Select((sample, i) => sample.Tokens[runs[i] ? lengths[i]++ : lengths[i] - 1])];
                using (device.BeginInference())
                {
                    cache.Advance(lengths);
                    Tensor positions = Tensor.From(lengths.Select(length => length - 1).ToArray(), [lengths.Length]);
                    float[] all = decoder.Logits(decoder.Forward(decoder.Embed(Tensor.From(next, [next.Length])), positions, cache)).ToArray();
                    for (int i = 0; i < samples.Length; i++)
                    {
                        if (runs[i]) logits[i].AddRange(all.AsSpan(i * Vocabulary, Vocabulary));
                    }
                }
            }
        }
        return [.. logits.Select(rows => rows.ToArray())];
    }
}
