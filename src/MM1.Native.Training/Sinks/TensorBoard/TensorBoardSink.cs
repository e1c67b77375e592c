using System.Globalization;
using System.Text;
using System.Text.Json;
using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>
/// Writes a run for TensorBoard: scalars of logged steps and evaluations, the configuration as text, samples as images and text. The encoder's pre-training is a run of its own there, in the folder
/// <c>pretraining</c>: its steps count from 1 too.
/// </summary>
public sealed class TensorBoardSink : ITrainSink
{
    private readonly EventFileWriter _file;
    private readonly string _folder;
    private readonly TimeProvider? _clock;
    private EventFileWriter? _pretraining;

    /// <summary>Begins an event file in a folder; files of earlier parts of the run stay.</summary>
    public TensorBoardSink(string folder, TimeProvider? clock = null) => (_file, _folder, _clock) = (EventFileWriter.Create(folder, clock), folder, clock);

    /// <inheritdoc/>
    public void Handle(TrainEvent trainEvent)
    {
        ArgumentNullException.ThrowIfNull(trainEvent);
        switch (trainEvent)
        {
            case RunStarted started:
                if (started.Step > 0) _file.Restart(started.Step + 1);
                else _file.Text(0, "configuration", $"```\n{JsonSerializer.Serialize(started.Config, TrainingJson.Default.TrainingConfig)}\n```");
                break;
            case StepCompleted { IsLogged: true } done:
                WriteStep(done);
                break;
            case PretrainingStepCompleted { IsLogged: true } done:
                WritePretraining(done);
                break;
            case StepSkipped skipped:
                _file.Scalar(skipped.Step, "guard/skips", skipped.Skips);
                _file.Text(skipped.Step, "guard/skipped", skipped.Message);
                break;
            case EvaluationCompleted evaluated:
                foreach ((string name, double value) in evaluated.Metrics) _file.Scalar(evaluated.Step, $"{(evaluated.IsFinal ? "final" : "evaluation")}/{evaluated.Name}/{name}", value);
                break;
            case SamplesDrawn drawn:
                WriteSamples(drawn);
                break;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        _pretraining?.Dispose();
    }

    private void WritePretraining(PretrainingStepCompleted done)
    {
        if (_pretraining is null)
        {
            _pretraining = EventFileWriter.Create(Directory.CreateDirectory(Path.Combine(_folder, "pretraining")).FullName, _clock);
            _pretraining.Restart(1); // one that was killed is there, and began anew
        }
        _pretraining.Scalar(done.PretrainingStep, "loss/contrastive", done.Loss);
        _pretraining.Scalar(done.PretrainingStep, "optimizer/learning_rate", done.LearningRate);
        _pretraining.Scalar(done.PretrainingStep, "optimizer/gradient_norm", done.GradientNorm);
        _pretraining.Scalar(done.PretrainingStep, "contrastive/scale", done.Scale);
        _pretraining.Scalar(done.PretrainingStep, "throughput/images_per_s", done.ImagesPerSecond);
    }

    private void WriteStep(StepCompleted done)
    {
        _file.Scalar(done.Step, "loss/all", done.Loss);
        foreach (SourceLoss source in done.Sources) _file.Scalar(done.Step, $"loss/{source.Source}", source.Loss);
        _file.Scalar(done.Step, "optimizer/learning_rate", done.LearningRate);
        _file.Scalar(done.Step, "optimizer/gradient_norm", done.GradientNorm);
        _file.Scalar(done.Step, "throughput/tokens_per_s", done.Throughput.TokensPerSecond);
        _file.Scalar(done.Step, "throughput/images_per_s", done.Throughput.ImagesPerSecond);
        _file.Scalar(done.Step, "throughput/data_wait_fraction", done.Throughput.DataWaitFraction);
        _file.Scalar(done.Step, "throughput/packing_efficiency", done.Throughput.PackingEfficiency);
        _file.Scalar(done.Step, "throughput/gflop_per_s", done.Throughput.FlopsPerSecond / 1e9);
        _file.Scalar(done.Step, "throughput/peak_rss_mib", done.Throughput.PeakRssMiB);
    }

    private void WriteSamples(SamplesDrawn drawn)
    {
        var table = new StringBuilder("| | prompt | answer | truth | right |\n|---|---|---|---|---|\n");
        for (int i = 0; i < drawn.Samples.Count; i++)
        {
            TrainSample sample = drawn.Samples[i];
            _file.Image(drawn.Step, string.Create(CultureInfo.InvariantCulture, $"samples/{i}"), sample.Image.Width, sample.Image.Height, ImageCodec.EncodePng(sample.Image));
            table.Append(CultureInfo.InvariantCulture, $"| {i} | {Cell(sample.Prompt)} | {Cell(sample.Output)} | {Cell(sample.Truth)} | {(sample.Correct ? "yes" : "no")} |\n");
        }
        _file.Text(drawn.Step, "samples", table.ToString());
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace("\n", "<br>", StringComparison.Ordinal);
}
