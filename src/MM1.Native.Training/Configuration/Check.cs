using System.Globalization;
using MM1.Native.Inference;

namespace MM1.Native.Training;

/// <summary>Rules of configuration values.</summary>
internal static class Check
{
    /// <summary>Throws one sentence with key, value and rule.</summary>
    public static void That(bool holds, string key, object? value, string rule)
    {
        if (!holds) throw new ConfigurationException(string.Create(CultureInfo.InvariantCulture, $"Configuration: {key} {rule}, not {value ?? "null"}."));
    }
}
