using System.Numerics;
using MM1.Native.Autograd;
using MM1.Native.TestSupport;

namespace MM1.Native.Models.Tests;

/// <summary>A module's parameters by name, in the precision of a reference.</summary>
internal sealed class Weights<T>(Module module) where T : IFloatingPointIeee754<T>
{
    private readonly Dictionary<string, T[]> _values = module.Parameters().ToDictionary(parameter => parameter.Name, parameter => Samples.As<T>(parameter.ToArray()));

    public T[] this[string name] => _values[name];

    public T[]? Find(string name) => _values.GetValueOrDefault(name);
}

internal static class RandomWeights
{
    /// <summary>Draws every parameter, norms and biases too, so that a wrong place or sign of any shows.</summary>
    public static void Fill(Module module)
    {
        int seed = 100;
        foreach (Parameter parameter in module.Parameters())
        {
            float[] values = Samples.Normal(seed++, parameter.Elements, parameter.Shape.Rank > 1 ? 0.5 / Math.Sqrt(parameter.Elements / (double)parameter.Shape[0]) : 0.3);
            bool norm = parameter.Name.EndsWith(".weight", StringComparison.Ordinal) && parameter.Shape.Rank == 1;
            if (norm) values = [.. values.Select(value => 1 + value)];
            parameter.Load(values);
        }
    }
}
