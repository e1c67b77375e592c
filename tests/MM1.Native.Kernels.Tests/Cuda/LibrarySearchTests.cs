using MM1.Native.Kernels.Cuda;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>Where a native library is looked for, and what is said of one that is missing or wrong.</summary>
public sealed class LibrarySearchTests
{
    private static readonly string FileName = LibrarySearch.FileName("mm1_kernels");

    [Fact]
    public void BesideTheProgramThenInTheCheckout()
    {
        string folder = Directory.CreateTempSubdirectory("mm1-search-").FullName;
        try
        {
            string program = Path.Combine(folder, "artifacts", "bin", "program");
            string[] beside = [Path.Combine(program, "runtimes", LibrarySearch.RuntimeIdentifier, "native", FileName), Path.Combine(program, FileName)];
            Assert.Equal(beside, LibrarySearch.Candidates("mm1_kernels", null, program));
            File.WriteAllText(Path.Combine(folder, "MM1.Native.sln"), "");
            Assert.Equal([.. beside, Path.Combine(folder, "artifacts", "native", "lib", FileName)], LibrarySearch.Candidates("mm1_kernels", "", program));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void TheVariableIsTheOnlyPlaceWhereItIsSet()
    {
        string a = Path.GetFullPath("a"), b = Path.GetFullPath("b");
        Assert.Equal([Path.Combine(a, FileName), Path.Combine(b, FileName)],
            LibrarySearch.Candidates("mm1_kernels", $"{a}{Path.PathSeparator}{Path.Combine(b, FileName)}", AppContext.BaseDirectory));
    }

    [Fact]
    public void OneThatIsNowhereIsTold()
    {
        string[] places = [Path.Combine(Path.GetTempPath(), "nowhere", FileName), Path.Combine(Path.GetTempPath(), "here-neither", FileName)];
        var missing = Assert.Throws<DeviceUnavailableException>(() => KernelLibrary.Search("mm1_kernels", "cuda:0", places, named: false));
        foreach (string part in (string[])["cuda:0", FileName, .. places, LibrarySearch.BuildLine, LibrarySearch.Variable, "cpu"]) Assert.Contains(part, missing.Message, StringComparison.Ordinal);
        missing = Assert.Throws<DeviceUnavailableException>(() => KernelLibrary.Search("mm1_kernels", "cuda:0", places[..1], named: true));
        Assert.Contains($"Tried ({LibrarySearch.Variable} names the place): {places[0]}.", missing.Message, StringComparison.Ordinal);
    }

    /// <summary>The one behind it would do; the first one is refused all the same.</summary>
    [Fact]
    public void OneThatIsNoLibraryIsToldAndNotPassedOver() => FakeLibrary.Use("", good =>
    {
        string text = Path.Combine(Path.GetDirectoryName(good)!, "text.so");
        File.WriteAllText(text, "no library");
        var refused = Assert.Throws<DeviceUnavailableException>(() => KernelLibrary.Search("mm1_kernels_emulated", "cuda-emulated", [text, good], named: false));
        Assert.StartsWith($"Device 'cuda-emulated': {text} cannot be loaded: ", refused.Message, StringComparison.Ordinal);
        Assert.Equal(good, KernelLibrary.Search("mm1_kernels_emulated", "cuda-emulated", [text + ".not", good, text], named: false).Path);
    });

    [Fact]
    public void OneThatIsNotOursIsTold() => FakeLibrary.Build("int other(void);\nint other(void) { return 1; }\n", "", path =>
        Refused(path, $"{path} is no kernel library of MM1.Native: it does not export mm1_get_api."));

    [Theory]
    [InlineData("STATUS=MM1_STATUS_VERSION_MISMATCH", "mm1_get_api answers VersionMismatch (get_api: version 0 was asked for).")]
    [InlineData("VERSION=5", "it has ABI version 5.")]
    [InlineData("SIZE=160", "its function table has 160 bytes")]
    [InlineData("SIZE=given+8", "its function table says")]
    [InlineData("WITHOUT=get_last_error_message", "its function table lacks get_last_error_message.")]
    [InlineData("WITHOUT=device_count", "its function table lacks function 1 of runtime.h.")]
    [InlineData("WITHOUT=module_launch", "its function table lacks function 38 of runtime.h.")]
    public void OneOfAnotherVersionIsTold(string define, string part) => FakeLibrary.Use(define, path =>
    {
        Refused(path, $"{path} does not fit this program, which has ABI version {KernelLibrary.AbiVersion}: ");
        Refused(path, part);
        Refused(path, LibrarySearch.BuildLine);
    });

    private static void Refused(string path, string part) =>
        Assert.Contains(part, Assert.Throws<DeviceUnavailableException>(() => KernelLibrary.Open(path)).Message, StringComparison.Ordinal);
}
