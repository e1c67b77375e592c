using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>
/// Products of bfloat16 and tf32, which only native devices have, and the native form of what <see cref="GemmTests"/> asks of the CPU; its float32 cases run
/// on native devices too. Shapes are around the edges of tiles of 64 to 256 and of k steps of 16 to 64.
/// </summary>
public sealed class GemmNativeTests
{
    private static readonly string[] Layouts = ["NN", "NT", "TN", "TT"];

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Shapes() => OnNative(
        from layout in Layouts
        from shape in new (int M, int N, int K)[] { (1, 1, 1), (1, 33, 5), (7, 8, 16), (65, 72, 64), (64, 64, 129), (127, 130, 40), (130, 66, 200) }
        from padding in new[] { 0, 3, 8 }
        select new GemmCase { M = shape.M, N = shape.N, K = shape.K, Layout = layout, Padding = padding, Compute = DType.BFloat16, Float32Output = padding == 8 });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Empty() => OnNative(
        from shape in new (int M, int N, int K)[] { (0, 5, 5), (5, 0, 5), (5, 6, 0), (0, 0, 0) }
        from beta in new[] { 0f, 0.5f }
        select new GemmCase { M = shape.M, N = shape.N, K = shape.K, Beta = beta, Bias = true, Activation = Activation.Gelu, Residual = 1, Compute = DType.BFloat16 });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Epilogues() => OnNative(
        from activation in Enum.GetValues<Activation>()
        from gradient in new[] { false, true }
        from residual in new[] { 0, 1, 2 }
        from float32 in new[] { false, true }
        select new GemmCase
        {
            M = 37,
            N = float32 ? 40 : 66,
            K = 24,
            Layout = Layouts[((int)activation + residual) % 4],
            Activation = activation,
            Gradient = gradient,
            Residual = residual,
            PreActivation = residual != 1,
            Bias = residual != 2,
            Alpha = float32 ? 0.75f : 1,
            Beta = gradient && residual != 2 ? 0.5f : 0,
            Padding = residual,
            Compute = DType.BFloat16,
            Float32Output = float32,
        });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Batches() => OnNative(
        from batch in new[] { 2, 5 }
        from shared in new[] { 0, 1, 2 }
        select new GemmCase { M = 33, N = 40, K = 48, Batch = batch, ShareA = shared == 1, ShareB = shared == 2, Layout = Layouts[shared], Padding = shared, Compute = DType.BFloat16 });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Tf32() => OnNative(
        from layout in Layouts
        from shape in new (int M, int N, int K)[] { (1, 1, 1), (33, 40, 17), (70, 66, 130) }
        from padding in new[] { 0, 4 }
        select new GemmCase { M = shape.M, N = shape.N, K = shape.K, Layout = layout, Padding = padding, MathMode = MathMode.Tf32 });

    [Theory, MemberData(nameof(Shapes)), MemberData(nameof(Empty)), MemberData(nameof(Epilogues)), MemberData(nameof(Batches)), MemberData(nameof(Tf32))]
    public void AgreesWithTheReference(string deviceName, GemmCase @case)
    {
        using Device device = TestDevices.Open(deviceName);
        @case.Check(device);
    }

    /// <summary>The bits of a row depend neither on the rows beside it nor on the batch, and a repetition has the same.</summary>
    [Theory, MemberData(nameof(Precisions))]
    public void ARowIsTheSameBitsAmongAnyOthers(string deviceName, DType dtype, MathMode mode)
    {
        using Device device = TestDevices.Open(deviceName);
        var all = new GemmCase { M = 140, N = 70, K = 150, Layout = "NT", Bias = true, Activation = Activation.Gelu, Compute = dtype, MathMode = mode };
        float[]? expected = null;
        foreach (int m in new[] { 140, 140, 65, 17, 1 })
        {
            float[] output = (all with { M = m }).Run(device).Output;
            expected ??= output;
            Agreement.CheckBitwise($"{dtype} {mode} M={m} on {deviceName}", output, expected.AsSpan(0, output.Length));
        }
        float[] many = (all with { Batch = 3, ShareB = true }).Run(device).Output;
        Agreement.CheckBitwise($"{dtype} {mode} first of 3 on {deviceName}", many.AsSpan(0, expected!.Length), expected);
    }

    public static IEnumerable<TheoryDataRow<string, DType, MathMode>> Precisions() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, DType, MathMode>("", DType.Float32, MathMode.Default) { Skip = TestDevices.NativeMissing }]
        : from name in TestDevices.Native
          from precision in new[] { (DType.Float32, MathMode.Default), (DType.Float32, MathMode.Tf32), (DType.BFloat16, MathMode.Default) }
          select new TheoryDataRow<string, DType, MathMode>(name, precision.Item1, precision.Item2);

    private static IEnumerable<TheoryDataRow<string, GemmCase>> OnNative(IEnumerable<GemmCase> cases) => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, GemmCase>("", cases.First()) { Skip = TestDevices.NativeMissing }]
        : from @case in cases from name in TestDevices.Native select new TheoryDataRow<string, GemmCase>(name, @case);
}
