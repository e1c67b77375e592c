using System.IO.Enumeration;
using System.Text.RegularExpressions;

namespace MM1.Native.Models;

/// <summary>How a tensor of another program's file becomes a parameter.</summary>
public enum WeightLayout
{
    /// <summary>As it is.</summary>
    AsIs,
    /// <summary>Convolution weights [out, in, kernelHeight, kernelWidth] to [out, kernelHeight, kernelWidth, in].</summary>
    ChannelsLast,
    /// <summary>A matrix [in, out] to [out, in].</summary>
    Transposed,
    /// <summary>Leading or trailing dimensions of 1 are dropped or added; a 1x1 convolution becomes a matrix.</summary>
    Reshaped,
}

/// <summary>Where a parameter comes from: the file's keys, joined along the first dimension after the layout is applied.</summary>
/// <param name="Keys">Keys in the file.</param>
/// <param name="Layout">Layout of each.</param>
public sealed record WeightSource(IReadOnlyList<string> Keys, WeightLayout Layout = WeightLayout.AsIs);

/// <summary>
/// Names of a module's parameters in another program's files. A rule is a pair of templates: <c>layers.{i}.mlp.fc1.{p}</c> is
/// <c>resblocks.{i}.mlp.c_fc.{p}</c>; a placeholder stands for one part of the dotted name. See <c>docs/names.md</c>.
/// </summary>
public sealed class WeightMap
{
    private readonly List<(Regex Pattern, string[] Sources, WeightLayout Layout)> _rules = [];
    private readonly List<string> _ignored = [];

    /// <summary>A map that changes nothing.</summary>
    public static WeightMap Identity { get; } = new();

    /// <summary>Only keys that begin with this are read; the others belong to other models in the same file.</summary>
    public string Scope { get; init; } = "";

    /// <summary>Adds a rule. Rules are tried in order; the first that fits counts. Names without a rule are the same in the file, after the scope.</summary>
    public WeightMap Add(string parameter, string key, WeightLayout layout = WeightLayout.AsIs) => Add(parameter, [key], layout);

    /// <summary>Adds a rule of a parameter that joins several of the file's tensors.</summary>
    public WeightMap Add(string parameter, string[] keys, WeightLayout layout = WeightLayout.AsIs)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        string pattern = Regex.Replace(Regex.Escape(parameter), @"\\\{(\w+)}", @"(?<$1>[^.]+)");
        _rules.Add((new Regex($"^{pattern}$", RegexOptions.CultureInvariant), keys, layout));
        return this;
    }

    /// <summary>Adds a glob of keys that are known and not needed.</summary>
    public WeightMap Ignore(string glob)
    {
        _ignored.Add(glob);
        return this;
    }

    /// <summary>Where a parameter comes from.</summary>
    public WeightSource Source(string parameter)
    {
        foreach ((Regex pattern, string[] sources, WeightLayout layout) in _rules)
        {
            Match match = pattern.Match(parameter);
            if (!match.Success) continue;
            return new WeightSource([.. sources.Select(source => Scope + Regex.Replace(source, @"\{(\w+)}", hole => match.Groups[hole.Groups[1].Value].Value))], layout);
        }
        return new WeightSource([Scope + parameter]);
    }

    /// <summary>Whether a key must be used by some parameter.</summary>
    public bool IsExpected(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.StartsWith(Scope, StringComparison.Ordinal) && !_ignored.Exists(glob => FileSystemName.MatchesSimpleExpression(glob, key, ignoreCase: false));
    }
}
