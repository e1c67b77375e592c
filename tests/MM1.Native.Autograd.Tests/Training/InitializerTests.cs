using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class InitializerTests
{
    [Fact]
    public void InitialValuesDependOnSeedAndNameOnly()
    {
        using Device one = TestDevices.Open("cpu/1"), two = TestDevices.Open("cpu/2");
        using var model = new TinyDecoder(new TinyConfig(), one, 5);
        using var larger = new TinyDecoder(new TinyConfig(Layers: 3, Extra: true), two, 5);
        using var other = new TinyDecoder(new TinyConfig(), one, 6);
        foreach ((string name, Parameter parameter) in model.Parameters().Names.Zip(model.Parameters()))
        {
            float[] values = parameter.ToArray();
            Agreement.CheckBitwise(name, larger.Parameters()[name].ToArray(), values);
            if (!name.Contains("norm", StringComparison.Ordinal)) Assert.NotEqual(values, other.Parameters()[name].ToArray());
        }
        ParameterList parameters = model.Parameters();
        Assert.NotEqual(parameters["layers.0.mlp.down.weight"].ToArray(), parameters["layers.1.mlp.down.weight"].ToArray());
    }

    [Fact]
    public void DistributionsHaveTheirMoments()
    {
        using Device device = TestDevices.Open("cpu/2");
        using var module = new Initialized();
        module.Build(device, 11);
        ParameterList parameters = module.Parameters();
        const int Count = 40000;
        // Five standard errors of the estimates: of the mean sigma / sqrt(n), of the deviation sigma / sqrt(2 n).
        Moments("normal", 1, 3, 5);
        Moments("fan_in", 0, 2 / Math.Sqrt(400), 5);
        Moments("uniform", 0.5, 1 / Math.Sqrt(12) * 3, 5);
        Assert.All(parameters["uniform"].ToArray(), value => Assert.InRange(value, -1, 2));
        // A normal cut at two deviations has 0.8796 of the deviation.
        Moments("truncated", 0, 0.8796256610342398 * 0.02, 5);
        Assert.All(parameters["truncated"].ToArray(), value => Assert.InRange(value, -0.04f, 0.04f));
        Assert.All(parameters["zeros"].ToArray(), value => Assert.Equal(0, value));
        Assert.All(parameters["ones"].ToArray(), value => Assert.Equal(1, value));
        Assert.All(parameters["constant"].ToArray(), value => Assert.Equal(-2.5f, value));

        void Moments(string name, double mean, double deviation, double errors)
        {
            float[] values = parameters[name].ToArray();
            Assert.Equal(Count, values.Length);
            double average = values.Average(value => (double)value), spread = Math.Sqrt(values.Average(value => (value - average) * (value - average)));
            Assert.Equal(mean, average, errors * deviation / Math.Sqrt(Count));
            Assert.Equal(deviation, spread, errors * deviation / Math.Sqrt(2 * Count));
        }
    }

    private sealed class Initialized : Module
    {
        public Initialized()
        {
            Shape shape = [100, 20, 20];
            AddParameter("normal", shape, Initializer.Normal(3, 1));
            AddParameter("fan_in", shape, Initializer.FanIn(2));
            AddParameter("uniform", shape, Initializer.Uniform(-1, 2));
            AddParameter("truncated", shape, Initializer.TruncatedNormal(0.02f));
            AddParameter("zeros", [3], Initializer.Zeros);
            AddParameter("ones", [3], Initializer.Ones);
            AddParameter("constant", [3], Initializer.Constant(-2.5f));
        }
    }
}
