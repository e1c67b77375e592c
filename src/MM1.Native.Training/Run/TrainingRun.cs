using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>How a configuration is run.</summary>
public sealed record RunOptions
{
    /// <summary>Where everything is written.</summary>
    public required string OutDirectory { get; init; }

    /// <summary>Where it is computed.</summary>
    public required Device Device { get; init; }

    /// <summary>Whether to go on from the newest whole checkpoint; without one the run starts fresh and says so.</summary>
    public bool Resume { get; init; }

    /// <summary>Stops after this step, with a checkpoint; the schedule stays as it is. Null runs to the end.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Take the events, beside those that write <c>metrics.jsonl</c> and TensorBoard's files. The caller disposes them.</summary>
    public IReadOnlyList<ITrainSink> Sinks { get; init; } = [];

    /// <summary>Ends the run after the present step, with a checkpoint.</summary>
    public CancellationToken CancellationToken { get; init; }
}

/// <summary>What came of a run.</summary>
/// <param name="Status">Finished or stopped.</param>
/// <param name="Summary">What <c>summary.json</c> holds.</param>
/// <param name="Checkpoint">The newest checkpoint; null where the run was stopped in the encoder's pre-training, before there was one.</param>
/// <param name="WasFinished">Whether there was nothing left to do.</param>
public sealed record RunResult(TrainStatus Status, RunSummary Summary, string? Checkpoint, bool WasFinished = false);

/// <summary>
/// A run from configuration to summary, as <c>mm1 train</c> makes it. OUT holds <c>config.json</c>, <c>metrics.jsonl</c>, <c>events.out.tfevents.*</c>, <c>checkpoints/step-NNNNNN/</c> and, at the
/// end, <c>summary.json</c>.
/// </summary>
public static class TrainingRun
{
    /// <summary>Trains.</summary>
    /// <exception cref="ConfigurationException">The configuration cannot be used.</exception>
    /// <exception cref="TrainingException">The run cannot start or go on; what was saved is still there.</exception>
    public static RunResult Execute(TrainingConfig config, RunOptions options)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        if (options.MaxSteps is < 1) throw new ConfigurationException($"--max-steps must be 1 or more, not {options.MaxSteps}.");
        config.Validate();
        TrainingData data = TrainingData.Open(config.Data);
        Mm1Config modelConfig = Mm1ConfigReader.FromNode(config.Model, "configuration", vocabulary: data.Tokenizer.VocabularySize);
        ImageSettings images = config.Data.Images.For(modelConfig.Vision);
        PackingOptions packing = data.Packing(config, modelConfig, images);
        try
        {
            using RunFolder folder = RunFolder.Open(options.OutDirectory);
            return Execute(config, options, new Plan(data, modelConfig, images, packing, ToNode(config, modelConfig)), folder);
        }
        catch (Exception failure) when (FileSync.IsDiskFailure(failure))
        {
            throw new TrainingException($"The run in '{options.OutDirectory}' cannot go on: {failure.Message} Checkpoints that were complete are still there; continue with --resume.", failure);
        }
    }

    /// <summary>The configuration with every default and the whole model written out.</summary>
    public static JsonObject ToNode(TrainingConfig config, Mm1Config model)
    {
        JsonObject node = JsonSerializer.SerializeToNode(config, TrainingJson.Default.TrainingConfig)!.AsObject();
        node["model"] = Mm1ConfigReader.ToNode(model);
        return node;
    }

    private static DType ShadowOf(TrainingConfig config, Device device)
    {
        try
        {
            return config.Precision.Shadow(device);
        }
        catch (ArgumentException failure)
        {
            throw new ConfigurationException($"precision: {failure.Message.Replace($" (Parameter '{failure.ParamName}')", "", StringComparison.Ordinal)}");
        }
    }

    private static RunResult Execute(TrainingConfig config, RunOptions options, Plan plan, RunFolder folder)
    {
        var notes = new List<string>();
        var store = new CheckpointStore(folder.Checkpoints, config.Checkpoints.Keep);
        CheckpointPlace? from = FindStart(store, options, notes);
        store.Prepare();
        if (from is { } last && last.Step >= config.Schedule.Steps && File.Exists(folder.Summary))
        {
            RunSummary summary = RunSummary.Read(folder.Summary);
            string note = string.Create(CultureInfo.InvariantCulture, $"The run is finished: all {config.Schedule.Steps} steps are done ('{last.Path}').");
            foreach (ITrainSink sink in options.Sinks)
            {
                sink.Handle(new RunStarted(last.Step, config, folder.Path, options.Device.Name, summary.Parameters, summary.Parameters, 0, last.Step, [note]));
                sink.Handle(new RunFinished(last.Step, summary));
            }
            return new RunResult(TrainStatus.Finished, summary, last.Path, WasFinished: true);
        }
        using var model = new Mm1Model(plan.Model);
        model.Build(options.Device, config.Seed, ShadowOf(config, options.Device));
        if (from is null) InitialWeights.Load(model, config.Init);
        Freeze(model, config.Freeze);
        using var sinks = new SinkSet(options.Sinks);
        var evaluation = new RunEvaluation(config, model, plan.Data.Tokenizer, plan.Images);
        using var trainer = new Trainer(new TrainerParts
        {
            Config = config,
            ConfigNode = plan.ConfigNode,
            Model = model,
            Data = plan.Data,
            Packing = plan.Packing,
            OutDirectory = folder.Path,
            Checkpoints = store,
            WriteModel = path => ModelBundle.Save(path, model, plan.Data.Tokenizer, plan.Images),
            Emit = sinks.Handle,
            Breaks = evaluation,
            From = from,
        });
        FileSync.Replace(folder.Config, Encoding.UTF8.GetBytes(plan.ConfigNode.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n"));
        File.Delete(folder.Summary);
        sinks.Add(new JsonLinesSink(folder.Metrics, from?.Step));
        sinks.Add(new BadSamplesSink(folder.BadSamples, from?.Step));
        sinks.Add(new TensorBoardSink(folder.Path));
        long stop = Math.Min(config.Schedule.Steps, options.MaxSteps ?? int.MaxValue);
        long trained = model.Parameters().Where(static parameter => parameter.RequiresGradient).Sum(static parameter => parameter.Elements);
        sinks.Handle(new RunStarted(trainer.Step, config, folder.Path, options.Device.Name, model.ParameterCount(), trained, trainer.Schedule.Peak, stop, notes));
        if (from is null && config.EncoderPretraining.Steps > 0)
        {
            var pretraining = new EncoderPretraining(config, model, plan.Data, plan.Images, sinks.Handle);
            if (pretraining.Run(options.CancellationToken) is not { } pretrained) return new RunResult(TrainStatus.Stopped, Summarize(trainer, model, []), null);
            trainer.SavePretrained(pretrained);
        }
        TrainStatus status = trainer.Run(stop, options.CancellationToken);
        var metrics = new List<KeyValuePair<string, double>>();
        if (status == TrainStatus.Finished && !Evaluate(trainer, evaluation, metrics, sinks, options.CancellationToken)) status = TrainStatus.Stopped;
        var result = new RunResult(status, Summarize(trainer, model, metrics), store.List()[0].Path);
        if (status == TrainStatus.Finished)
        {
            FileSync.Replace(folder.Summary, result.Summary.ToJson());
            sinks.Handle(new RunFinished(trainer.Step, result.Summary));
        }
        return result;
    }

    /// <summary>The evaluation after the last step; false where it was cancelled.</summary>
    private static bool Evaluate(Trainer trainer, RunEvaluation evaluation, List<KeyValuePair<string, double>> metrics, SinkSet sinks, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            foreach (TrainEvent happened in evaluation.AtEnd(trainer.Step, metrics, cancellationToken)) sinks.Handle(happened);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            sinks.Handle(new RunStopped(trainer.Step, "training is done; the final evaluation was asked to stop, --resume makes it anew"));
            return false;
        }
        trainer.Meter.AddEvaluation(Stopwatch.GetElapsedTime(start));
        return true;
    }

    private static CheckpointPlace? FindStart(CheckpointStore store, RunOptions options, List<string> notes)
    {
        if (!options.Resume)
        {
            if (store.List() is { Count: > 0 } there)
                throw new TrainingException($"'{options.OutDirectory}' holds a run already ('{there[0].Path}'): continue it with --resume, or choose another folder with --out.");
            return null;
        }
        var passedOver = new List<string>();
        CheckpointPlace? found = store.FindNewest(passedOver);
        notes.AddRange(passedOver);
        notes.Add(found is { } place
            ? string.Create(CultureInfo.InvariantCulture, $"Continuing from step {place.Step} ('{place.Path}').")
            : $"There is no checkpoint in '{store.Folder}' to resume from: starting fresh.");
        return found;
    }

    private static void Freeze(Mm1Model model, IReadOnlyList<string> globs)
    {
        foreach (string glob in globs)
        {
            try
            {
                model.Parameters().Freeze(glob);
            }
            catch (ArgumentException)
            {
                throw new ConfigurationException($"Configuration: freeze has '{glob}', which matches no parameter; names are as in docs/names.md, e.g. '{model.Parameters().Names[0]}'.");
            }
        }
    }

    private static RunSummary Summarize(Trainer trainer, Mm1Model model, IReadOnlyList<KeyValuePair<string, double>> metrics)
    {
        (TrainTimes times, TrainCounters counters) = (trainer.Meter.Times, trainer.Meter.Counters);
        double seconds = Math.Max(1e-9, times.TrainSeconds), inSteps = Math.Max(1e-9, times.TrainSeconds - times.PretrainingSeconds);
        return new RunSummary
        {
            TrainSeconds = times.TrainSeconds,
            PretrainingSeconds = times.PretrainingSeconds,
            PretrainingImages = counters.PretrainingImages,
            EvalSeconds = times.EvalSeconds,
            Steps = trainer.Step,
            Parameters = model.ParameterCount(),
            TokensPerSecond = counters.Tokens / inSteps,
            ImagesPerSecond = counters.Images / inSteps,
            DataWaitFraction = times.DataWaitSeconds / seconds,
            PeakRssMiB = times.PeakRssMiB,
            Metrics = metrics,
        };
    }

    private sealed record Plan(TrainingData Data, Mm1Config Model, ImageSettings Images, PackingOptions Packing, JsonObject ConfigNode);
}
