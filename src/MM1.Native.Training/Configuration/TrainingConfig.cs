using System.Text.Json.Nodes;
using MM1.Native.Autograd;

namespace MM1.Native.Training;

/// <summary>Everything that a training run is made of. What is not given has the default that is named at the property.</summary>
public sealed record TrainingConfig
{
    /// <summary>Name of the run (default <c>run</c>); shown, never part of what is computed.</summary>
    public string Name { get; init; } = "run";

    /// <summary>Key of initial weights and of the order of data (default 1).</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The model: <c>{ preset: tiny, vision: {...}, connector: {...}, decoder: {...} }</c>, the preset's values with these over them.</summary>
    public required JsonObject Model { get; init; }

    /// <summary>What is computed in (default auto: bfloat16 where the device has it, else float32); weights are kept in float32.</summary>
    public Precision Precision { get; init; }

    /// <summary>The data.</summary>
    public required DataConfig Data { get; init; }

    /// <summary>The optimizer.</summary>
    public OptimizerConfig Optimizer { get; init; } = new();

    /// <summary>Steps and learning rate.</summary>
    public required ScheduleConfig Schedule { get; init; }

    /// <summary>Batches of an optimizer step (default 1); 4 of one sequence are as 1 of four.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>Whether blocks run again in backward instead of keeping their activations (default false): the same bits for less memory.</summary>
    public bool Recompute { get; init; }

    /// <summary>
    /// Whether a step is recorded into a graph and then replayed (default false), which costs the host one call in place of hundreds: on native devices, with <c>data.fixedShapes</c>, and the
    /// same bits. The update is made before the host sees the loss: of the guard the rule for the gradient norm holds, on the device, and what is not finite is skipped; a loss that is an outlier is
    /// learned from.
    /// </summary>
    public bool Capture { get; init; }

    /// <summary>Whether every step sees the first step's data (default false): the quickest proof that a model can learn.</summary>
    public bool OverfitOneBatch { get; init; }

    /// <summary>What happens when loss or gradient norm jump or are no numbers.</summary>
    public GuardConfig Guard { get; init; } = new();

    /// <summary>Checkpoints.</summary>
    public CheckpointConfig Checkpoints { get; init; } = new();

    /// <summary>Evaluation during and after the run.</summary>
    public EvaluationConfig Evaluation { get; init; } = new();

    /// <summary>Sample answers.</summary>
    public SamplesConfig Samples { get; init; } = new();

    /// <summary>Weights to start from.</summary>
    public InitialWeightsConfig Init { get; init; } = new();

    /// <summary>Globs over parameter names that are not trained, e.g. <c>encoder.*</c> (default none).</summary>
    public IReadOnlyList<string> Freeze { get; init; } = [];

    /// <summary>Factors on the learning rate by glob; the first that matches counts (default none).</summary>
    public IReadOnlyDictionary<string, double> LrScale { get; init; } = new Dictionary<string, double>();

    /// <summary>Contrastive pre-training of the image encoder before the first step (default none).</summary>
    public EncoderPretrainingConfig EncoderPretraining { get; init; } = new();

    /// <summary>Metrics.</summary>
    public LogConfig Log { get; init; } = new();

    /// <summary>Kernel trace.</summary>
    public TraceConfig Trace { get; init; } = new();

    /// <summary>Checks everything that can be known before the model is built.</summary>
    /// <exception cref="Inference.ConfigurationException">A value is out of range; the message names its key, the value and the rule.</exception>
    public void Validate()
    {
        Check.That(Name.Length > 0, "name", Name, "must not be empty");
        Check.That(Accumulation >= 1, "accumulation", Accumulation, "must be 1 or more");
        Data.Validate();
        Optimizer.Validate();
        Schedule.Validate();
        EncoderPretraining.Validate(Data);
        Guard.Validate();
        Check.That(Checkpoints.Every >= 0, "checkpoints.every", Checkpoints.Every, "must be 0 (only at the end) or more");
        Check.That(Checkpoints.Keep >= 1, "checkpoints.keep", Checkpoints.Keep, "must be 1 or more");
        Evaluation.Validate(Data);
        Check.That(Samples.Every >= 0, "samples.every", Samples.Every, "must be 0 (none) or more");
        Check.That(Samples.Count >= 1, "samples.count", Samples.Count, "must be 1 or more");
        for (int i = 0; i < (Samples.Tasks?.Count ?? 0); i++) Samples.Tasks![i].Validate($"samples.tasks[{i}]", Data);
        Check.That(Log.Every >= 1, "log.every", Log.Every, "must be 1 or more");
        Check.That(Trace.Step >= 0, "trace.step", Trace.Step, "must be 0 (none) or a step");
        Check.That(!Capture || Data.FixedShapes, "data.fixedShapes", "false", "must be true where capture is (a recorded step has the same shapes each time)");
        Check.That(!Capture || Trace.Step == 0, "trace.step", Trace.Step, "must be 0 where capture is true (a recorded step is launched at once; its kernels cannot be timed)");
        foreach ((string glob, double factor) in LrScale)
            Check.That(factor >= 0 && double.IsFinite(factor), $"lrScale.{glob}", factor, "must be 0 or more");
    }
}

/// <summary>Steps and learning rate: a line from 0 to the peak, then a cosine to <see cref="Floor"/> of the peak at the last step.</summary>
public sealed record ScheduleConfig
{
    /// <summary>Optimizer steps of the whole run.</summary>
    public required int Steps { get; init; }

    /// <summary>Steps of the warm-up (default 0); the first step after it has the peak.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Share of the peak at the last step (default 0.1, the paper's).</summary>
    public double Floor { get; init; } = 0.1;

    internal void Validate()
    {
        Check.That(Steps >= 1, "schedule.steps", Steps, "must be 1 or more");
        Check.That(WarmupSteps >= 0 && WarmupSteps < Steps, "schedule.warmupSteps", WarmupSteps, $"must be 0 or more and less than schedule.steps ({Steps})");
        Check.That(Floor is >= 0 and <= 1, "schedule.floor", Floor, "must lie in [0, 1]");
    }
}

/// <summary>The spike guard: a step whose loss or gradient norm is an outlier among those before it changes nothing.</summary>
public sealed record GuardConfig
{
    /// <summary>Standard deviations above the mean from which a step is skipped (default 6); 0 skips only what is not finite.</summary>
    public double ZScore { get; init; } = 6;

    /// <summary>Steps that mean and deviation are taken over (default 128); before so many are known nothing is an outlier.</summary>
    public int Window { get; init; } = 128;

    /// <summary>Skipped steps in a row after which the run stops (default 10).</summary>
    public int MaximumSkips { get; init; } = 10;

    internal void Validate()
    {
        Check.That(ZScore >= 0 && double.IsFinite(ZScore), "guard.zScore", ZScore, "must be 0 (only what is not finite) or more");
        Check.That(Window >= 2, "guard.window", Window, "must be 2 or more");
        Check.That(MaximumSkips >= 0, "guard.maximumSkips", MaximumSkips, "must be 0 or more");
    }
}

/// <summary>Checkpoints.</summary>
public sealed record CheckpointConfig
{
    /// <summary>Steps between checkpoints (default 200); 0 saves at the end, or when stopped, only.</summary>
    public int Every { get; init; } = 200;

    /// <summary>How many are kept (default 3); older ones go when a new one is complete.</summary>
    public int Keep { get; init; } = 3;
}

/// <summary>Sample answers: some images with prompts that training does not have, answered by the model.</summary>
public sealed record SamplesConfig
{
    /// <summary>Steps between samples (default 0: none but at the end).</summary>
    public int Every { get; init; }

    /// <summary>Samples (default 8).</summary>
    public int Count { get; init; } = 8;

    /// <summary>
    /// Tasks whose first items are the samples, each as many as the others; null (default) for questions and captions of the synthetic world, or, where the data are sources, the first entry of
    /// <c>evaluation.final</c> that has images. Without any there are no samples.
    /// </summary>
    public IReadOnlyList<EvaluationEntry>? Tasks { get; init; }
}

/// <summary>Weights to start from: safetensors files. What is not named is drawn from the seed.</summary>
public sealed record InitialWeightsConfig
{
    /// <summary>A whole model's file (ours), e.g. a checkpoint's <c>model.safetensors</c>; the parts below are loaded over it.</summary>
    public string? Model { get; init; }

    /// <summary>The image encoder's file.</summary>
    public string? Encoder { get; init; }

    /// <summary>Whose names the encoder's file has (default ours).</summary>
    public EncoderNames EncoderNames { get; init; }

    /// <summary>The connector's file (ours).</summary>
    public string? Connector { get; init; }

    /// <summary>The decoder's file.</summary>
    public string? Llm { get; init; }

    /// <summary>Whose names the decoder's file has (default ours).</summary>
    public LlmNames LlmNames { get; init; }
}

/// <summary>Metrics.</summary>
public sealed record LogConfig
{
    /// <summary>Steps between lines of metrics (default 10).</summary>
    public int Every { get; init; } = 10;
}

/// <summary>Kernel trace.</summary>
public sealed record TraceConfig
{
    /// <summary>The step whose kernels are written to <c>trace.json</c> for chrome://tracing or Perfetto (default 0: none).</summary>
    public int Step { get; init; }
}
