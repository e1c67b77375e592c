using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using MM1.Native.Autograd;

namespace MM1.Native.Cli;

/// <summary>The tree of commands.</summary>
internal static class Mm1CommandLine
{
    /// <summary>Parses and runs; returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] arguments, Terminal terminal)
    {
        RootCommand root = Create(terminal);
        ParseResult parsed = root.Parse(arguments.Length > 0 ? arguments : ["--help"]);
        if (parsed.Errors.Count > 0) return Refuse(parsed, terminal);
        var configuration = new InvocationConfiguration
        {
            Output = terminal.Output,
            Error = terminal.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null, // signals belong to StopSignal: training saves before it ends
        };
        try
        {
            return await parsed.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (Exception exception) // every failure ends here, as one message
        {
            return Failures.Report(exception, terminal);
        }
    }

    /// <summary>The tree, for its help and its tests.</summary>
    public static RootCommand Create(Terminal terminal)
    {
        var root = new RootCommand("Trains and runs multimodal language models of the MM1 family: image encoder, connector, decoder.")
        {
            TrainCommand.Create(terminal),
            GenerateCommand.Create(terminal),
            EvalCommand.Create(terminal),
            PlanCommand.Create(terminal),
            DoctorCommand.Create(terminal),
            DataCommands.Create(terminal),
            TokenizerCommands.Create(terminal),
            InspectBatchCommand.Create(terminal),
            ConfigCommands.Create(terminal),
        };
        foreach (HelpOption help in root.Options.OfType<HelpOption>()) help.Action = new HelpWithExitCodes((HelpAction)help.Action!);
        return root;
    }

    /// <summary>One message an error, and where the right words are.</summary>
    private static int Refuse(ParseResult parsed, Terminal terminal)
    {
        Command command = parsed.CommandResult.Command;
        string[] messages = [.. parsed.Errors.Select(static error => string.Join(' ', error.Message.Split(['\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries)))];
        // A misspelt command is told once: that none was given is the same mistake.
        bool isMisspelt = Array.Exists(messages, message => Misspelt(parsed, message) is not null);
        foreach (string told in messages.Where(message => !isMisspelt || Misspelt(parsed, message) is not null))
        {
            string message = told;
            if (Misspelt(parsed, message) is { } word && NearestName.FindSimilar(word, Words(command)) is { } near) message += $" Did you mean '{near}'?";
            terminal.WriteError(message);
        }
        terminal.Error.WriteLine($"Try '{Path(parsed.CommandResult)} --help'.");
        return ExitCode.Usage;
    }

    private static string? Misspelt(ParseResult parsed, string message) =>
        parsed.UnmatchedTokens.FirstOrDefault(token => message.Contains($"'{token}'", StringComparison.Ordinal));

    private static IEnumerable<string> Words(Command command) =>
        command.Subcommands.Select(static sub => sub.Name).Concat(command.Options.SelectMany(static option => option.Aliases.Append(option.Name)));

    private static string Path(CommandResult result)
    {
        string path = result.Command is RootCommand ? "mm1" : result.Command.Name;
        for (SymbolResult? parent = result.Parent; parent is not null; parent = parent.Parent)
            if (parent is CommandResult outer) path = (outer.Command is RootCommand ? "mm1" : outer.Command.Name) + " " + path;
        return path;
    }

    /// <summary>The usual help; at the root the exit codes and the environment follow.</summary>
    private sealed class HelpWithExitCodes(HelpAction inner) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int code = inner.Invoke(parseResult);
            if (parseResult.CommandResult.Command is not RootCommand) return code;
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Exit codes:");
            foreach ((int number, string meaning) in ExitCode.Table) output.WriteLine($"  {number,-5}{meaning}");
            output.WriteLine();
            output.WriteLine("Environment:");
            foreach ((string name, string meaning) in EnvironmentVariables.Table) output.WriteLine($"  {name,-17}{meaning}");
            output.WriteLine();
            return code;
        }
    }
}
