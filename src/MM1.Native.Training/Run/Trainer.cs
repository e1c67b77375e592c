using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>How a run of steps ended.</summary>
public enum TrainStatus
{
    /// <summary>The last step of the schedule is done.</summary>
    Finished,
    /// <summary>The run stopped before: cancelled, or at <c>--max-steps</c>.</summary>
    Stopped,
}

/// <summary>What happens between steps that is not training: samples and evaluation.</summary>
internal interface ITrainBreaks
{
    /// <summary>Called after a step, before its checkpoint. It must change nothing that training uses.</summary>
    /// <param name="step">The step.</param>
    /// <param name="trainTime">Time of training so far.</param>
    /// <param name="cancellationToken">Ends it.</param>
    IEnumerable<TrainEvent> AfterStep(long step, TimeSpan trainTime, CancellationToken cancellationToken);

    /// <summary>Seconds of training after which goals were reached; checkpoints keep them.</summary>
    IReadOnlyDictionary<string, double> Reached { get; }

    /// <summary>Takes what a checkpoint kept.</summary>
    void Restore(IReadOnlyDictionary<string, double> reached);
}

/// <summary>What a trainer works with.</summary>
internal sealed record TrainerParts
{
    public required TrainingConfig Config { get; init; }

    /// <summary>The configuration as checkpoints keep it.</summary>
    public required JsonObject ConfigNode { get; init; }

    /// <summary>Built, with its initial weights; frozen where the configuration says so.</summary>
    public required Mm1Model Model { get; init; }

    public required TrainingData Data { get; init; }

    public required PackingOptions Packing { get; init; }

    public required string OutDirectory { get; init; }

    public required CheckpointStore Checkpoints { get; init; }

    /// <summary>Writes the model's files into a checkpoint's folder.</summary>
    public required Action<string> WriteModel { get; init; }

    public required Action<TrainEvent> Emit { get; init; }

    public ITrainBreaks? Breaks { get; init; }

    /// <summary>A checkpoint to go on from; null for a fresh start.</summary>
    public CheckpointPlace? From { get; init; }
}

/// <summary>
/// The training loop. A step takes <c>accumulation</c> batches, counts their targets, adds up the gradients of (sum of losses / targets of the step), asks the guard, updates. Everything that a
/// step depends on is a function of the step's number or is in the checkpoint, so that a run that is continued has the same bits as one that never stopped.
/// </summary>
internal sealed class Trainer : IDisposable
{
    private readonly TrainerParts _parts;
    private readonly TrainingConfig _config;
    private readonly Mm1Model _model;
    private readonly Device _device;
    private readonly Optimizer _optimizer;
    private readonly BatchFeed _feed;
    private readonly SpikeGuard _guard;
    private readonly ThroughputMeter _meter;
    private readonly StepInput _input;
    private readonly float[] _tokenLosses;
    private readonly double[] _sourceLosses;
    private readonly int[] _sourceTargets;
    private RecordedSteps? _recorded;
    private MixtureCursor? _cursor;
    private long _savedStep = -1;

    public Trainer(TrainerParts parts)
    {
        _parts = parts;
        (_config, _model) = (parts.Config, parts.Model);
        _device = _model.Device ?? throw new InvalidOperationException("The model is not built yet.");
        double peak = _config.Optimizer.LearningRate ?? ParameterTotals.Of(_model.Config).PeakLearningRate;
        Schedule = new LearningRateSchedule(peak, _config.Schedule);
        _model.RecomputesActivations = _config.Recompute;
        _input = new StepInput(parts.Packing, _config.Data.FixedShapes);
        _tokenLosses = new float[parts.Packing.Sequences * parts.Packing.Length];
        (_sourceLosses, _sourceTargets) = (new double[parts.Data.Mixture.Count], new int[parts.Data.Mixture.Count]);
        try
        {
            _optimizer = _config.Optimizer.Create(_model.Parameters(), _config.LrScale);
        }
        catch (ArgumentException fault)
        {
            throw new Inference.ConfigurationException($"Configuration: freeze and lrScale: {fault.Message.Replace(" (Parameter 'options')", "", StringComparison.Ordinal).Replace(" (Parameter 'parameters')", "", StringComparison.Ordinal)}", fault);
        }
        try
        {
            TrainerState? state = parts.From is { } place ? Restore(place) : null;
            _guard = new SpikeGuard(_config.Guard, state?.Guard);
            _meter = new ThroughputMeter(ModelCost.Of(_model.Config), state);
            Step = state?.Step ?? 0;
            _cursor = state?.Cursor;
            if (state is not null) parts.Breaks?.Restore(state.Reached);
            _feed = new BatchFeed(new BatchLoader(parts.Data.Mixture, parts.Data.Tokenizer, parts.Packing, _config.OverfitOneBatch ? null : _cursor), _config.Accumulation, _config.OverfitOneBatch);
        }
        catch
        {
            _optimizer.Dispose();
            throw;
        }
    }

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    public LearningRateSchedule Schedule { get; }

    public ThroughputMeter Meter => _meter;

    /// <summary>Trains up to a step.</summary>
    /// <exception cref="TrainingException">The guard stopped the run, or a step has no target.</exception>
    /// <exception cref="CheckpointException">A checkpoint could not be written.</exception>
    public TrainStatus Run(long stopStep, CancellationToken cancellationToken)
    {
        using RecordedSteps? recorded = _config.Capture ? new RecordedSteps(_model, _optimizer, _parts.Packing, _config.Accumulation, (float)_config.Optimizer.ZLoss) : null;
        _recorded = recorded;
        _meter.Begin(_feed.Waited);
        while (Step < stopStep && !cancellationToken.IsCancellationRequested)
        {
            IReadOnlyList<PackedBatch> batches;
            try
            {
                batches = _feed.Take(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            RunStep(batches, stopStep);
            TakeBreaks(cancellationToken);
            if (cancellationToken.IsCancellationRequested) break;
            if (_config.Checkpoints.Every > 0 && Step % _config.Checkpoints.Every == 0) Save();
        }
        Save();
        if (Step >= _config.Schedule.Steps) return TrainStatus.Finished;
        string reason = cancellationToken.IsCancellationRequested && Step < stopStep ? "it was asked to" : string.Create(CultureInfo.InvariantCulture, $"the limit of {stopStep} steps is reached");
        _parts.Emit(new RunStopped(Step, reason));
        return TrainStatus.Stopped;
    }

    /// <summary>Saves what pre-training made, as step 0: continuing never repeats it.</summary>
    public void SavePretrained(PretrainingResult result)
    {
        _meter.AddPretraining(result);
        Save();
    }

    public void Dispose()
    {
        _feed.Dispose();
        _optimizer.Dispose();
    }

    private void RunStep(IReadOnlyList<PackedBatch> batches, long stopStep)
    {
        long step = Step + 1;
        int targets = batches.Sum(static batch => batch.TargetCount);
        if (targets == 0)
        {
            throw Fail(step, batches, $"No token of step {step} is a target: every label is masked, so there is nothing to learn from. 'mm1 inspect-batch' shows tokens and labels");
        }
        bool traces = _config.Trace.Step == step;
        using StepTrace? trace = traces ? new StepTrace(_device) : null;
        double norm;
        (double loss, IReadOnlyList<SourceLoss> sources) = _recorded is null ? Backward(batches, targets, trace) : default;
        SkipCause? cause = _recorded is null ? Update(step, loss, trace, out norm) : Replay(_recorded, step, batches, targets, out loss, out sources, out norm);
        if (trace is not null)
        {
            string path = Path.Combine(_parts.OutDirectory, "trace.json");
            trace.Write(path);
            _parts.Emit(new TraceWritten(step, path));
        }
        if (cause is { } why)
        {
            string message = _guard.Describe(why, loss, norm);
            _guard.Skip();
            _parts.Emit(new StepSkipped(step, why, message, _guard.Skips, _guard.SkipsInARow));
            if (why is SkipCause.LossNotFinite or SkipCause.GradientNotFinite && FirstBadParameter() is { } name)
                throw Fail(step, batches, $"At step {step} {message}, and parameter '{name}' holds values that are no numbers: the model is lost. Continue from a checkpoint with a lower learning rate");
            if (_guard.IsExhausted)
                throw Fail(step, batches, $"At step {step} {message}; {_guard.SkipsInARow} steps in a row were skipped, guard.maximumSkips allows {_config.Guard.MaximumSkips}. Lower optimizer.learningRate, or raise guard.zScore if this is as it should be");
        }
        else
        {
            _guard.Accept(loss, norm);
        }
        Step = step;
        if (!_config.OverfitOneBatch) _cursor = batches[^1].CursorAfter;
        bool logged = step % _config.Log.Every == 0 || step == 1 || step == _config.Schedule.Steps;
        _meter.Add(batches, _feed.Waited);
        _parts.Emit(new StepCompleted(step)
        {
            IsLogged = logged,
            Loss = loss,
            Sources = sources,
            LearningRate = Schedule.At(step),
            GradientNorm = norm,
            Tokens = batches.Sum(static batch => batch.TokenCount),
            Targets = targets,
            Images = batches.Sum(static batch => batch.ImageCount),
            Skipped = cause is not null,
            BadSamples = _config.OverfitOneBatch && step > 1 ? [] : [.. batches.SelectMany(static batch => batch.BadSamples)],
            BadSamplesSoFar = batches[^1].CursorAfter.BadSamples,
            Throughput = _meter.Read(logged),
            TrainTime = _meter.TrainTime,
            Remaining = _meter.Remaining(stopStep - step),
        });
    }

    /// <summary>Adds up gradients; returns the loss of the step.</summary>
    private (double Loss, IReadOnlyList<SourceLoss> Sources) Backward(IReadOnlyList<PackedBatch> batches, int targets, StepTrace? trace)
    {
        double sum = 0;
        Array.Clear(_sourceLosses);
        Array.Clear(_sourceTargets);
        using (_device.BeginStep(targets))
        {
            foreach (PackedBatch batch in batches)
            {
                using (_device.BeginMicroBatch())
                {
                    Tensor loss, tokenLosses;
                    using (trace?.Phase("forward"))
                        loss = _model.Loss(_input.Take(batch), out tokenLosses, (float)_config.Optimizer.ZLoss).Keep();
                    using (trace?.Phase("backward"))
                        loss.Backward();
                    sum += loss.Item();
                    CountSources(tokenLosses);
                }
            }
        }
        return (sum, SourceLosses());
    }

    private void CountSources(Tensor tokenLosses)
    {
        Span<float> losses = _tokenLosses.AsSpan(0, _input.Rows);
        tokenLosses.CopyTo(losses);
        ReadOnlySpan<int> targets = _input.Targets, sources = _input.Sources;
        for (int i = 0; i < losses.Length; i++)
        {
            if (targets[i] == PackedBatch.IgnoreIndex) continue;
            _sourceLosses[sources[i]] += losses[i];
            _sourceTargets[sources[i]]++;
        }
    }

    private SourceLoss[] SourceLosses()
    {
        var losses = new List<SourceLoss>(_sourceLosses.Length);
        for (int source = 0; source < _sourceLosses.Length; source++)
        {
            if (_sourceTargets[source] > 0) losses.Add(new SourceLoss(_parts.Data.Mixture[source].Source.Name, _sourceLosses[source] / _sourceTargets[source], _sourceTargets[source]));
        }
        return [.. losses];
    }

    /// <summary>Updates the parameters unless the guard has something against it.</summary>
    private SkipCause? Update(long step, double loss, StepTrace? trace, out double norm)
    {
        norm = double.NaN;
        if (_guard.JudgeLoss(loss) is { } cause)
        {
            foreach (Parameter parameter in _model.Parameters()) parameter.ZeroGradient();
            return cause;
        }
        Prepare(step);
        bool updated;
        using (trace?.Phase("optimizer"))
            updated = _optimizer.Step();
        norm = _optimizer.GradientNorm;
        if (updated) return null;
        return double.IsFinite(norm) ? SkipCause.GradientSpike : SkipCause.GradientNotFinite;
    }

    /// <summary>What the optimizer is told of a step before it.</summary>
    private void Prepare(long step)
    {
        _optimizer.LearningRate = (float)Schedule.At(step);
        double limit = _guard.GradientNormLimit;
        _optimizer.SkipAboveGradientNorm = limit < float.MaxValue ? (float)limit : 0;
    }

    /// <summary>The whole step as one recording; what the guard can say of it, the device has decided.</summary>
    private SkipCause? Replay(RecordedSteps recorded, long step, IReadOnlyList<PackedBatch> batches, int targets, out double loss, out IReadOnlyList<SourceLoss> sources, out double norm)
    {
        Prepare(step);
        bool updated = recorded.Run(batches, targets);
        norm = _optimizer.GradientNorm;
        loss = 0;
        Array.Clear(_sourceLosses);
        Array.Clear(_sourceTargets);
        for (int i = 0; i < batches.Count; i++)
        {
            _input.Describe(batches[i]);
            loss += recorded.Loss(i);
            CountSources(recorded.TokenLosses(i));
        }
        sources = SourceLosses();
        if (!double.IsFinite(loss))
        {
            if (updated) throw Fail(step, batches, $"At step {step} {_guard.Describe(SkipCause.LossNotFinite, loss, norm)}, though the gradient norm is {norm}: the recorded step was made. Continue from a checkpoint with capture: false");
            return SkipCause.LossNotFinite;
        }
        if (updated) return null;
        return double.IsFinite(norm) ? SkipCause.GradientSpike : SkipCause.GradientNotFinite;
    }

    private void TakeBreaks(CancellationToken cancellationToken)
    {
        if (_parts.Breaks is not { } breaks) return;
        long start = Stopwatch.GetTimestamp();
        try
        {
            foreach (TrainEvent happened in breaks.AfterStep(Step, _meter.TrainTime, cancellationToken)) _parts.Emit(happened);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        _meter.AddEvaluation(Stopwatch.GetElapsedTime(start));
    }

    private void Save()
    {
        if (Step == _savedStep) return;
        long start = Stopwatch.GetTimestamp();
        string path = _parts.Checkpoints.Save(Step, folder =>
        {
            _parts.WriteModel(folder);
            OptimizerFiles.Save(_optimizer, Path.Combine(folder, "optimizer.safetensors"));
            var state = new TrainerState
            {
                Step = Step,
                OptimizerSteps = _optimizer.Steps,
                Cursor = _config.OverfitOneBatch ? null : _cursor,
                Guard = _guard.ToState(),
                Counters = _meter.Counters,
                Times = _meter.Times,
                Reached = _parts.Breaks?.Reached ?? new Dictionary<string, double>(),
                Config = _parts.ConfigNode,
            };
            File.WriteAllBytes(Path.Combine(folder, "trainer.json"), JsonSerializer.SerializeToUtf8Bytes(state, TrainingJson.Default.TrainerState));
        });
        _savedStep = Step;
        _parts.Emit(new CheckpointSaved(Step, path, Stopwatch.GetElapsedTime(start).TotalSeconds));
    }

    private TrainerState Restore(CheckpointPlace place)
    {
        TrainerState state = ReadState(place.Path);
        IReadOnlyList<string> differences = ConfigDifference.Find(state.Config, _parts.ConfigNode);
        if (differences.Count > 0)
            throw new CheckpointException($"The configuration is not that of checkpoint '{place.Path}': {string.Join("; ", differences.Take(5))}{(differences.Count > 5 ? $"; and {differences.Count - 5} more" : "")}. "
                + "Set it back to continue this run, or start another in another output folder.");
        try
        {
            ModelFiles.Load(_model, Path.Combine(place.Path, "model.safetensors"));
            OptimizerFiles.Load(_optimizer, Path.Combine(place.Path, "optimizer.safetensors"));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"Checkpoint '{place.Path}' cannot be loaded: {fault.Message}", fault);
        }
        CheckTokenizer(place.Path);
        _optimizer.LoadSteps(state.OptimizerSteps);
        _savedStep = state.Step;
        return state;
    }

    /// <summary>A tokenizer that is trained on the run's texts follows them: other texts would give the checkpoint's embeddings other meanings.</summary>
    private void CheckTokenizer(string checkpoint)
    {
        string kept = Path.Combine(checkpoint, Inference.ModelBundle.TokenizerFile), now = Path.Combine(_parts.OutDirectory, "tokenizer" + Inference.AtomicFile.TemporaryEnding);
        if (_parts.Data.World is not null || !File.Exists(kept)) return; // the world's words are a part of the program
        try
        {
            _parts.Data.Tokenizer.Save(now);
            if (!File.ReadAllBytes(now).AsSpan().SequenceEqual(File.ReadAllBytes(kept)))
                throw new CheckpointException($"The tokenizer is not that of checkpoint '{checkpoint}': its file, or the texts that it is trained on, changed. Set data.tokenizer to {{ kind: file, path: {kept} }} in a new run that starts from these weights (init.model), or bring the old texts back.");
        }
        finally
        {
            File.Delete(now);
        }
    }

    /// <summary>Reads a checkpoint's <c>trainer.json</c>.</summary>
    public static TrainerState ReadState(string checkpoint)
    {
        string path = Path.Combine(checkpoint, "trainer.json");
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), TrainingJson.Default.TrainerState) ?? throw new JsonException("it is null");
        }
        catch (Exception fault) when (fault is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"'{path}' cannot be read: {fault.Message} It was written by another version; continue with that one.", fault);
        }
    }

    private string? FirstBadParameter()
    {
        ParameterList parameters = _model.Parameters();
        for (int i = 0; i < parameters.Count; i++)
        {
            foreach (float value in parameters[i].ToArray())
                if (!float.IsFinite(value)) return parameters.Names[i];
        }
        return null;
    }

    private TrainingException Fail(long step, IReadOnlyList<PackedBatch> batches, string message)
    {
        string folder = Path.Combine(_parts.OutDirectory, string.Create(CultureInfo.InvariantCulture, $"failed-batch-step-{step}"));
        string where;
        try
        {
            FailedBatch.Write(folder, batches, _parts.Data.Tokenizer, _parts.Packing);
            where = $"the step's data are in '{folder}'";
        }
        catch (Exception failure) when (FileSync.IsDiskFailure(failure))
        {
            where = $"the step's data could not be written to '{folder}' ({failure.Message})";
        }
        string sentence = $"{message}; {where}.";
        _parts.Emit(new RunStopped(Step, sentence));
        return new TrainingException(sentence);
    }
}
