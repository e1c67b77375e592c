using System.Diagnostics;
using MM1.Native.Data;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>Counts and times of a run: all of it, and since the last logged step.</summary>
internal sealed class ThroughputMeter
{
    private readonly ModelCost _cost;
    private TrainTimes _before;
    private TrainCounters _counters;
    private long _begin, _intervalStart;
    private TimeSpan _evaluation, _waited, _waitedBefore, _intervalEvaluation, _intervalWaited;
    private long _steps, _intervalSteps, _intervalTokens, _intervalImages, _intervalPositions;
    private double _intervalFlops;
    private double _peakRss;

    public ThroughputMeter(ModelCost cost, TrainerState? state)
    {
        _cost = cost;
        (_counters, _before) = (state?.Counters ?? new TrainCounters(), state?.Times ?? new TrainTimes());
        _peakRss = _before.PeakRssMiB;
        _begin = _intervalStart = Stopwatch.GetTimestamp();
    }

    public TrainCounters Counters => _counters;

    /// <summary>Seconds of training and evaluation, those before the last stop included.</summary>
    public TrainTimes Times => new()
    {
        TrainSeconds = TrainTime.TotalSeconds,
        PretrainingSeconds = _before.PretrainingSeconds,
        EvalSeconds = _before.EvalSeconds + _evaluation.TotalSeconds,
        DataWaitSeconds = _before.DataWaitSeconds + _waited.TotalSeconds,
        PeakRssMiB = PeakRssMiB(),
    };

    public TimeSpan TrainTime => TimeSpan.FromSeconds(_before.TrainSeconds) + Stopwatch.GetElapsedTime(_begin) - _evaluation;

    /// <summary>The clock starts: what came before (reading, building) is not training.</summary>
    public void Begin(TimeSpan waited)
    {
        _begin = _intervalStart = Stopwatch.GetTimestamp();
        _waitedBefore = waited;
    }

    public void Add(IReadOnlyList<PackedBatch> batches, TimeSpan waited)
    {
        foreach (PackedBatch batch in batches)
        {
            int positions = batch.Sequences * batch.Length;
            _counters = _counters with
            {
                Tokens = _counters.Tokens + batch.TokenCount,
                Targets = _counters.Targets + batch.TargetCount,
                Images = _counters.Images + batch.ImageCount,
                Positions = _counters.Positions + positions,
            };
            _intervalTokens += batch.TokenCount;
            _intervalImages += batch.ImageCount;
            _intervalPositions += positions;
            double attended = 0;
            foreach (PackedDocument document in batch.Documents) attended += document.Length * (document.Length + 1.0) / 2;
            _intervalFlops += _cost.OfPacked(batch.TokenCount, attended, batch.ImageCount);
        }
        TimeSpan total = waited - _waitedBefore;
        _intervalWaited += total - _waited;
        _waited = total;
        _steps++;
        _intervalSteps++;
    }

    /// <summary>Counts the encoder's pre-training in, before the first step.</summary>
    public void AddPretraining(PretrainingResult result)
    {
        _counters = _counters with { PretrainingImages = _counters.PretrainingImages + result.Images };
        _before = _before with
        {
            TrainSeconds = _before.TrainSeconds + result.Time.TotalSeconds,
            PretrainingSeconds = _before.PretrainingSeconds + result.Time.TotalSeconds,
            DataWaitSeconds = _before.DataWaitSeconds + result.Waited.TotalSeconds,
        };
        _begin = _intervalStart = Stopwatch.GetTimestamp();
    }

    public void AddEvaluation(TimeSpan time)
    {
        _evaluation += time;
        _intervalEvaluation += time;
    }

    /// <summary>Speeds of the interval so far; a logged step ends it.</summary>
    public Throughput Read(bool endsInterval)
    {
        double seconds = Math.Max(1e-9, (Stopwatch.GetElapsedTime(_intervalStart) - _intervalEvaluation).TotalSeconds);
        var now = new Throughput
        {
            TokensPerSecond = _intervalTokens / seconds,
            ImagesPerSecond = _intervalImages / seconds,
            DataWaitFraction = Math.Clamp(_intervalWaited.TotalSeconds / seconds, 0, 1),
            PackingEfficiency = _intervalPositions == 0 ? 1 : (double)_intervalTokens / _intervalPositions,
            FlopsPerSecond = _intervalFlops / seconds,
            SecondsPerStep = seconds / Math.Max(1, _intervalSteps),
            PeakRssMiB = endsInterval ? PeakRssMiB() : _peakRss,
        };
        if (!endsInterval) return now;
        _intervalStart = Stopwatch.GetTimestamp();
        (_intervalEvaluation, _intervalWaited) = (TimeSpan.Zero, TimeSpan.Zero);
        _intervalSteps = _intervalTokens = _intervalImages = _intervalPositions = 0;
        _intervalFlops = 0;
        return now;
    }

    /// <summary>Expected time of further steps, at the mean speed since the start.</summary>
    public TimeSpan Remaining(long steps) => _steps == 0 ? TimeSpan.Zero : (Stopwatch.GetElapsedTime(_begin) - _evaluation) / _steps * steps;

    private double PeakRssMiB()
    {
        using var process = Process.GetCurrentProcess();
        return _peakRss = Math.Max(_peakRss, process.PeakWorkingSet64 / 1048576.0);
    }
}
