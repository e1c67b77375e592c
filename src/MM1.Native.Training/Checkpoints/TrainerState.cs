using System.Text.Json.Nodes;
using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>Sums over a whole run, through all its stops.</summary>
public sealed record TrainCounters
{
    /// <summary>Tokens of documents.</summary>
    public long Tokens { get; init; }

    /// <summary>Targets.</summary>
    public long Targets { get; init; }

    /// <summary>Images.</summary>
    public long Images { get; init; }

    /// <summary>Positions, padding included.</summary>
    public long Positions { get; init; }

    /// <summary>Images of the encoder's pre-training; <see cref="Images"/> does not have them.</summary>
    public long PretrainingImages { get; init; }
}

/// <summary>Times of a run so far; the only part of a checkpoint that two equal runs do not share.</summary>
public sealed record TrainTimes
{
    /// <summary>Seconds of training, the encoder's pre-training included.</summary>
    public double TrainSeconds { get; init; }

    /// <summary>Seconds of the encoder's pre-training.</summary>
    public double PretrainingSeconds { get; init; }

    /// <summary>Seconds of evaluation and samples.</summary>
    public double EvalSeconds { get; init; }

    /// <summary>Seconds that training waited for data.</summary>
    public double DataWaitSeconds { get; init; }

    /// <summary>Largest resident memory, in MiB.</summary>
    public double PeakRssMiB { get; init; }
}

/// <summary>What a checkpoint holds beside weights and optimizer state (<c>trainer.json</c>).</summary>
public sealed record TrainerState
{
    /// <summary>Version of this record.</summary>
    public int Version { get; init; } = 1;

    /// <summary>Steps done, skipped ones included.</summary>
    public required long Step { get; init; }

    /// <summary>Updates made: steps less the skipped ones.</summary>
    public required long OptimizerSteps { get; init; }

    /// <summary>Where the data stand; null with <c>overfitOneBatch</c>, which begins anew.</summary>
    public MixtureCursor? Cursor { get; init; }

    /// <summary>The guard.</summary>
    public required GuardState Guard { get; init; }

    /// <summary>Sums.</summary>
    public required TrainCounters Counters { get; init; }

    /// <summary>Times.</summary>
    public required TrainTimes Times { get; init; }

    /// <summary>Seconds of training after which goals of evaluation were reached, by their key of <c>summary.json</c>.</summary>
    public IReadOnlyDictionary<string, double> Reached { get; init; } = new Dictionary<string, double>();

    /// <summary>The configuration, every default written out: what a resumed run must agree with.</summary>
    public required JsonObject Config { get; init; }
}
