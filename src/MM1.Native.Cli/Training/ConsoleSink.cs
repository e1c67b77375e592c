using System.Globalization;
using MM1.Native.Training;
using Spectre.Console;

namespace MM1.Native.Cli;

/// <summary>
/// Shows a run: a line at every logged step, and where a person watches a live line between them, at most ten times a second. Piped, only whole lines.
/// </summary>
internal sealed class ConsoleSink(Terminal terminal, TimeProvider clock, double peakGigaflops = 0) : ITrainSink
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private StepLine _line = new(1, peakGigaflops);
    private long _shown = long.MinValue;
    private bool _live;

    /// <inheritdoc/>
    public void Handle(TrainEvent trainEvent)
    {
        switch (trainEvent)
        {
            case RunStarted started:
                _line = new StepLine(started.StopStep, peakGigaflops);
                foreach (string note in started.Notes) Write(note, "yellow");
                break;
            case StepCompleted done:
                if (done.IsLogged) Write(_line.Full(done), done.Skipped ? "yellow" : null);
                else ShowLive(() => _line.Live(done));
                break;
            case PretrainingStepCompleted done:
                if (done.IsLogged) Write(StepLine.Full(done), null);
                else ShowLive(() => StepLine.Live(done));
                break;
            case StepSkipped skipped:
                Write(string.Create(CultureInfo.InvariantCulture, $"step {skipped.Step} skipped: {skipped.Message} ({skipped.Skips} so far)"), "yellow");
                break;
            case EvaluationCompleted evaluated:
                Write(string.Create(CultureInfo.InvariantCulture, $"evaluation {evaluated.Name}: {Metrics(evaluated.Metrics)} ({evaluated.Items} items, {evaluated.Seconds:0.0} s)"), "aqua");
                break;
            case SamplesDrawn drawn:
                Write(string.Create(CultureInfo.InvariantCulture, $"samples at step {drawn.Step}: {drawn.Samples.Count(static sample => sample.Correct)} of {drawn.Samples.Count} right"), "aqua");
                break;
            case CheckpointSaved saved:
                Write(string.Create(CultureInfo.InvariantCulture, $"checkpoint {saved.Path} ({saved.Seconds:0.0} s)"), "grey");
                break;
            case TraceWritten trace:
                Write($"kernel trace of step {trace.Step.ToString(CultureInfo.InvariantCulture)}: {trace.Path} (open in chrome://tracing or ui.perfetto.dev)", "grey");
                break;
            case RunStopped stopped:
                Write($"stopped after step {stopped.Step.ToString(CultureInfo.InvariantCulture)}: {stopped.Reason}", "yellow");
                break;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ClearLive();

    /// <summary>The metrics of an evaluation, in alphabetical order.</summary>
    private static string Metrics(IReadOnlyDictionary<string, double> metrics) =>
        string.Join(", ", metrics.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => $"{pair.Key} {pair.Value.ToString("0.000", CultureInfo.InvariantCulture)}"));

    private void Write(string line, string? colour)
    {
        ClearLive();
        if (terminal.Interactive && colour is not null) terminal.Console.MarkupLine($"[{colour}]{Markup.Escape(line)}[/]");
        else terminal.WriteLine(line);
        terminal.Output.Flush();
    }

    private void ShowLive(Func<string> words)
    {
        if (!terminal.Interactive) return;
        long now = clock.GetTimestamp();
        if (_shown != long.MinValue && clock.GetElapsedTime(_shown, now) < Pause) return;
        _shown = now;
        string line = words();
        terminal.Output.Write($"\r\e[2K{(line.Length < terminal.Width ? line : line[..(terminal.Width - 1)])}");
        terminal.Output.Flush();
        _live = true;
    }

    private void ClearLive()
    {
        if (!_live) return;
        terminal.Output.Write("\r\e[2K");
        _live = false;
    }
}
