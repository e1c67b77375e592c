using MM1.Native.Kernels.Cpu;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>Conformance on the registers of lesser machines, down to none; families add their classes to the list.</summary>
public sealed class NarrowerMachineTests
{
    private static readonly string[] Classes = ["*.GemmTests", "*.BiasGradientTests", "*.ConvolutionTests", "*.ResamplingTests", "*.EmbeddingTests"];

    [Theory]
    [InlineData("DOTNET_EnableAVX512", 256)]
    [InlineData("DOTNET_EnableAVX2", 128)]
    [InlineData("DOTNET_EnableHWIntrinsic", 0)]
    public void KernelsConform(string setting, int bits)
    {
        var environment = new Dictionary<string, string>
        {
            [setting] = "0",
            [RegisterWidthTests.Variable] = Math.Min(bits, SimdWidth.Bits).ToString(),
            ["MM1_TEST_DEVICES"] = "cpu/2",
        };
        ChildRun.Check(environment, [$"*.{nameof(RegisterWidthTests)}", .. Classes]);
    }
}

/// <summary>In a child process: that the instruction sets are off indeed.</summary>
public sealed class RegisterWidthTests
{
    internal const string Variable = "MM1_TEST_SIMD_BITS";

    [Fact]
    public void IsAsAskedFor()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { } bits) Assert.Equal(bits, SimdWidth.Bits.ToString());
    }
}
