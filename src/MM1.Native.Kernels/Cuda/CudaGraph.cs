namespace MM1.Native.Kernels;

/// <summary>
/// Work recorded once by <see cref="CudaStream.BeginCapture"/> and launched many times. Addresses and arguments are those of the recording, contents those of the moment; all
/// memory that it uses must still be there.
/// </summary>
public sealed unsafe class CudaGraph : CudaHandle
{
    internal CudaGraph(CudaStream stream) : base(stream.Device)
    {
        nint graph, instance;
        long size;
        Device.MakeCurrent();
        Check(Library.Api.GraphEndCapture(stream.Value, &graph), "capture");
        GC.KeepAlive(stream);
        try
        {
            Check(Library.Api.GraphGetSize(graph, &size), "graph");
            Check(Library.Api.GraphInstantiate(graph, &instance), "graph");
        }
        finally
        {
            _ = Library.Api.GraphDestroy(graph); // the instance lives without it
        }
        Size = size;
        Own(instance);
    }

    /// <summary>Recorded pieces of work: kernels, copies, fills.</summary>
    public long Size { get; }

    /// <summary>Queues all the recorded work. Launches of one graph run one after another.</summary>
    public void Launch(CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Device.MakeCurrent();
        Check(Library.Api.GraphLaunch(Value, stream.Value), "graph");
        GC.KeepAlive(stream);
    }

    private protected override int Release() => Library.Api.GraphInstanceDestroy(handle);
}
