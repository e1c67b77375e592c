using System.Runtime.InteropServices;
using System.Text;
using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>A file's tensors are not those of the model; the message lists what is missing, left over and of another shape.</summary>
public sealed class WeightMismatchException : IOException
{
    internal WeightMismatchException(string message) : base(message) { }
}

/// <summary>Saves the parameters of a module under their dotted names, and loads them, also from other programs' files.</summary>
public static class ModelFiles
{
    /// <summary>Writes all parameters of a built module, the float32 masters, under their names inside it: a part saved alone loads alone.</summary>
    public static void Save(Module module, string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ParameterList parameters = module.Parameters();
        SafeTensorsWriter.Write(path, parameters.Select((parameter, i) =>
            new SafeTensorsItem(parameters.Names[i], DType.Float32, parameter.Shape, stream => stream.Write(MemoryMarshal.AsBytes<float>(parameter.ToArray())))), metadata);
    }

    /// <summary>Loads all parameters of a built module from a file. Nothing is changed unless everything fits.</summary>
    /// <param name="module">The module; part of a larger model is as good.</param>
    /// <param name="path">A safetensors file.</param>
    /// <param name="map">The file's names; null for our own.</param>
    /// <exception cref="WeightMismatchException">A parameter is missing or mis-shaped in the file, or the file holds more.</exception>
    public static void Load(Module module, string path, WeightMap? map = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        map ??= WeightMap.Identity;
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        ParameterList parameters = module.Parameters();
        var plans = new List<(Parameter Parameter, WeightSource Source)>();
        var used = new HashSet<string>(StringComparer.Ordinal);
        var faults = new List<string>();
        for (int i = 0; i < parameters.Count; i++)
        {
            WeightSource source = map.Source(parameters.Names[i]);
            plans.Add((parameters[i], source));
            used.UnionWith(source.Keys);
        }
        string[] extra = [.. file.Entries.Select(entry => entry.Name).Where(name => map.IsExpected(name) && !used.Contains(name))];
        for (int i = 0; i < plans.Count; i++) Check(file, parameters.Names[i], plans[i].Parameter, plans[i].Source, extra, faults);
        foreach (string name in extra) faults.Add($"extra: '{name}' {file.Find(name)!.Shape}; nearest in the model: '{NearestName.Find(name, parameters.Names) ?? "(none)"}'");
        if (faults.Count > 0) throw new WeightMismatchException(Describe(path, parameters.Count, faults));
        foreach ((Parameter parameter, WeightSource source) in plans) parameter.Load(Read(file, source, parameter.Elements));
    }

    private static void Check(SafeTensorsFile file, string name, Parameter parameter, WeightSource source, string[] extra, List<string> faults)
    {
        Shape? joined = null;
        foreach (string key in source.Keys)
        {
            string known = key == name ? $"'{name}'" : $"'{name}' (as '{key}')";
            if (file.Find(key) is not { } entry)
            {
                faults.Add($"missing: {known} {parameter.Shape}" + (extra.Length > 0 ? $"; nearest in the file: '{NearestName.Find(key, extra)}'" : ""));
                return;
            }
            if (!entry.DType.IsFloatingPoint())
            {
                faults.Add($"dtype: {known} is {entry.DType} in the file");
                return;
            }
            Shape shape = WeightLayouts.Apply(entry.Shape, source.Layout, parameter.Shape);
            bool joins = joined is not { } before || (before.Rank > 0 && before.Rank == shape.Rank && before.With(0, shape[0]) == shape);
            if (!joins)
            {
                faults.Add($"shape: {known} is {entry.Shape} in the file, which does not join what comes before it, {joined}");
                return;
            }
            joined = joined is { } sum ? sum.With(0, sum[0] + shape[0]) : shape;
        }
        if (joined != parameter.Shape) faults.Add($"shape: '{name}' is {joined} in the file{(source.Keys.Count > 1 || source.Keys[0] != name ? $" ('{string.Join("', '", source.Keys)}')" : "")}, {parameter.Shape} in the model");
    }

    private static float[] Read(SafeTensorsFile file, WeightSource source, long elements)
    {
        var values = new float[elements];
        int offset = 0;
        foreach (string key in source.Keys)
        {
            SafeTensorsEntry entry = file.Find(key)!;
            Span<float> part = values.AsSpan(offset, (int)entry.Shape.Elements);
            file.ReadFloat32(entry, part);
            WeightLayouts.Apply(part, entry.Shape, source.Layout);
            offset += part.Length;
        }
        return values;
    }

    private static string Describe(string path, int parameters, List<string> faults)
    {
        const int Shown = 12;
        var text = new StringBuilder($"{path} does not fit the model of {parameters} parameters:");
        foreach (string fault in faults.Take(Shown)) text.Append("\n  ").Append(fault);
        if (faults.Count > Shown) text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\n  and {faults.Count - Shown} more");
        return text.ToString();
    }
}
