using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>y = x weight^T + bias, optionally with an activation and a residual in the same kernel. Parameters: <c>weight</c> [out, in], <c>bias</c> [out].</summary>
public sealed class Linear : Module
{
    /// <summary>Describes the layer.</summary>
    public Linear(long inputWidth, long outputWidth, bool bias = true, Initializer? initializer = null)
    {
        Weight = AddParameter("weight", [outputWidth, inputWidth], initializer ?? Initializer.FanIn());
        if (bias) Bias = AddParameter("bias", [outputWidth], Initializer.Zeros);
    }

    /// <summary>[out, in].</summary>
    public Parameter Weight { get; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>x [..., in] to activation(x weight^T + bias) + residual [..., out].</summary>
    public Tensor Forward(Tensor x, Activation activation = Activation.None, Tensor? residual = null) =>
        Functional.Linear(x, Weight, Bias, activation, residual);
}
