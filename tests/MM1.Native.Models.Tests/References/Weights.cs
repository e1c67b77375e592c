using System.Numerics;
using MM1.Native.Autograd;
using MM1.Native.TestSupport;

namespace MM1.Native.Models.Tests;

/// <summary>A module's parameters by name, in the precision of a reference.</summary>
internal sealed class Weights<T>(Dictionary<string, T[]> values) where T : IFloatingPointIeee754<T>
{
    public Weights(Module module) : this(module.Parameters().ToDictionary(parameter => parameter.Name, parameter => Samples.As<T>(parameter.ToArray()))) { }

    public T[] this[string name] => values[name];

    public T[]? Find(string name) => values.GetValueOrDefault(name);

    /// <summary>The parameters of a part, whose names begin with the prefix, by the rest of their names.</summary>
    public Weights<T> Part(string prefix) =>
        new(values.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value));

    /// <summary>The same with one parameter moved.</summary>
    public Weights<T> Moved(string name, T[] direction, T step) =>
        new(new Dictionary<string, T[]>(values) { [name] = [.. values[name].Select((value, i) => value + step * direction[i])] });
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
