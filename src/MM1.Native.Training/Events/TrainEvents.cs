using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>Something that happened in a run. <see cref="Step"/> is the number of the last step that was finished.</summary>
/// <param name="Step">The step, from 1; 0 before the first.</param>
public abstract record TrainEvent(long Step);

/// <summary>The run begins, or goes on.</summary>
/// <param name="Step">Steps that are done already.</param>
/// <param name="Config">The configuration.</param>
/// <param name="OutDirectory">Where everything is written.</param>
/// <param name="DeviceName">The device.</param>
/// <param name="Parameters">Parameters of the model.</param>
/// <param name="TrainedParameters">Those that are not frozen.</param>
/// <param name="PeakLearningRate">Peak learning rate.</param>
/// <param name="StopStep">The step after which the run stops: the schedule's last, or less by <c>--max-steps</c>.</param>
/// <param name="Notes">What a person should know: resumed or started fresh, checkpoints passed over.</param>
public sealed record RunStarted(long Step, TrainingConfig Config, string OutDirectory, string DeviceName, long Parameters, long TrainedParameters, double PeakLearningRate,
    long StopStep, IReadOnlyList<string> Notes) : TrainEvent(Step);

/// <summary>Loss of one source in a step.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Loss">Mean cross-entropy of its targets.</param>
/// <param name="Targets">Its targets.</param>
public readonly record struct SourceLoss(string Source, double Loss, int Targets);

/// <summary>Speeds since the last logged step.</summary>
public sealed record Throughput
{
    /// <summary>Tokens of documents a second, images included, padding not.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Images a second.</summary>
    public double ImagesPerSecond { get; init; }

    /// <summary>Share of the time that training waited for data.</summary>
    public double DataWaitFraction { get; init; }

    /// <summary>Share of sequences that holds documents.</summary>
    public double PackingEfficiency { get; init; }

    /// <summary>Floating-point operations a second of forward and backward, as <see cref="Models.ModelCost"/> counts them.</summary>
    public double FlopsPerSecond { get; init; }

    /// <summary>Seconds of a step.</summary>
    public double SecondsPerStep { get; init; }

    /// <summary>Largest resident memory of the process so far, in MiB.</summary>
    public double PeakRssMiB { get; init; }
}

/// <summary>A step was made. One event a step; metrics files take the logged ones.</summary>
public sealed record StepCompleted(long Step) : TrainEvent(Step)
{
    /// <summary>Whether this is a step of <c>log.every</c>, the first or the last.</summary>
    public required bool IsLogged { get; init; }

    /// <summary>Mean cross-entropy of the step's targets (and z-loss, where there is one).</summary>
    public required double Loss { get; init; }

    /// <summary>Mean cross-entropy by source, of those that the step has; without z-loss.</summary>
    public IReadOnlyList<SourceLoss> Sources { get; init; } = [];

    /// <summary>Learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Global gradient norm, before clipping; NaN where the step was skipped for its loss.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Tokens of documents in the step.</summary>
    public required int Tokens { get; init; }

    /// <summary>Targets in the step.</summary>
    public required int Targets { get; init; }

    /// <summary>Images in the step.</summary>
    public required int Images { get; init; }

    /// <summary>Samples that were bad while the step's batches were made.</summary>
    public IReadOnlyList<BadSample> BadSamples { get; init; } = [];

    /// <summary>Bad documents, problems and images of the run so far.</summary>
    public long BadSamplesSoFar { get; init; }

    /// <summary>Whether the guard skipped the update.</summary>
    public required bool Skipped { get; init; }

    /// <summary>Speeds since the last logged step.</summary>
    public required Throughput Throughput { get; init; }

    /// <summary>Time of training so far, evaluation not counted.</summary>
    public required TimeSpan TrainTime { get; init; }

    /// <summary>Expected time to the stop, evaluation not counted.</summary>
    public required TimeSpan Remaining { get; init; }
}

/// <summary>A step of the encoder's pre-training was made, before the run's first. One event a step; metrics files take the logged ones.</summary>
/// <param name="PretrainingStep">Its number, from 1.</param>
public sealed record PretrainingStepCompleted(int PretrainingStep) : TrainEvent(0)
{
    /// <summary>Whether this is a step of <c>log.every</c>, the first or the last.</summary>
    public required bool IsLogged { get; init; }

    /// <summary>Steps of the pre-training.</summary>
    public required int Steps { get; init; }

    /// <summary>The contrastive loss.</summary>
    public required double Loss { get; init; }

    /// <summary>Learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Global gradient norm, before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>The learned factor on similarities, after the step.</summary>
    public required double Scale { get; init; }

    /// <summary>Images in the step.</summary>
    public required int Images { get; init; }

    /// <summary>Images a second since the last logged step.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>Time of the pre-training so far.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>Expected time to its end.</summary>
    public required TimeSpan Remaining { get; init; }
}

/// <summary>The guard skipped an update.</summary>
/// <param name="Step">The step.</param>
/// <param name="Cause">Why.</param>
/// <param name="Message">Why, in words.</param>
/// <param name="Skips">Skipped steps so far.</param>
/// <param name="SkipsInARow">Skipped steps in a row.</param>
public sealed record StepSkipped(long Step, SkipCause Cause, string Message, long Skips, int SkipsInARow) : TrainEvent(Step);

/// <summary>A task was evaluated.</summary>
/// <param name="Step">The step.</param>
/// <param name="Name">The task with its settings, e.g. <c>shapes-qa/unseenSeed/blind</c>.</param>
/// <param name="Metrics">Its metrics.</param>
/// <param name="Items">Its items.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="IsFinal">Whether it belongs to the evaluation after the last step.</param>
public sealed record EvaluationCompleted(long Step, string Name, IReadOnlyDictionary<string, double> Metrics, int Items, double Seconds, bool IsFinal) : TrainEvent(Step);

/// <summary>One sample answer.</summary>
/// <param name="Image">The image.</param>
/// <param name="Prompt">The text of the prompt.</param>
/// <param name="Output">What the model wrote.</param>
/// <param name="Truth">What was right.</param>
/// <param name="Correct">Whether the output is right.</param>
public sealed record TrainSample(ImageData Image, string Prompt, string Output, string Truth, bool Correct);

/// <summary>Sample answers were drawn.</summary>
/// <param name="Step">The step.</param>
/// <param name="Samples">The samples.</param>
public sealed record SamplesDrawn(long Step, IReadOnlyList<TrainSample> Samples) : TrainEvent(Step);

/// <summary>A checkpoint is complete on the disk.</summary>
/// <param name="Step">The step.</param>
/// <param name="Path">Its folder.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record CheckpointSaved(long Step, string Path, double Seconds) : TrainEvent(Step);

/// <summary>The kernel trace of a step was written.</summary>
/// <param name="Step">The step.</param>
/// <param name="Path">The file.</param>
public sealed record TraceWritten(long Step, string Path) : TrainEvent(Step);

/// <summary>The run stopped before its last step; <c>--resume</c> continues it.</summary>
/// <param name="Step">The step.</param>
/// <param name="Reason">Why.</param>
public sealed record RunStopped(long Step, string Reason) : TrainEvent(Step);

/// <summary>The run is finished.</summary>
/// <param name="Step">The step.</param>
/// <param name="Summary">What <c>summary.json</c> holds.</param>
public sealed record RunFinished(long Step, RunSummary Summary) : TrainEvent(Step);

/// <summary>Takes the events of a run, in order, on the training thread.</summary>
public interface ITrainSink : IDisposable
{
    /// <summary>Takes one event.</summary>
    void Handle(TrainEvent trainEvent);
}
