namespace MM1.Native.Training;

/// <summary>All sinks of a run: the caller's, which the caller disposes, and the run's own.</summary>
internal sealed class SinkSet(IReadOnlyList<ITrainSink> callers) : IDisposable
{
    private readonly List<ITrainSink> _own = [];

    public void Add(ITrainSink sink) => _own.Add(sink);

    public void Handle(TrainEvent trainEvent)
    {
        // Files first: what a person is shown is written already.
        foreach (ITrainSink sink in _own) sink.Handle(trainEvent);
        foreach (ITrainSink sink in callers) sink.Handle(trainEvent);
    }

    public void Dispose()
    {
        foreach (ITrainSink sink in _own) sink.Dispose();
    }
}
