using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.IO.Enumeration;

namespace MM1.Native.Autograd;

/// <summary>Parameters of a model by dotted name.</summary>
[SuppressMessage("Naming", "CA1710", Justification = "It is the list of parameters.")]
public sealed class ParameterList : IReadOnlyList<Parameter>
{
    private readonly List<Parameter> _parameters = [];
    private readonly List<string> _names = [];
    private readonly Dictionary<string, Parameter> _byName = new(StringComparer.Ordinal);

    internal ParameterList(IEnumerable<(string Name, Parameter Parameter)> entries)
    {
        foreach ((string name, Parameter parameter) in entries)
        {
            _parameters.Add(parameter);
            _names.Add(name);
            _byName[name] = parameter;
        }
    }

    /// <inheritdoc/>
    public int Count => _parameters.Count;

    /// <summary>Dotted names, in order.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <inheritdoc/>
    public Parameter this[int index] => _parameters[index];

    /// <summary>The parameter of a name.</summary>
    /// <exception cref="KeyNotFoundException">There is none; the message names the nearest.</exception>
    public Parameter this[string name] => _byName.TryGetValue(name, out Parameter? parameter)
        ? parameter
        : throw new KeyNotFoundException($"No parameter is named '{name}'; the nearest is '{NearestName.Find(name, _names) ?? "(there are none)"}'.");

    /// <summary>Whether there is a parameter of that name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out Parameter? parameter) => _byName.TryGetValue(name, out parameter);

    /// <summary>The parameters whose names match a glob: <c>*</c> is any run of characters (dots too), <c>?</c> one.</summary>
    public IEnumerable<Parameter> Matching(string glob)
    {
        for (int i = 0; i < _parameters.Count; i++)
        {
            if (FileSystemName.MatchesSimpleExpression(glob, _names[i], ignoreCase: false)) yield return _parameters[i];
        }
    }

    /// <summary>Freezes (or unfreezes) the parameters of a glob. Returns how many.</summary>
    /// <exception cref="ArgumentException">No name matches: a misspelt glob would train what was to be frozen.</exception>
    public int Freeze(string glob, bool frozen = true)
    {
        int count = 0;
        foreach (Parameter parameter in Matching(glob))
        {
            parameter.RequiresGradient = !frozen;
            count++;
        }
        return count > 0 ? count : throw new ArgumentException($"No parameter name matches '{glob}'.", nameof(glob));
    }

    /// <inheritdoc/>
    public IEnumerator<Parameter> GetEnumerator() => _parameters.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
