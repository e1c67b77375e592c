using System.Globalization;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary>
/// Draws <c>curves.png</c>, <c>curves.svg</c> and <c>samples.png</c> into the run's folder, at every sample event and at the end. A picture that cannot be
/// written is told once; training goes on, for the figures are in <c>metrics.jsonl</c>.
/// </summary>
internal sealed class PictureSink(Terminal terminal) : ITrainSink
{
    private TrainingCurves _curves = new();
    private string _folder = "", _title = "";
    private bool _told;

    /// <inheritdoc/>
    public void Handle(TrainEvent trainEvent)
    {
        switch (trainEvent)
        {
            case RunStarted started:
                (_folder, _title) = (started.OutDirectory, started.Config.Name);
                string before = Path.Combine(_folder, MetricsFile.Name);
                _curves = started.Step > 0 && File.Exists(before) ? MetricsFile.Read(before, started.Step) : new TrainingCurves();
                break;
            case StepCompleted done:
                _curves.AddStep(done.Step, done.Loss, done.Sources.Select(static source => KeyValuePair.Create(source.Source, source.Loss)), done.LearningRate, done.GradientNorm);
                break;
            case EvaluationCompleted evaluated:
                foreach ((string metric, double value) in evaluated.Metrics) _curves.AddEvaluation(evaluated.Step, evaluated.Name, metric, value);
                break;
            case SamplesDrawn drawn:
                Draw(() =>
                {
                    string title = string.Create(CultureInfo.InvariantCulture, $"{_title}, step {drawn.Step}");
                    SampleSheet.Write(Path.Combine(_folder, "samples.png"), title,
                        [.. drawn.Samples.Select(static sample => new SampleCell([sample.Image], SampleSheet.LastQuestion(sample.Prompt), sample.Output, sample.Truth, sample.Correct))]);
                    CurvePlot.Write(_folder, _title, _curves);
                });
                break;
            case RunStopped or RunFinished:
                Draw(() => CurvePlot.Write(_folder, _title, _curves));
                break;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Draw(Action draw)
    {
        try
        {
            draw();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidOperationException or DllNotFoundException or TypeInitializationException)
        {
            if (!_told) terminal.WriteWarning($"pictures cannot be written to '{_folder}': {exception.GetBaseException().Message}");
            _told = true;
        }
    }
}
