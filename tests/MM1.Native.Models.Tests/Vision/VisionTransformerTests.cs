using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class VisionTransformerTests
{
    private static readonly VisionConfig Clip = VisionConfig.Clip(20, 4, 3, 32, 2);
    private static readonly VisionConfig Aim = VisionConfig.Aim(20, 4, 3, 32, 4, featureLayers: 2) with { Activation = Activation.QuickGelu };

    private static readonly (bool Clip, int Prefix)[] Forms = [(true, -1), (false, -1), (false, 7)];

    public static IEnumerable<TheoryDataRow<string, int>> Cases() => TestDevices.Rows(0, 1, 2);

    /// <summary>The whole encoder against plain loops in float64: CLIP's form, AIM's with full and with prefix attention.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void FeaturesAgreeWithTheReference(string deviceName, int form)
    {
        (bool clip, int prefix) = Forms[form];
        VisionConfig config = clip ? Clip : Aim;
        using Device device = TestDevices.Open(deviceName);
        using VisionTransformer model = Build(device, config);
        float[] images = Samples.Normal(1, 2 * 20 * 20 * 3);
        int layers = clip ? 3 : 2;
        double[] truth = Reference<double>();
        float[] plain = Reference<float>();
        using (device.BeginInference())
        {
            Tensor features = model.Forward(Tensor.From(images, [2, 20, 20, 3]), prefix < 0 ? null : Tensor.From([prefix, prefix], [2]));
            Assert.Equal(new Shape(2, 5, 5, 32), features.Shape);
            Agreement.Check("features", features.ToArray(), truth, plain);
        }

        T[] Reference<T>() where T : System.Numerics.IFloatingPointIeee754<T>
        {
            var weights = new Weights<T>(model);
            return [.. Enumerable.Range(0, 2).SelectMany(i => VisionReference<T>.Forward(weights, config, Samples.As<T>(images.AsSpan(i * 1200, 1200)), layers, prefix))];
        }
    }

    [Fact]
    public void AnImageDoesNotDependOnItsNeighbours()
    {
        using Device device = TestDevices.Open("cpu/2");
        using VisionTransformer model = Build(device, Clip);
        float[] images = Samples.Normal(2, 3 * 1200);
        using (device.BeginInference())
        {
            float[] together = model.Forward(Tensor.From(images, [3, 20, 20, 3])).ToArray();
            float[] alone = model.Forward(Tensor.From(images[1200..2400], [1, 20, 20, 3])).ToArray();
            Agreement.CheckBitwise("second image", together.AsSpan(800, 800), alone);
        }
    }

    [Fact]
    public void OtherResolutionsInterpolateThePositions()
    {
        using Device device = TestDevices.Open("cpu/1");
        foreach (VisionConfig config in new[] { Clip, Aim })
        {
            using VisionTransformer model = Build(device, config);
            using (device.BeginStep())
            {
                Tensor features = model.Forward(Tensor.From(Samples.Normal(3, 28 * 36 * 3), [1, 28, 36, 3]));
                Assert.Equal(new Shape(1, 7, 9, 32), features.Shape);
                Functional.Sum(Functional.Multiply(features, features)).Backward();
                Assert.True(model.Parameters()["patch_embedding.weight"].HasGradient);
                if (config == Clip) Assert.True(model.Parameters()["position_embedding"].HasGradient);
                OperationException error = Assert.Throws<OperationException>(() => model.Forward(Tensor.Zeros([1, 21, 20, 3])));
                Assert.Contains("[1, 21, 20, 3]", error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void PoolingTakesTheClassTokenThroughTheProjection()
    {
        using Device device = TestDevices.Open("cpu/1");
        using VisionTransformer clip = Build(device, Clip with { PostNorm = true, ProjectionWidth = 24 }), aim = Build(device, Aim with { PostNorm = true });
        using (device.BeginStep())
        {
            Tensor images = Tensor.From(Samples.Normal(4, 2 * 1200), [2, 20, 20, 3]);
            Assert.Equal(new Shape(2, 24), clip.Pool(images).Shape);
            Assert.Equal(new Shape(2, 32), aim.Pool(images).Shape);
            Functional.Sum(clip.Pool(images)).Backward();
            Assert.All(clip.Parameters(), parameter => Assert.True(parameter.HasGradient, parameter.Name));
        }
    }

    [Fact]
    public void RecomputationGivesTheSameGradients()
    {
        using Device device = TestDevices.Open("cpu/2");
        using VisionTransformer keeps = Build(device, Clip), recomputes = Build(device, Clip);
        recomputes.RecomputesActivations = true;
        foreach (VisionTransformer model in new[] { keeps, recomputes })
        {
            using (device.BeginStep())
            {
                Tensor features = model.Forward(Tensor.From(Samples.Normal(5, 1200), [1, 20, 20, 3]));
                Functional.Sum(Functional.Multiply(features, features)).Backward();
            }
        }
        foreach (Parameter parameter in keeps.Parameters()) Agreement.CheckBitwise(parameter.Name, recomputes.Parameters()[parameter.Name].Gradient.ToArray(), parameter.Gradient.ToArray());
    }

    [Theory]
    [InlineData(2, 8, 32, "2 convolutions of stride 2 make patches of 4, not 8.")]
    [InlineData(4, 8, 32, "4 convolutions of stride 2 make patches of 16, not 8.")]
    [InlineData(4, 16, 4, "A width of 4 is too small for 4 convolutions whose channels double.")]
    public void AStemMustMakeThePatches(int convolutions, int patch, long width, string message)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => new VisionTransformer(VisionConfig.Clip(2 * patch, patch, 1, width, 1) with { StemConvolutions = convolutions }));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    private static VisionTransformer Build(Device device, VisionConfig config)
    {
        var model = new VisionTransformer(config);
        model.Build(device, 5);
        RandomWeights.Fill(model);
        return model;
    }
}
