namespace MM1.Native.Autograd;

/// <summary>Rows of a table by id. Parameter: <c>weight</c> [vocabulary, width].</summary>
public sealed class Embedding : Module
{
    /// <summary>Describes the layer; the default initial values are normal with standard deviation 0.02 (GPT-2).</summary>
    public Embedding(long vocabulary, long width, Initializer? initializer = null) =>
        Weight = AddParameter("weight", [vocabulary, width], initializer ?? Initializer.Normal(0.02f));

    /// <summary>[vocabulary, width].</summary>
    public Parameter Weight { get; }

    /// <summary>ids [...] to [..., width].</summary>
    public Tensor Forward(Tensor ids) => Functional.Embedding(ids, Weight);
}
