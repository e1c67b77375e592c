namespace MM1.Native.Kernels;

/// <summary>A point in a stream's work.</summary>
public sealed unsafe class CudaEvent : CudaHandle
{
    /// <summary>An event of <paramref name="device"/>; <paramref name="timed"/> to measure with it.</summary>
    public CudaEvent(CudaDevice device, bool timed = false) : base(device)
    {
        nint made;
        device.MakeCurrent();
        Check(Library.Api.EventCreate(timed ? 1 : 0, &made), "event");
        Own(made);
    }

    /// <summary>Whether the work before the last record is done; does not wait.</summary>
    public bool IsDone
    {
        get
        {
            int done;
            Device.MakeCurrent();
            Check(Library.Api.EventQuery(Value, &done), "event");
            return done != 0;
        }
    }

    /// <summary>Puts the event behind the work that the stream holds now. A second record replaces the first.</summary>
    public void Record(CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Device.MakeCurrent();
        Check(Library.Api.EventRecord(Value, stream.Value), "event");
        GC.KeepAlive(stream);
    }

    /// <summary>Returns when the work before the last record is done.</summary>
    public void Synchronize()
    {
        Device.MakeCurrent();
        Check(Library.Api.EventSynchronize(Value), "event");
    }

    /// <summary>Time from <paramref name="start"/> to this event; both are timed and have passed.</summary>
    public TimeSpan Since(CudaEvent start)
    {
        ArgumentNullException.ThrowIfNull(start);
        float milliseconds;
        Device.MakeCurrent();
        Check(Library.Api.EventElapsedMilliseconds(start.Value, Value, &milliseconds), "event");
        GC.KeepAlive(start);
        return TimeSpan.FromMilliseconds(milliseconds);
    }

    private protected override int Release() => Library.Api.EventDestroy(handle);
}
