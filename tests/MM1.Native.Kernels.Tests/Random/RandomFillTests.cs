using MM1.Native.Kernels.Cpu;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class RandomFillTests
{
    private const ulong Seed = 0x123456789ABCDEF0;
    private static readonly ulong Purpose = RandomKey.Purpose("init", "decoder.layers.0.attention.qkv.weight");

    public static TheoryData<string> Devices => [.. TestDevices.WithNative];

    public static TheoryData<string, Distribution> Cases =>
        [.. TestDevices.WithNative.SelectMany(device => Enum.GetValues<Distribution>().Select(distribution => (device, distribution)))];

    /// <summary>Bits from an independent statement of the specification in exact rational arithmetic, rounded after each step.</summary>
    [Theory]
    [InlineData(Distribution.Uniform, "3F55B232 3D1E2FC0 3F24B922 3F1CC523 3E4A1D54 3F4E0F23 3E7EC6A0 3F1B12ED 3E97DE20 3F3A3761 3F28484E 3F5FB8D7 3DB89FE0 3F638DB4 3F23B536 3D86F710")]
    [InlineData(Distribution.Normal, "3EFBA115 3F007F15 3EF5184E 3EF391B3 3F02A57A 3EFAC643 3F036F25 3EF334BF 3F043F5E 3EF858B5 3EF5B46B 3EFCB532 3F012AC0 3EFD1C22 3EF4E9EC 3F00D983")]
    [InlineData(Distribution.TruncatedNormal, "3F7089C9 BED219CE 3F141347 3F073297 BDE2B33A 3F5FD0FD BCDA9E6C 3F047E7E 3D463490 3F3919D4 3F19F5B2 3F84637E BE9B7913 3F89776C 3F12694C BEB46667")]
    public void TheBitsAreThoseOfTheSpecification(Distribution distribution, string expected)
    {
        foreach (string name in TestDevices.WithNative)
        {
            using Device device = TestDevices.Open(name);
            RandomFillArgs args = Arguments(distribution, offset: (5L << 32) * 4 + 3);
            if (distribution == Distribution.Normal) (args.Mean, args.StandardDeviation) = (0.5f, 0.02f);
            if (distribution == Distribution.TruncatedNormal) (args.Mean, args.StandardDeviation, args.Low, args.High) = (0.25f, 0.75f, -0.5f, 1.5f);
            Assert.Equal(expected, Text(Fill(device, args, 16)));
        }
    }

    /// <summary>Single words, extremes included, by the same independent statement.</summary>
    [Fact]
    public void TheQuantileIsThatOfTheSpecification()
    {
        uint[] words = [0x00000000, 0x00000001, 0x00000002, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0x7FFFF000,
            0x800FFFFF, 0x7FF00000, 0x40000000, 0xC0000000, 0x7FE0FFFF, 0x801F0123, 0x7FC01234, 0x00000123];
        Assert.Equal("2FA06C99 3070A2E6 30C887BF 40CAD08D C0CAD08D C0C55363 AFA06C99 40986AB5 C05F2CB7 405F2CB7 3F2CAB5C BF2CAB5C 40539721 C0539679 40463F0E 3436ABA8",
            Text([.. words.Select(Quantile)]));
    }

    [Fact]
    public void TheQuantileIsAccurateFromTheCentreToTheLastWord()
    {
        double worst = 0;
        void Look(uint word)
        {
            double expected = RandomReference.Normal(word);
            worst = Math.Max(worst, Math.Abs(Quantile(word) - expected) / Math.Abs(expected));
        }
        for (uint i = 0; i < 20_000; i++)
        {
            Look(i);                        // about 0
            Look(int.MaxValue - i);         // the upper tail
            Look(0x80000000 + i);           // the lower tail
            Look(i * 214_748u);             // everywhere
            Look(0x7FF00000 - i * 97);      // about the seam of the two polynomials
        }
        // Four roundings: x, the constant of the polynomial, its last step, the product.
        Assert.True(worst <= 4 * Math.Pow(2, -24), $"The largest relative error is {worst * Math.Pow(2, 24):F2} * 2^-24.");
    }

    [Theory, MemberData(nameof(Cases))]
    public void WhereACallBeginsDoesNotShow(string name, Distribution distribution)
    {
        using Device device = TestDevices.Open(name);
        const int Count = 20_011;
        float[] whole = Fill(device, Arguments(distribution), Count);
        foreach (int split in (int[])[1, 2, 3, 4, 1023, 1025, 8192, 16_385])
        {
            Agreement.CheckBitwise($"{distribution} up to {split}", Fill(device, Arguments(distribution), split), whole.AsSpan(0, split));
            Agreement.CheckBitwise($"{distribution} from {split}", Fill(device, Arguments(distribution, split), Count - split), whole.AsSpan(split));
        }
        using Device other = TestDevices.Open("cpu/2");
        Agreement.CheckBitwise($"{distribution} on cpu/2", Fill(other, Arguments(distribution), Count), whole);
    }

    [Theory, InlineData(Distribution.Uniform), InlineData(Distribution.Normal), InlineData(Distribution.TruncatedNormal)]
    public void EveryRegisterWidthGivesTheSameBits(Distribution distribution)
    {
        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = 1 });
        const int Count = 5_003;
        float[] expected = Fill(device, Arguments(distribution), Count);
        var kernels = (CpuKernels)device.Kernels;
        foreach (var fill in (Action<RandomFillArgs>[])[args => kernels.RandomFill<Simd512>(args), args => kernels.RandomFill<Simd256>(args),
            args => kernels.RandomFill<Simd128>(args), args => kernels.RandomFill<SimdScalar>(args)])
        {
            using var output = new DeviceBuffer(device, 1, Count);
            RandomFillArgs args = Arguments(distribution);
            (args.Count, args.Output) = (Count, output);
            fill(args);
            Agreement.CheckBitwise($"{distribution}", output.Download(), expected);
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void TheStepStateMovesTheOffset(string name)
    {
        using Device device = TestDevices.Open(name);
        using DeviceMemory state = device.Allocate(System.Runtime.CompilerServices.Unsafe.SizeOf<StepState>());
        var value = new StepState { RandomCounter = 12_345 };
        device.CopyFromHost(state.Address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<StepState>(in value)));
        RandomFillArgs moved = Arguments(Distribution.Normal, 7);
        moved.StepState = state.Address;
        Agreement.CheckBitwise("moved", Fill(device, moved, 100), Fill(device, Arguments(Distribution.Normal, 12_352), 100));
    }

    [Theory, MemberData(nameof(Cases))]
    public void MomentsAndShapeAreRight(string name, Distribution distribution)
    {
        using Device device = TestDevices.Open(name);
        const int Count = 200_000;
        RandomFillArgs args = Arguments(distribution);
        double low = -1.5, high = 0.75, mean = 0.25, deviation = 2;
        (args.Low, args.High, args.Mean, args.StandardDeviation) = ((float)low, (float)high, (float)mean, (float)deviation);
        float[] values = Fill(device, args, Count);

        double a = (low - mean) / deviation, b = (high - mean) / deviation, inside = RandomReference.NormalDistribution(b) - RandomReference.NormalDistribution(a);
        Func<double, double> distributionFunction = distribution switch
        {
            Distribution.Uniform => x => (x - low) / (high - low),
            Distribution.Normal => x => RandomReference.NormalDistribution((x - mean) / deviation),
            _ => x => (RandomReference.NormalDistribution((x - mean) / deviation) - RandomReference.NormalDistribution(a)) / inside,
        };
        static double Density(double x) => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
        double shift = (Density(a) - Density(b)) / inside;
        (double expectedMean, double expectedVariance) = distribution switch
        {
            Distribution.Uniform => ((low + high) / 2, (high - low) * (high - low) / 12),
            Distribution.Normal => (mean, deviation * deviation),
            _ => (mean + deviation * shift, deviation * deviation * (1 + (a * Density(a) - b * Density(b)) / inside - shift * shift)),
        };
        double average = values.Average(value => (double)value), variance = values.Average(value => (value - average) * (value - average));
        Assert.InRange(average, expectedMean - 4 * Math.Sqrt(expectedVariance / Count), expectedMean + 4 * Math.Sqrt(expectedVariance / Count));
        Assert.InRange(variance / expectedVariance, 0.985, 1.015);

        // Kolmogorov and Smirnov: a right sample exceeds 1.63 / sqrt(n) once in a hundred; the seed is fixed.
        Array.Sort(values);
        double distance = 0;
        for (int i = 0; i < Count; i++)
        {
            double f = distributionFunction(values[i]);
            distance = Math.Max(distance, Math.Max(f - i / (double)Count, (i + 1) / (double)Count - f));
        }
        Assert.True(distance < 1.63 / Math.Sqrt(Count), $"The Kolmogorov-Smirnov distance is {distance:E3}.");
    }

    [Fact]
    public void StreamsOfDifferentNamesAndSeedsAreUnrelated()
    {
        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = 1 });
        const int Count = 50_000;
        float[] first = Fill(device, Arguments(Distribution.Normal), Count);
        RandomFillArgs otherName = Arguments(Distribution.Normal), otherSeed = Arguments(Distribution.Normal);
        otherName.Purpose = RandomKey.Purpose("init", "decoder.layers.1.attention.qkv.weight");
        otherSeed.Seed++;
        foreach (float[] second in (float[][])[Fill(device, otherName, Count), Fill(device, otherSeed, Count), Fill(device, Arguments(Distribution.Normal, 1), Count)])
        {
            double correlation = first.Zip(second, (x, y) => (double)x * y).Average();
            Assert.InRange(correlation, -4 / Math.Sqrt(Count), 4 / Math.Sqrt(Count));
        }
    }

    [Theory]
    [InlineData(-1f, 1f), InlineData(0f, 1e-30f), InlineData(1f, 1.0000001f), InlineData(-3f, -3f), InlineData(16777216f, 16777220f)]
    public void UniformStaysBelowHigh(float low, float high)
    {
        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = 1 });
        RandomFillArgs args = Arguments(Distribution.Uniform);
        (args.Low, args.High) = (low, high);
        Assert.All(Fill(device, args, 5000), value => Assert.True(value >= low && (value < high || low == high), $"{value:R}"));
    }

    [Theory]
    [InlineData(0f, 1f, 3f, 4f), InlineData(0f, 1f, -0.001f, 0.001f), InlineData(0f, 0.02f, -0.04f, 0.04f), InlineData(2f, 0f, 2f, 2f)]
    [InlineData(1f, 3f, float.NegativeInfinity, 0f), InlineData(0f, 1f, float.NegativeInfinity, float.PositiveInfinity)]
    public void TruncatedStaysWithinItsBounds(float mean, float deviation, float low, float high)
    {
        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = 1 });
        RandomFillArgs args = Arguments(Distribution.TruncatedNormal);
        (args.Mean, args.StandardDeviation, args.Low, args.High) = (mean, deviation, low, high);
        float[] values = Fill(device, args, 5000);
        Assert.All(values, value => Assert.InRange(value, low, high));
        if (deviation > 0) Assert.True(values.Distinct().Count() > 4500);
        if (!float.IsInfinity(low) || !float.IsInfinity(high)) return;
        args.Distribution = Distribution.Normal;
        // Without bounds the words are the same, in another order: the truncated draw counts them from the lowest value.
        Assert.NotEqual(Text(values), Text(Fill(device, args, 5000)));
    }

    [Theory, MemberData(nameof(Cases))]
    public void NoneAndOne(string name, Distribution distribution)
    {
        using Device device = TestDevices.Open(name);
        Assert.Empty(Fill(device, Arguments(distribution), 0));
        Assert.Single(Fill(device, Arguments(distribution), 1));
    }

    [Theory]
    [InlineData("RandomFill: Count is -1; it must not be negative.", "count")]
    [InlineData("RandomFill: Offset is -4; it must not be negative.", "offset")]
    [InlineData("RandomFill: Output is missing; it holds [1, 8] Float32 values.", "missing")]
    [InlineData("RandomFill: Output has dtype Float64; this device needs Float32.", "dtype")]
    [InlineData("RandomFill: Low is 2 and High is 1; a finite range [Low, High) is needed.", "range")]
    [InlineData("RandomFill: Low is NaN and High is 1; Low must not be above High.", "nan")]
    [InlineData("RandomFill: Mean is 0 and StandardDeviation is -1; both must be finite and the deviation not negative.", "deviation")]
    [InlineData("RandomFill: no value of the normal distribution with Mean 0 and StandardDeviation 1 lies between Low 7 and High 8.", "empty")]
    [InlineData("RandomFill: Distribution is 9, which is none.", "distribution")]
    public void BrokenRulesAreNamed(string message, string what)
    {
        using Device device = Device.Parse("cpu", new DeviceOptions { Threads = 1 });
        using var output = new DeviceBuffer(device, 1, 8);
        RandomFillArgs args = Arguments(Distribution.Uniform);
        (args.Count, args.Output) = (8, output);
        switch (what)
        {
            case "count": args.Count = -1; break;
            case "offset": args.Offset = -4; break;
            case "missing": args.Output = default; break;
            case "dtype": args.Output.DType = DType.Float64; break;
            case "range": args.Low = 2; break;
            case "nan": (args.Distribution, args.Low) = (Distribution.TruncatedNormal, float.NaN); break;
            case "deviation": (args.Distribution, args.StandardDeviation) = (Distribution.Normal, -1); break;
            case "empty": (args.Distribution, args.Low, args.High) = (Distribution.TruncatedNormal, 7, 8); break;
            case "distribution": args.Distribution = (Distribution)9; break;
        }
        var exception = Assert.Throws<KernelArgumentException>(() => device.Kernels.RandomFill(device.Launch(), args));
        Assert.Equal(message, exception.Message);
        Assert.All(output.Download(), value => Assert.True(float.IsNaN(value)));
    }

    [Fact]
    public void PurposesAreHashedByFnv1a()
    {
        Assert.Equal(0xAF63BD4C8601B7DFul, RandomKey.Purpose("", ""));
        Assert.Equal(0x21CFD59DECE53C2Bul, Purpose);
        Assert.NotEqual(RandomKey.Purpose("a", "b.c"), RandomKey.Purpose("a.b", "c"));
    }

    private static RandomFillArgs Arguments(Distribution distribution, long offset = 0) =>
        new() { Distribution = distribution, Seed = Seed, Purpose = Purpose, Offset = offset };

    private static float[] Fill(Device device, RandomFillArgs args, int count)
    {
        using var output = new DeviceBuffer(device, 1, count);
        (args.Count, args.Output) = (count, output);
        device.Kernels.RandomFill(device.Launch(), args);
        return output.Download();
    }

    private static float Quantile(uint word)
    {
        RandomConversion.Symmetric((int)word, out float x, out float y);
        return RandomConversion.Normal<SimdScalar>(new(x), new(y)).Value;
    }

    private static string Text(IEnumerable<float> values) => string.Join(' ', values.Select(value => BitConverter.SingleToUInt32Bits(value).ToString("X8")));
}
