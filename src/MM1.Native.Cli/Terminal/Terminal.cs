using System.Globalization;
using Spectre.Console;

namespace MM1.Native.Cli;

/// <summary>Where a command writes: results to <see cref="Output"/>, failures and progress to <see cref="Error"/>.</summary>
internal sealed class Terminal
{
    private readonly Lazy<IAnsiConsole> _console;

    /// <summary>Writes to the given streams.</summary>
    /// <param name="output">Results.</param>
    /// <param name="error">Failures.</param>
    /// <param name="interactive">Whether a person reads the output as it comes: colours, and a line that is written over.</param>
    /// <param name="width">Columns.</param>
    public Terminal(TextWriter output, TextWriter error, bool interactive, int width)
    {
        (Output, Error, Interactive, Width) = (output, error, interactive, width);
        _console = new Lazy<IAnsiConsole>(() =>
        {
            IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
            {
                Ansi = interactive ? AnsiSupport.Yes : AnsiSupport.No,
                ColorSystem = interactive ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
                Interactive = InteractionSupport.No,
                Out = new AnsiConsoleOutput(output),
            });
            console.Profile.Width = width;
            return console;
        });
    }

    /// <summary>Results.</summary>
    public TextWriter Output { get; }

    /// <summary>Failures.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether a person reads the output as it comes.</summary>
    public bool Interactive { get; }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Tables and colours.</summary>
    public IAnsiConsole Console => _console.Value;

    /// <summary>The process's own streams. NO_COLOR and TERM=dumb make it plain.</summary>
    public static Terminal OfProcess()
    {
        bool interactive = !System.Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is not { Length: > 0 }
            && Environment.GetEnvironmentVariable("TERM") != "dumb";
        int width = 200;
        try
        {
            if (!System.Console.IsOutputRedirected) width = Math.Max(60, System.Console.WindowWidth);
        }
        catch (IOException)
        {
            // Some terminals do not tell their width; the default serves.
        }
        return new Terminal(System.Console.Out, System.Console.Error, interactive, width);
    }

    /// <summary>One line of the output.</summary>
    public void WriteLine(string line = "") => Output.WriteLine(line);

    /// <summary>One formatted line, whatever the machine's language.</summary>
    public void Write(FormattableString line) => Output.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>The one message of a failure.</summary>
    public void WriteError(string message) => Error.WriteLine($"mm1: error: {message}");

    /// <summary>A warning, on the error stream.</summary>
    public void WriteWarning(string message) => Error.WriteLine($"mm1: warning: {message}");

    /// <summary>A table of text columns; the first is left-aligned, the others right-aligned.</summary>
    public void WriteTable(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        if (!Interactive)
        {
            WritePlain([header, .. rows]);
            return;
        }
        var table = new Table().Border(TableBorder.Rounded);
        for (int i = 0; i < header.Count; i++)
        {
            var column = new TableColumn(Markup.Escape(header[i])) { NoWrap = true };
            table.AddColumn(i == 0 ? column : column.RightAligned());
        }
        foreach (IReadOnlyList<string> row in rows) table.AddRow([.. row.Select(static cell => new Text(cell))]);
        Console.Write(table);
    }

    /// <summary>Columns and spaces, for pipes and logs.</summary>
    private void WritePlain(IReadOnlyList<IReadOnlyList<string>> rows)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Count).Select(column => rows.Max(row => row[column].Length))];
        foreach (IReadOnlyList<string> row in rows)
            Output.WriteLine("  " + string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[column]))));
    }
}
