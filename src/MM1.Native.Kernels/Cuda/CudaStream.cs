namespace MM1.Native.Kernels;

/// <summary>A queue of work on one device: executed in order, not ordered against other streams. One thread drives it at a time.</summary>
public sealed unsafe class CudaStream : CudaHandle
{
    /// <summary>A stream of <paramref name="device"/>.</summary>
    public CudaStream(CudaDevice device) : base(device)
    {
        nint stream;
        device.MakeCurrent();
        Check(Library.Api.StreamCreate(&stream), "stream");
        Own(stream);
    }

    /// <summary>What <see cref="Launch.Stream"/> takes.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    public nint Handle => Value;

    /// <summary>Whether all work queued so far is done; does not wait.</summary>
    public bool IsDone
    {
        get
        {
            int done;
            Device.MakeCurrent();
            Check(Library.Api.StreamQuery(Value, &done), "stream");
            return done != 0;
        }
    }

    /// <summary>Whether work is being recorded.</summary>
    public bool IsCapturing { get; private set; }

    /// <summary>Returns when the stream's work is done, with the failure that it met.</summary>
    public void Synchronize()
    {
        Device.MakeCurrent();
        Check(Library.Api.StreamSynchronize(Value), "stream");
    }

    /// <summary>Work queued after this waits for the work behind which <paramref name="recorded"/> was recorded last.</summary>
    public void Wait(CudaEvent recorded)
    {
        ArgumentNullException.ThrowIfNull(recorded);
        Device.MakeCurrent();
        Check(Library.Api.StreamWaitEvent(Value, recorded.Value), "stream");
        GC.KeepAlive(recorded);
    }

    /// <summary>From here on work queued on the stream is recorded, not run, until <see cref="EndCapture"/>.</summary>
    public void BeginCapture()
    {
        Device.MakeCurrent();
        Check(Library.Api.GraphBeginCapture(Value), "capture");
        IsCapturing = true;
    }

    /// <summary>Ends the capture and makes what was recorded launchable. Fails where the capture met something that cannot be recorded.</summary>
    public CudaGraph EndCapture()
    {
        IsCapturing = false;
        return new CudaGraph(this);
    }

    private protected override int Release() => Library.Api.StreamDestroy(handle);
}
