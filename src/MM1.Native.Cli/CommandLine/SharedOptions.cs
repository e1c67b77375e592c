using System.CommandLine;

namespace MM1.Native.Cli;

/// <summary>Options that several commands have.</summary>
internal static class SharedOptions
{
    public static Option<string[]> Set() => new("--set")
    {
        Description = "changes a value of the configuration, e.g. --set schedule.steps=200; may be given several times",
        HelpName = "key=value",
        AllowMultipleArgumentsPerToken = false,
    };

    public static Argument<string> Checkpoint() => new("CHECKPOINT") { Description = "a checkpoint's folder (RUN/checkpoints/step-000900), or a run's: its newest one" };

    public static Option<bool> Json() => new("--json") { Description = "prints one JSON object" };

    public static Option<string> Device() => new("--device")
    {
        Description = "cpu, cuda:N or cuda-emulated; never changed silently",
        HelpName = "name",
        DefaultValueFactory = static _ => "cpu",
    };

    public static Option<int> Threads()
    {
        var option = new Option<int>("--threads") { Description = "compute threads of the CPU device; 0 takes all", HelpName = "n", DefaultValueFactory = static _ => 0 };
        option.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int threads) && threads is < 0 or > 1024) result.AddError($"--threads is from 0 to 1024, not {result.Tokens[0].Value}.");
        });
        return option;
    }

    /// <summary>A number that must be at least <paramref name="least"/>.</summary>
    public static Option<long> Number(string name, string description, long standard, long least)
    {
        var option = new Option<long>(name) { Description = description, HelpName = "n", DefaultValueFactory = _ => standard };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && long.TryParse(result.Tokens[0].Value, out long value) && value < least) result.AddError($"{name} is {least} or more, not {value}.");
        });
        return option;
    }
}
