using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>The batches of each step; with <c>overfitOneBatch</c> the first step's, again and again.</summary>
internal sealed class BatchFeed(BatchLoader loader, int batchesPerStep, bool repeatsFirst) : IDisposable
{
    private readonly List<PackedBatch> _taken = [];

    /// <summary>How long training waited for batches so far.</summary>
    public TimeSpan Waited => loader.Waited;

    /// <summary>Takes the batches of a step; they are there until the next call.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled; nothing was used.</exception>
    public IReadOnlyList<PackedBatch> Take(CancellationToken cancellationToken)
    {
        if (repeatsFirst && _taken.Count == batchesPerStep) return _taken;
        GiveBack();
        while (_taken.Count < batchesPerStep) _taken.Add(loader.Next(cancellationToken));
        return _taken;
    }

    public void Dispose()
    {
        GiveBack();
        loader.Dispose();
    }

    private void GiveBack()
    {
        foreach (PackedBatch batch in _taken) batch.Dispose();
        _taken.Clear();
    }
}
