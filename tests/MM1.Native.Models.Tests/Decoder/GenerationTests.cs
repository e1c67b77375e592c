using System.Numerics;
using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class GenerationTests
{
    public static IEnumerable<TheoryDataRow<string, int>> Variants() => DecoderTests.Variants();

    public static IEnumerable<TheoryDataRow<string, int, Precision>> BitwiseVariants() => DecoderTests.BitwiseVariants();

    private static TokenPrompt[] Prompts { get; } = [.. Enumerable.Range(0, 8).Select(i => new TokenPrompt(Samples.Integers(20 + i, 1 + i * 3 % 11, 19), Key: i))];

    /// <summary>All prompts are looked at, on the emulator every third.</summary>
    private static int Stride(string deviceName) => deviceName == "cuda-emulated" ? 3 : 1;

    /// <summary>Every generated token is the most likely one of the whole sequence computed anew.</summary>
    [Theory, MemberData(nameof(Variants))]
    public void CacheEqualsNoCache(string deviceName, int variant)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[variant]);
        IReadOnlyList<IReadOnlyList<int>> generated = new TokenGenerator(model).Generate(Prompts, new GenerationOptions { MaxNewTokens = 9 });
        Assert.True(generated.Max(tokens => tokens.Distinct().Count()) > 2, "the model only repeats itself, which tests little");
        for (int i = 0; i < Prompts.Length; i += Stride(deviceName))
        {
            int[] tokens = [.. Prompts[i].Tokens];
            foreach (int token in generated[i])
            {
                float[] logits = DecoderTests.Logits(device, model, tokens)[^19..];
                Assert.Equal(Array.IndexOf(logits, logits.Max()), token);
                tokens = [.. tokens, token];
            }
        }
    }

    [Fact]
    public void OnlyTokensOfTheGivenVocabularyAreChosen()
    {
        using Device device = TestDevices.Open("cpu/1");
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[0]);
        var options = new GenerationOptions { MaxNewTokens = 9, Vocabulary = 7 };
        foreach (SamplingOptions sampling in (SamplingOptions[])[SamplingOptions.Greedy, new SamplingOptions { Temperature = 5, Seed = 1 }])
        {
            Assert.Contains(new TokenGenerator(model).Generate(Prompts, options with { Vocabulary = 0, Sampling = sampling }), tokens => tokens.Max() >= 7);
            Assert.All(new TokenGenerator(model).Generate(Prompts, options with { Sampling = sampling }), tokens => Assert.InRange(tokens.Max(), 0, 6));
        }
        float[] logits = DecoderTests.Logits(device, model, [.. Prompts[0].Tokens])[^19..][..7];
        Assert.Equal(Array.IndexOf(logits, logits.Max()), new TokenGenerator(model).Generate(Prompts[..1], options)[0][0]);
    }

    /// <summary>
    /// Bit for bit on the cpu; see <see cref="BatchInvarianceTests"/> for large shapes and images. Native devices cut the keys of a cache into other tiles: there
    /// decoded logits are held against the reference, as those of the whole sequence are.
    /// </summary>
    [Theory, MemberData(nameof(Variants))]
    public void CachedLogitsEqualUncached(string deviceName, int variant)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[variant]);
        int[] tokens = Samples.Integers(40, 14, 19);
        float[] expected = DecoderTests.Logits(device, model, tokens);
        using (device.BeginSession())
        {
            var cache = new KeyValueCache(model.Config, 1, 14);
            cache.Advance([6], Tensor.From(new int[6], [6]));
            Check(0, model.Forward(model.Embed(Tensor.From(tokens[..6], [6])), Tensor.From([0, 1, 2, 3, 4, 5], [6]), cache, AttentionLayout.Uniform(1, 6)));
            for (int t = 6; t < 14; t++)
            {
                using (device.BeginInference())
                {
                    cache.Advance([t + 1]);
                    Check(t, model.Forward(model.Embed(Tensor.From([tokens[t]], [1])), Tensor.From([t], [1]), cache));
                }
            }
        }

        void Check(int first, Tensor hidden)
        {
            float[] logits = model.Logits(hidden).ToArray();
            string what = $"logits from token {first} on";
            if (!TestDevices.IsNative(deviceName)) Agreement.CheckBitwise(what, logits, expected.AsSpan(first * 19, logits.Length));
            else Agreement.Check(what, logits, Reference<double>().AsSpan(first * 19, logits.Length), Reference<float>().AsSpan(first * 19, logits.Length));
        }

        T[] Reference<T>() where T : IFloatingPointIeee754<T>
        {
            var weights = new Weights<T>(model);
            return DecoderReference<T>.Logits(weights, model.Config, DecoderReference<T>.Hidden(weights, model.Config, DecoderReference<T>.Embed(weights, model.Config, tokens)));
        }
    }

    /// <summary>What a sequence gets in a batch of eight of unequal lengths is what it gets alone: tokens, greedy and sampled.</summary>
    [Theory, MemberData(nameof(BitwiseVariants))]
    public void ABatchOfOneEqualsABatchOfEight(string deviceName, int variant, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[variant], precision);
        var generator = new TokenGenerator(model);
        foreach (SamplingOptions sampling in new[] { SamplingOptions.Greedy, new SamplingOptions { Temperature = 1.3f, TopP = 0.9f, Seed = 5 } })
        {
            var options = new GenerationOptions { MaxNewTokens = 8, Sampling = sampling, Stop = (_, tokens) => tokens[^1] == 3 };
            IReadOnlyList<IReadOnlyList<int>> together = generator.Generate(Prompts, options);
            for (int i = 0; i < Prompts.Length; i += Stride(deviceName)) Assert.Equal(generator.Generate([Prompts[i]], options)[0], together[i]);
        }
    }

    /// <summary>The same prompt under another key or seed is drawn anew; under the same ones it is not.</summary>
    [Fact]
    public void KeysAndSeedsNameTheDraws()
    {
        using Device device = TestDevices.Open("cpu/1");
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[0]);
        IReadOnlyList<int> Draw(long key, ulong seed) => new TokenGenerator(model).Generate([new TokenPrompt([5, 6], Key: key)],
            new GenerationOptions { MaxNewTokens = 16, Sampling = new SamplingOptions { Temperature = 2, Seed = seed } })[0];
        Assert.Equal(Draw(1, 1), Draw(1, 1));
        Assert.NotEqual(Draw(1, 1), Draw(2, 1));
        Assert.NotEqual(Draw(1, 1), Draw(1, 2));
    }

    /// <summary>The bits of the logits, prompt and steps, do not depend on the batch.</summary>
    [Theory, MemberData(nameof(BitwiseVariants))]
    public void LogitsOfABatchAreBitwiseThoseAlone(string deviceName, int variant, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[variant], precision);
        int[][] prompts = [.. Prompts.Select(prompt => prompt.Tokens.ToArray())];
        float[][] together = Run(prompts);
        for (int i = 0; i < prompts.Length; i++)
        {
            float[] alone = Run([prompts[i]])[0];
            Agreement.CheckBitwise($"sequence {i}", together[i], alone);
        }

        float[][] Run(int[][] sequences)
        {
            int[] lengths = [.. sequences.Select(sequence => sequence.Length)];
            var logits = sequences.Select(_ => new List<float>()).ToArray();
            using (device.BeginSession())
            {
                var cache = new KeyValueCache(model.Config, sequences.Length, 16, model.ComputeDType);
                using (device.BeginInference())
                {
                    int[] starts = new int[lengths.Length + 1];
                    for (int i = 0; i < lengths.Length; i++) starts[i + 1] = starts[i] + lengths[i];
                    int total = starts[^1];
                    cache.Advance(lengths, Tensor.From(lengths.SelectMany((length, i) => Enumerable.Repeat(i, length)).ToArray(), [total]));
                    Tensor positions = Tensor.From(lengths.SelectMany(length => Enumerable.Range(0, length)).ToArray(), [total]);
                    Tensor hidden = model.Forward(model.Embed(Tensor.From(sequences.SelectMany(sequence => sequence).ToArray(), [total])), positions, cache,
                        AttentionLayout.Packed(Tensor.From(starts, [starts.Length]), lengths.Max()));
                    float[] all = model.Logits(hidden).ToArray();
                    for (int i = 0; i < lengths.Length; i++) logits[i].AddRange(all.AsSpan(starts[i] * 19, lengths[i] * 19));
                }
                for (int step = 0; step < 3; step++)
                {
                    using (device.BeginInference())
                    {
                        for (int i = 0; i < lengths.Length; i++) lengths[i]++;
                        cache.Advance(lengths);
                        int[] tokens = [.. sequences.Select(sequence => (sequence[0] + step) % 19)];
                        Tensor hidden = model.Forward(model.Embed(Tensor.From(tokens, [tokens.Length])), Tensor.From(lengths.Select(length => length - 1).ToArray(), [tokens.Length]), cache);
                        float[] all = model.Logits(hidden).ToArray();
                        for (int i = 0; i < lengths.Length; i++) logits[i].AddRange(all.AsSpan(i * 19, 19));
                    }
                }
            }
            return [.. logits.Select(row => row.ToArray())];
        }
    }

    [Fact]
    public void StopAndLengthEndASequence()
    {
        using Device device = TestDevices.Open("cpu/1");
        using DecoderModel model = DecoderTests.Build(device, DecoderTests.Configs[0]);
        var generator = new TokenGenerator(model);
        IReadOnlyList<IReadOnlyList<int>> generated = generator.Generate(Prompts, new GenerationOptions { MaxNewTokens = 6, Stop = (sequence, tokens) => sequence % 2 == 0 && tokens.Count == 2 });
        for (int i = 0; i < Prompts.Length; i++) Assert.Equal(i % 2 == 0 ? 2 : 6, generated[i].Count);
        Assert.All(generator.Generate(Prompts, new GenerationOptions { MaxNewTokens = 0 }), tokens => Assert.Empty(tokens));
        Assert.Throws<ArgumentException>(() => generator.Generate([new TokenPrompt([])], new GenerationOptions { MaxNewTokens = 1 }));
        Assert.Throws<ArgumentException>(() => generator.Generate([new TokenPrompt([1])], new GenerationOptions { MaxNewTokens = 40 }));
    }

    /// <summary>Frequencies of 20,000 draws against the distribution that temperature and top-p leave.</summary>
    [Fact]
    public void SamplingFollowsTemperatureAndTopP()
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.15f), MathF.Log(0.05f)];
        Check(new SamplingOptions { Temperature = 1 }, [0.5, 0.3, 0.15, 0.05]);
        Check(new SamplingOptions { Temperature = 1, TopP = 0.7f }, [0.625, 0.375, 0, 0]);
        Check(new SamplingOptions { Temperature = 0.5f, Seed = 9 }, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]);
        Assert.Equal(0, new Sampler(SamplingOptions.Greedy).Choose(logits, 0, 0));
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions { TopP = 0 }));
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions { Temperature = -1 }));

        void Check(SamplingOptions options, double[] expected)
        {
            const int Draws = 20000;
            var sampler = new Sampler(options);
            var counts = new int[4];
            for (int i = 0; i < Draws; i++) counts[sampler.Choose(logits, i % 100, i / 100)]++;
            for (int v = 0; v < 4; v++) Assert.Equal(expected[v], counts[v] / (double)Draws, 4 * Math.Sqrt(expected[v] * (1 - expected[v]) / Draws) + 1e-12);
        }
    }
}
