using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using MM1.Native.Kernels.Cpu;

namespace MM1.Native.Benchmarks;

/// <summary>The peer: OpenBLAS, each of its threads pinned to a CPU of its own, as the cpu device's are.</summary>
/// <remarks>
/// Left alone, the scheduler sometimes stacks its threads on one CPU for seconds, and the comparison would flatter us. Its
/// threads go to sleep a millisecond after a call, so that they do not spin beside the other contender.
/// </remarks>
internal sealed unsafe partial class OpenBlas
{
    private const string Library = "libopenblas.so.0";
    private const string SleepAfterCycles = "21"; // 2^21 cycles
    private const int RowMajor = 101, NoTranspose = 111, Transposed = 112;

    private const string OldestCore = "Prescott", NewestCore = "SkylakeX";

    private OpenBlas(string version) => Version = version;

    public string Version { get; }

    /// <summary>Null where the library is not installed, said on the error stream.</summary>
    public static OpenBlas? TryOpen(int threads)
    {
        _ = SetEnvironment("OPENBLAS_THREAD_TIMEOUT", SleepAfterCycles, 1);
        HashSet<int> before = [.. Threads()];
        if (!NativeLibrary.TryLoad(Library, out nint library))
        {
            Console.Error.WriteLine($"{Library} is not on this machine: nothing to compare with. Debian and Ubuntu have it as libopenblas0-pthread.");
            return null;
        }
        if (Avx512F.IsSupported && CoreName(library) == OldestCore)
        {
            // A release older than the processor does not know it and falls back to SSE3: name the newest core that it has.
            NativeLibrary.Free(library);
            _ = SetEnvironment("OPENBLAS_CORETYPE", NewestCore, 1);
            library = NativeLibrary.Load(Library);
        }
        SetThreads(threads);
        float* values = stackalloc float[3];
        Product(NoTranspose, NoTranspose, 1, 1, 1, 1, values, 1, values + 1, 1, 0, values + 2, 1); // its threads exist from here on
        int[] cpus = Affinity.AllowedCpus();
        int next = 1;
        foreach (int thread in Threads())
        {
            // The runtime may have made threads meanwhile; pinning one of those does no harm.
            if (!before.Contains(thread) && cpus.Length >= threads) Affinity.Pin(cpus[next++ % cpus.Length], thread);
        }
        string version = (Marshal.PtrToStringUTF8(GetConfiguration()) ?? "unknown").Split(" NO_", 2)[0];
        return new OpenBlas($"{version}, {CoreName(library)} kernels");
    }

    /// <summary>C = op(A) op(B) + beta C.</summary>
    public static void Multiply(bool transposeA, bool transposeB, int m, int n, int k, float* a, int strideA, float* b, int strideB, float beta, float* c, int strideC) =>
        Product(transposeA ? Transposed : NoTranspose, transposeB ? Transposed : NoTranspose, m, n, k, 1, a, strideA, b, strideB, beta, c, strideC);

    private static void Product(int transposeA, int transposeB, int m, int n, int k, float alpha, float* a, int strideA, float* b, int strideB, float beta, float* c, int strideC) =>
        Sgemm(RowMajor, transposeA, transposeB, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC);

    private static string CoreName(nint library) =>
        Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "openblas_get_corename"))()) ?? "unknown";

    private static IEnumerable<int> Threads() => Directory.GetDirectories("/proc/self/task").Select(path => int.Parse(Path.GetFileName(path)));

    [LibraryImport(Library, EntryPoint = "cblas_sgemm")]
    private static partial void Sgemm(int order, int transposeA, int transposeB, int m, int n, int k, float alpha, float* a, int strideA, float* b, int strideB, float beta, float* c, int strideC);

    [LibraryImport(Library, EntryPoint = "openblas_set_num_threads")]
    private static partial void SetThreads(int threads);

    [LibraryImport(Library, EntryPoint = "openblas_get_config")]
    private static partial nint GetConfiguration();

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
