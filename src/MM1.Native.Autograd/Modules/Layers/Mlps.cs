using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Two linear layers with an activation between. Parameters: <c>fc1</c>, <c>fc2</c>.</summary>
public sealed class Mlp : Module
{
    private readonly Activation _activation;

    /// <summary>Describes the block.</summary>
    public Mlp(long width, long hidden, Activation activation = Activation.Gelu, bool bias = true, Initializer? initializer = null, Initializer? outputInitializer = null)
    {
        _activation = activation;
        First = AddChild("fc1", new Linear(width, hidden, bias, initializer));
        Second = AddChild("fc2", new Linear(hidden, width, bias, outputInitializer ?? initializer));
    }

    /// <summary>width to hidden.</summary>
    public Linear First { get; }

    /// <summary>hidden to width.</summary>
    public Linear Second { get; }

    /// <summary>x [..., width] to mlp(x) + residual.</summary>
    public Tensor Forward(Tensor x, Tensor? residual = null) => Second.Forward(First.Forward(x, _activation), residual: residual);
}

/// <summary>
/// Gated MLP, down(silu(gate x) * up x) (Shazeer 2020, arXiv 2002.05202). Parameters: <c>gate_up.weight</c> [2 * hidden, width]
/// (gate rows first) and <c>down.weight</c> [width, hidden].
/// </summary>
public sealed class SwiGluMlp : Module
{
    private readonly Activation _activation;

    /// <summary>Describes the block.</summary>
    public SwiGluMlp(long width, long hidden, bool bias = false, Activation activation = Activation.Silu, Initializer? initializer = null, Initializer? outputInitializer = null)
    {
        _activation = activation;
        GateUp = AddChild("gate_up", new Linear(width, 2 * hidden, bias, initializer));
        Down = AddChild("down", new Linear(hidden, width, bias, outputInitializer ?? initializer));
    }

    /// <summary>The fused projection.</summary>
    public Linear GateUp { get; }

    /// <summary>hidden to width.</summary>
    public Linear Down { get; }

    /// <summary>x [..., width] to mlp(x) + residual.</summary>
    public Tensor Forward(Tensor x, Tensor? residual = null) =>
        Down.Forward(Functional.GatedActivation(GateUp.Forward(x), _activation), residual: residual);
}
