using System.CommandLine;
using System.Text.Json.Nodes;
using MM1.Native.Inference;
using MM1.Native.Models;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary><c>mm1 config print</c>: everything that a run would use, defaults written out.</summary>
internal static class ConfigCommands
{
    public static Command Create(Terminal terminal)
    {
        var target = new Argument<string>("CONFIG|PRESET") { Description = "a YAML file, a run's folder, or the name of a preset" };
        Option<string[]> set = SharedOptions.Set();
        var print = new Command("print", "Prints the resolved configuration as YAML, which 'mm1 train' takes again.") { target, set };
        print.SetAction(parsed =>
        {
            string name = parsed.GetRequiredValue(target);
            string[] changes = parsed.GetValue(set) ?? [];
            if (Targets.IsPreset(name, changes))
            {
                terminal.WriteLine($"# the preset '{name}'; a configuration's 'model: {{ preset: {name} }}' means these values");
                terminal.Output.Write(YamlText.Of(new JsonObject { ["model"] = Mm1ConfigReader.ToNode(Mm1Presets.Get(name)) }));
            }
            else
            {
                RunTarget run = Targets.Read(name, changes);
                terminal.Output.Write(YamlText.Of(TrainingRun.ToNode(run.Config, run.Model)));
            }
            return ExitCode.Success;
        });
        return new Command("config", "Looks at configurations.") { print };
    }
}
