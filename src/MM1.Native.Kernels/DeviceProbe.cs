using MM1.Native.Kernels.Cuda;

namespace MM1.Native.Kernels;

/// <summary>What was found of one device.</summary>
/// <param name="Name">The name that <see cref="Device.Parse"/> takes.</param>
/// <param name="IsAvailable">Whether it can be opened.</param>
/// <param name="Description">What it is, or why it is not there.</param>
public sealed record DeviceProbe(string Name, bool IsAvailable, string Description)
{
    /// <summary>What builds the native libraries, typed at the top of a checkout.</summary>
    public const string BuildLine = LibrarySearch.BuildLine;

    /// <summary>Every file that was looked for, in order, each with what became of it; empty for the CPU.</summary>
    public IReadOnlyList<string> Probed { get; init; } = [];

    /// <summary>What to do where the device is not there, if anything helps.</summary>
    public string? Advice { get; init; }

    internal static IReadOnlyList<DeviceProbe> All()
    {
        var probes = new List<DeviceProbe>();
        using (Device cpu = Device.Parse("cpu"))
            probes.Add(new DeviceProbe("cpu", true, $"{cpu.Threads} threads, {DTypesOf(cpu)}"));
        probes.AddRange(Gpus());
        probes.Add(Open("cuda-emulated", DeviceKind.CudaEmulated, 0));
        return probes;
    }

    private static IEnumerable<DeviceProbe> Gpus()
    {
        DeviceProbe first = Open("cuda:0", DeviceKind.Cuda, 0);
        yield return first;
        if (!first.IsAvailable) yield break;
        int count = CudaDevice.Count(KernelLibrary.Find(CudaDevice.LibraryName(DeviceKind.Cuda), first.Name));
        for (int ordinal = 1; ordinal < count; ordinal++) yield return Open($"cuda:{ordinal}", DeviceKind.Cuda, ordinal);
    }

    private static DeviceProbe Open(string name, DeviceKind kind, int ordinal)
    {
        string library = CudaDevice.LibraryName(kind);
        IReadOnlyList<string> candidates = LibrarySearch.Candidates(library, Environment.GetEnvironmentVariable(LibrarySearch.Variable), AppContext.BaseDirectory);
        string? file = candidates.FirstOrDefault(File.Exists);
        // The first that exists is taken or refused; none behind it is looked at.
        string[] probed = [.. candidates.TakeWhile(path => path != file).Select(path => $"{path}: no such file"), .. file is null ? Array.Empty<string>() : [$"{file}: taken"]];
        try
        {
            using CudaDevice device = CudaDevice.Open(name, kind, ordinal);
            CudaProperties found = device.Properties;
            return new DeviceProbe(name, true, $"{found.Name}, capability {found.CapabilityMajor}.{found.CapabilityMinor}, {found.Multiprocessors} multiprocessors, {DTypesOf(device)}") { Probed = probed };
        }
        catch (DeviceUnavailableException exception)
        {
            return file is null
                ? new DeviceProbe(name, false, $"{LibrarySearch.FileName(library)} is not here") { Probed = probed, Advice = AdviceFor(kind) }
                : new DeviceProbe(name, false, exception.Message) { Probed = probed };
        }
        catch (DeviceFailureException exception)
        {
            return new DeviceProbe(name, false, exception.Message) { Probed = probed };
        }
    }

    private static string AdviceFor(DeviceKind kind) =>
        $"in a checkout: {BuildLine}{(kind == DeviceKind.Cuda ? " (needs a CUDA toolkit)" : "")}; or set {LibrarySearch.Variable} to the library's folder";

    private static string DTypesOf(Device device) =>
        string.Join(" and ", Enum.GetValues<DType>().Where(device.Computes).Select(static dtype => dtype.ToString().ToLowerInvariant()));
}
