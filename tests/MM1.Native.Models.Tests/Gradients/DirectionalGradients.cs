using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>
/// Gradients of whole modules: for each parameter, the gradient along a random direction against the central difference of the
/// float64 reference along the same direction.
/// </summary>
internal static class DirectionalGradients
{
    public static void Check(Device device, Module module, Func<Tensor> forward, Func<Weights<double>, double[]> reference, double floor = 1e-4)
    {
        const double Step = 1e-5;
        var weights = new Weights<double>(module);
        double[] output = reference(weights);
        float[] upstream = output.Length == 1 ? [1] : Samples.Normal(77, output.Length);
        using (device.BeginStep())
        {
            Tensor result = forward();
            Functional.Sum(Functional.Multiply(result, Tensor.From(upstream, result.Shape))).Backward();
        }
        int seed = 500;
        foreach (Parameter parameter in module.Parameters())
        {
            double[] direction = Samples.As<double>(Samples.Normal(seed++, parameter.Elements));
            float[] gradient = parameter.Gradient.ToArray();
            double along = 0, size = 0;
            for (int i = 0; i < gradient.Length; i++)
            {
                along += gradient[i] * direction[i];
                size += gradient[i] * (double)gradient[i];
            }
            double numeric = (Dot(reference(weights.Moved(parameter.Name, direction, Step))) - Dot(reference(weights.Moved(parameter.Name, direction, -Step)))) / (2 * Step);
            // A unit of the gradient's own length; the floor is for parameters whose gradient is zero by construction.
            double limit = 1e-4 * Math.Sqrt(size) + floor;
            Assert.True(Math.Abs(along - numeric) <= limit, $"{parameter.Name}: the gradient along a direction is {along}, the reference's {numeric}; allowed {limit:E2}");
        }

        double Dot(double[] values) => values.Select((value, i) => value * upstream[i]).Sum();
    }
}
