using System.Diagnostics;

namespace MM1.Native.Kernels;

/// <summary>One launch of a profile.</summary>
/// <param name="Verb">The kernel.</param>
/// <param name="Start">When it began, as <see cref="Stopwatch.GetTimestamp"/> counts.</param>
/// <param name="Ticks">How long it took.</param>
public readonly record struct KernelLaunch(KernelVerb Verb, long Start, long Ticks);

/// <summary>
/// Calls and time by verb while it is open: <c>using KernelProfile profile = device.StartProfile();</c>. Each launch is waited
/// for, so that the time is the kernel's own; profile to learn where time goes, not how long a step takes.
/// </summary>
public sealed class KernelProfile : IDisposable
{
    private readonly Device _device;
    private readonly List<KernelLaunch>? _launches;
    private readonly long[] _calls = new long[Enum.GetValues<KernelVerb>().Length];
    private readonly long[] _ticks = new long[Enum.GetValues<KernelVerb>().Length];

    internal KernelProfile(Device device, bool recordsLaunches)
    {
        _device = device;
        if (recordsLaunches) _launches = [];
    }

    /// <summary>Every launch, in order; empty unless the profile was opened to record them.</summary>
    public IReadOnlyList<KernelLaunch> Launches => _launches ?? [];

    /// <summary>All launches.</summary>
    public long Calls => _calls.Sum();

    /// <summary>Time of all launches.</summary>
    public TimeSpan Time => Stopwatch.GetElapsedTime(0, _ticks.Sum());

    /// <summary>Launches and time of each verb that ran, longest first.</summary>
    public IReadOnlyList<(KernelVerb Verb, long Calls, TimeSpan Time)> ByVerb() =>
    [
        .. Enum.GetValues<KernelVerb>()
            .Where(verb => _calls[(int)verb] > 0)
            .Select(verb => (verb, _calls[(int)verb], Stopwatch.GetElapsedTime(0, _ticks[(int)verb])))
            .OrderByDescending(row => row.Item3),
    ];

    /// <summary>Time of each family (a folder of kernels), longest first.</summary>
    public IReadOnlyList<(string Family, TimeSpan Time)> ByFamily() =>
    [
        .. ByVerb().GroupBy(row => Family(row.Verb))
            .Select(group => (group.Key, TimeSpan.FromTicks(group.Sum(row => row.Time.Ticks))))
            .OrderByDescending(row => row.Item2),
    ];

    /// <summary>The family of a verb, named like its folder.</summary>
    public static string Family(KernelVerb verb) => verb switch
    {
        <= KernelVerb.KeyValueCacheAppend => "attention",
        <= KernelVerb.GridInterpolationBackward => "convolution",
        <= KernelVerb.TransposeBlocks => "elementwise",
        <= KernelVerb.ImageTokenPlacementBackward => "embedding",
        <= KernelVerb.BiasGradient => "gemm",
        <= KernelVerb.PatchRegressionBackward => "loss",
        <= KernelVerb.L2NormalizeBackward => "normalization",
        <= KernelVerb.Adafactor => "optimizer",
        <= KernelVerb.RandomFill => "random",
        <= KernelVerb.SoftmaxBackward => "reduction",
        _ => throw new ArgumentOutOfRangeException(nameof(verb), verb, "This verb belongs to no family."),
    };

    /// <summary>Starts again from nothing.</summary>
    public void Reset()
    {
        _launches?.Clear();
        Array.Clear(_calls);
        Array.Clear(_ticks);
    }

    /// <summary>Ends the profile; the counts stay readable.</summary>
    public void Dispose() => _device.EndProfile(this);

    internal long Start()
    {
        _device.Synchronize();
        return Stopwatch.GetTimestamp();
    }

    internal void End(KernelVerb verb, long start)
    {
        _device.Synchronize();
        long ticks = Stopwatch.GetTimestamp() - start;
        _ticks[(int)verb] += ticks;
        _calls[(int)verb]++;
        _launches?.Add(new KernelLaunch(verb, start, ticks));
    }
}
