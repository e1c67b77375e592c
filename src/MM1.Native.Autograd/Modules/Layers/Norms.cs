using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Layer normalization over the last dimension. Parameters: <c>weight</c>, <c>bias</c> [width].</summary>
public sealed class LayerNorm : Module
{
    private readonly float _epsilon;

    /// <summary>Describes the layer.</summary>
    public LayerNorm(long width, float epsilon = 1e-5f, bool bias = true)
    {
        _epsilon = epsilon;
        Weight = AddParameter("weight", [width], Initializer.Ones);
        if (bias) Bias = AddParameter("bias", [width], Initializer.Zeros);
    }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>[width], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>x [..., width] normalized, and activated in the same pass (<see cref="Functional.LayerNorm(Tensor, Tensor?, Tensor?, float, Activation)"/>).</summary>
    public Tensor Forward(Tensor x, Activation activation = Activation.None) => Functional.LayerNorm(x, Weight, Bias, _epsilon, activation);

    /// <summary>x + residual, and that normalized.</summary>
    public (Tensor Sum, Tensor Output) Forward(Tensor x, Tensor residual) => Functional.AddLayerNorm(x, residual, Weight, Bias, _epsilon);
}

/// <summary>Root-mean-square normalization over the last dimension. Parameter: <c>weight</c> [width].</summary>
public sealed class RmsNorm : Module
{
    private readonly float _epsilon;

    /// <summary>Describes the layer.</summary>
    public RmsNorm(long width, float epsilon = 1e-5f)
    {
        _epsilon = epsilon;
        Weight = AddParameter("weight", [width], Initializer.Ones);
    }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>x [..., width] normalized.</summary>
    public Tensor Forward(Tensor x) => Functional.RmsNorm(x, Weight, _epsilon);

    /// <summary>x + residual, and that normalized.</summary>
    public (Tensor Sum, Tensor Output) Forward(Tensor x, Tensor residual) => Functional.AddRmsNorm(x, residual, Weight, _epsilon);
}
