namespace MM1.Native.Data;

/// <summary>
/// Bounds the memory of large images in flight, all threads of the process together: a decoder that would go over the limit waits until others are done. Images under
/// one megapixel do not take part: their threads hold little.
/// </summary>
public sealed class ImageMemory
{
    /// <summary>Pixels from which an image takes part.</summary>
    internal const long LargePixels = 1 << 20;

    /// <summary>Bytes of a pixel in flight: 3 of the result, 4 of the decoder's output or up to 6 of a progressive JPEG's coefficients, and a margin.</summary>
    internal const int BytesPerPixel = 10;

    [ThreadStatic]
    private static Hold? _held;

    private readonly object _gate = new();
    private long _used;

    /// <summary>With a limit.</summary>
    /// <param name="limitBytes">Most bytes in flight; one image alone is let through whatever its size.</param>
    public ImageMemory(long limitBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limitBytes);
        LimitBytes = limitBytes;
    }

    /// <summary>That of the process: 1 GiB, about a hundred megapixels at once.</summary>
    public static ImageMemory Shared { get; } = new(1L << 30);

    /// <summary>Most bytes in flight.</summary>
    public long LimitBytes { get; }

    /// <summary>The most bytes that were in flight at once.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>
    /// Keeps what this thread's decoders take until the result is disposed, so that an image counts until it has been made small. Without it an image counts while it is decoded.
    /// </summary>
    internal Hold Begin() => new(this);

    /// <summary>Takes the memory of an image, waiting for it; to be disposed after decoding.</summary>
    internal Hold? Take(long pixels)
    {
        if (pixels < LargePixels) return null;
        Hold? outer = _held;
        Hold target = outer is not null && outer.Memory == this ? outer : new Hold(this);
        long bytes = pixels * BytesPerPixel;
        lock (_gate)
        {
            // Whoever holds some already is let through: two threads that wait for each other would wait for ever.
            while (target.Bytes == 0 && _used > 0 && _used + bytes > LimitBytes) Monitor.Wait(_gate);
            _used += bytes;
            target.Bytes += bytes;
            PeakBytes = Math.Max(PeakBytes, _used);
        }
        if (target == outer) return null;
        return target;
    }

    private void Release(long bytes)
    {
        if (bytes == 0) return;
        lock (_gate)
        {
            _used -= bytes;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Memory that one thread took.</summary>
    internal sealed class Hold : IDisposable
    {
        private readonly Hold? _outer;

        internal Hold(ImageMemory memory)
        {
            Memory = memory;
            _outer = _held;
            _held = this;
        }

        internal ImageMemory Memory { get; }

        internal long Bytes { get; set; }

        public void Dispose()
        {
            _held = _outer;
            Memory.Release(Bytes);
            Bytes = 0;
        }
    }
}
