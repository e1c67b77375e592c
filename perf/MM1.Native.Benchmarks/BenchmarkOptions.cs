using System.Globalization;

namespace MM1.Native.Benchmarks;

/// <summary>Options of one mode. What the mode does not know is refused: a misspelt option would measure something else in silence.</summary>
internal sealed class BenchmarkOptions
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <param name="arguments">The command line after the mode.</param>
    /// <param name="flags">Options without a value.</param>
    /// <param name="named">Options that take one.</param>
    public BenchmarkOptions(string[] arguments, string[] flags, string[] named)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            string name = arguments[i];
            if (flags.Contains(name)) _values[name] = "";
            else if (!named.Contains(name)) throw new ArgumentException($"unknown option '{name}'; this mode takes {string.Join(", ", flags.Concat(named))}.");
            else if (i + 1 == arguments.Length) throw new ArgumentException($"{name} needs a value.");
            else _values[name] = arguments[++i];
        }
    }

    public bool Has(string flag) => _values.ContainsKey(flag);

    public string Text(string name, string fallback) => _values.GetValueOrDefault(name, fallback);

    public int Number(string name, int fallback)
    {
        if (!_values.TryGetValue(name, out string? text)) return fallback;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0) return value;
        throw new ArgumentException($"{name} takes a positive whole number, not '{text}'.");
    }
}
