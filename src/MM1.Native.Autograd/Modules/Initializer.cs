using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// Initial values of a parameter, drawn from Philox keyed by (seed, "init", dotted name): the same on every device, and
/// unaffected by what other parameters a model has.
/// </summary>
public abstract record Initializer
{
    /// <summary>All zero.</summary>
    public static Initializer Zeros { get; } = new ConstantInitializer(0);

    /// <summary>All one.</summary>
    public static Initializer Ones { get; } = new ConstantInitializer(1);

    /// <summary>One value.</summary>
    public static Initializer Constant(float value) => new ConstantInitializer(value);

    /// <summary>Normal.</summary>
    public static Initializer Normal(float standardDeviation, float mean = 0) => new RandomInitializer(Distribution.Normal, _ => (mean, standardDeviation, 0, 0));

    /// <summary>Normal restricted to two standard deviations (ViT, C-Abstractor positions: 0.02).</summary>
    public static Initializer TruncatedNormal(float standardDeviation) =>
        new RandomInitializer(Distribution.TruncatedNormal, _ => (0, standardDeviation, -2 * standardDeviation, 2 * standardDeviation));

    /// <summary>Uniform in [low, high).</summary>
    public static Initializer Uniform(float low, float high) => new RandomInitializer(Distribution.Uniform, _ => (0, 1, low, high));

    /// <summary>Normal with standard deviation gain / sqrt(fan in), where fan in is the product of all dimensions but the first.</summary>
    public static Initializer FanIn(float gain = 1) => new RandomInitializer(Distribution.Normal, shape => (0, gain / MathF.Sqrt(Math.Max(1, FanInOf(shape))), 0, 0));

    internal abstract void Apply(Device device, nint address, Shape shape, ulong seed, string name);

    private static long FanInOf(Shape shape) => shape.Rank < 2 ? shape.Elements : shape.Elements / Math.Max(1, shape[0]);

    private sealed record ConstantInitializer(float Value) : Initializer
    {
        internal override void Apply(Device device, nint address, Shape shape, ulong seed, string name) =>
            device.Kernels.Fill(device.Launch(), new FillArgs { Rows = 1, Columns = shape.Elements, Output = new Operand(address, DType.Float32, shape.Elements), Value = Value });
    }

    private sealed record RandomInitializer(Distribution Distribution, Func<Shape, (float Mean, float Deviation, float Low, float High)> Moments) : Initializer
    {
        internal override void Apply(Device device, nint address, Shape shape, ulong seed, string name)
        {
            (float mean, float deviation, float low, float high) = Moments(shape);
            device.Kernels.RandomFill(device.Launch(), new RandomFillArgs
            {
                Distribution = Distribution,
                Count = shape.Elements,
                Output = new Operand(address, DType.Float32, shape.Elements),
                Seed = seed,
                Purpose = RandomKey.Purpose("init", name),
                Mean = mean,
                StandardDeviation = deviation,
                Low = low,
                High = high,
            });
        }
    }
}
