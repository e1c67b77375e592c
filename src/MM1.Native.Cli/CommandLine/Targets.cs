using MM1.Native.Models;

namespace MM1.Native.Cli;

/// <summary>PRESET|CONFIG arguments.</summary>
internal static class Targets
{
    /// <summary>The plan of a preset or a configuration file.</summary>
    public static ModelPlan Plan(string target, IReadOnlyList<string> set)
    {
        if (Mm1Presets.Names.Contains(target))
            return set.Count == 0 ? ModelPlan.OfPreset(target) : throw new CommandException(ExitCode.Usage, "--set changes a configuration file, not a preset");
        throw Unknown(target);
    }

    private static CommandException Unknown(string target)
    {
        string near = Nearest.Of(target, Mm1Presets.Names) is { } name ? $" Did you mean '{name}'?" : "";
        return new CommandException(ExitCode.Usage, $"'{target}' is no preset and no such file exists.{near} Presets: {string.Join(", ", Mm1Presets.Names)}.");
    }
}
