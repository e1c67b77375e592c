using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using Xunit;

namespace MM1.Native.Training.Tests;

/// <summary>
/// Fifty losses of a small run, to the bit. Sums inside a row are taken in as many lanes as a register has, so that the bits depend on the register's width (and on nothing else of the machine:
/// not on threads, not on the processor): one curve for each width is in <c>reference-curve.txt</c>. A change of the engine that moves a bit has to be meant: then write the new curve there and say why.
/// </summary>
public sealed class ReferenceCurveTests
{
    private static readonly string[] Sets =
    [
        "schedule.steps=50", "schedule.warmupSteps=5", "checkpoints.every=0", "accumulation=2", "optimizer.zLoss=0.0001",
        "model.vision={imageSize: 48, patchSize: 12, layers: 2, width: 24, heads: 3, classToken: true, preNorm: true}",
        "model.connector={kind: cAbstractor, tokens: 4, hidden: 24, depth: 1}",
        "model.decoder={layers: 2, width: 32, heads: 4, keyValueHeads: 2, hidden: 48, maxPositions: 256}", "data.length=96",
    ];

    [Theory, InlineData(512), InlineData(256)]
    public void LossesAreTheseBits(int width) => Compare(width);

    /// <summary>Registers of 128 bits, on x64 without fused multiply-add, which is computed in software then: ten seconds.</summary>
    [Fact, Trait("Tier", "nightly")]
    public void LossesOfTheNarrowestMachineAreTheseBits() => Compare(128);

    private static void Compare(int width)
    {
        bool isNative = width == (Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128);
        Assert.SkipUnless(isNative || (width == 256 && Vector512.IsHardwareAccelerated) || width == 128, $"this machine's registers have fewer than {width} bits");
        var environment = new Dictionary<string, string>();
        if (width < 512) environment["DOTNET_EnableAVX512"] = "0";
        if (width < 256) environment["DOTNET_EnableAVX2"] = environment["DOTNET_EnableAVX"] = "0";
        using var folder = new TemporaryFolder();
        using Process child = ChildProgram.Start(folder["run"], Sets, environment: environment);
        string[] actual = child.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string error = child.StandardError.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, error);
        if (Environment.GetEnvironmentVariable("MM1_WRITE_REFERENCE_CURVE") is { } target)
            File.AppendAllLines(target, actual.Select(line => string.Create(CultureInfo.InvariantCulture, $"{width} {line}")));
        string[] expected = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "reference-curve.txt")).Where(line => line.StartsWith($"{width} ", StringComparison.Ordinal)).Select(line => line[4..])];
        Assert.Equal(expected, actual);
        double first = Loss(expected[0]), last = Loss(expected[^1]);
        Assert.True(last < first - 0.5, $"the committed curve learns nothing: {first} to {last}");
    }

    private static double Loss(string line) => BitConverter.UInt64BitsToDouble(ulong.Parse(line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
}
