using MM1.Native.Kernels;
using MM1.Native.TestSupport;

namespace MM1.Native.Autograd.Tests;

/// <summary>The scalar that gradients are taken of: outputs times fixed random tensors, summed.</summary>
internal static class Dual
{
    public static float[] Weights(int seed, Shape shape) => Samples.Normal(seed, shape.Elements);

    /// <summary>sum(x * weights) in float32 through a reshape and a matrix product: its gradient is the weights, to the bit (in x's dtype).</summary>
    public static Tensor Product(Tensor x, float[] weights)
    {
        if (x.DType != DType.Float32) x = Functional.Cast(x, DType.Float32);
        Tensor row = Functional.Reshape(x, [1, x.Elements]);
        return Functional.Reshape(Functional.MatMul(row, Tensor.From(weights, [x.Elements, 1])), []);
    }

    /// <summary>Sum over outputs of their products with the weights of seeds 1, 2, ...; null where the outputs are none.</summary>
    public static Tensor Of(params ReadOnlySpan<Tensor> outputs)
    {
        Tensor total = default;
        for (int i = 0; i < outputs.Length; i++)
        {
            Tensor term = Product(outputs[i], Weights(1 + i, outputs[i].Shape));
            total = i == 0 ? term : total + term;
        }
        return total;
    }

    /// <summary>The same on the host in float64, of outputs that are not skipped.</summary>
    public static double OnHost(ReadOnlySpan<Tensor> outputs, int only, out double scale)
    {
        double total = 0;
        scale = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            if (only >= 0 && i != only) continue;
            float[] values = outputs[i].ToArray(), weights = Weights(1 + i, outputs[i].Shape);
            for (int j = 0; j < values.Length; j++)
            {
                total += (double)values[j] * weights[j];
                scale += weights[j] * weights[j] * (1 + (double)values[j] * values[j]);
            }
        }
        scale = Math.Sqrt(scale);
        return total;
    }
}
