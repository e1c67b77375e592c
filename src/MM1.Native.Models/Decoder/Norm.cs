using MM1.Native.Autograd;

namespace MM1.Native.Models;

/// <summary>A norm of the configured kind over the last dimension. Parameters: <c>weight</c> [width], and <c>bias</c> [width] of a layer norm.</summary>
public sealed class Norm : Module
{
    private readonly float _epsilon;

    /// <summary>Describes the layer.</summary>
    public Norm(NormKind kind, long width, float epsilon)
    {
        (Kind, _epsilon) = (kind, epsilon);
        Weight = AddParameter("weight", [width], Initializer.Ones);
        if (kind == NormKind.Layer) Bias = AddParameter("bias", [width], Initializer.Zeros);
    }

    /// <summary>Which norm.</summary>
    public NormKind Kind { get; }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>[width], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>x [..., width] normalized.</summary>
    public Tensor Forward(Tensor x) => Kind == NormKind.Rms ? Functional.RmsNorm(x, Weight, _epsilon) : Functional.LayerNorm(x, Weight, Bias, _epsilon);

    /// <summary>x + residual, and that normalized, in one pass.</summary>
    public (Tensor Sum, Tensor Output) Forward(Tensor x, Tensor residual) =>
        Kind == NormKind.Rms ? Functional.AddRmsNorm(x, residual, Weight, _epsilon) : Functional.AddLayerNorm(x, residual, Weight, Bias, _epsilon);
}
