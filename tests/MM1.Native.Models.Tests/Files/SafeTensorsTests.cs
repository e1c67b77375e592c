using System.Text;
using System.Text.Json;
using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

public sealed class SafeTensorsTests
{
    [Fact]
    public void EveryEdgeFileGetsItsVerdict()
    {
        const string Folder = "tensors/safetensors_edge";
        string? folder = TestData.TryPath(Folder);
        if (folder is null) Assert.Skip(TestData.Missing(Folder));
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder!, "expected.json")));
        int cases = 0;
        foreach (JsonElement test in expected.RootElement.GetProperty("cases").EnumerateArray())
        {
            string path = Path.Combine(folder!, test.GetProperty("file").GetString()!);
            Assert.Equal((Path.GetFileName(path), test.GetProperty("expected").GetString()), (Path.GetFileName(path), Verdict(path)));
            cases++;
        }
        Assert.Equal(16, cases);
    }

    [Fact]
    public void RealFilesLoad()
    {
        const string Folder = "tensors/safetensors_real";
        string? folder = TestData.TryPath(Folder);
        if (folder is null) Assert.Skip(TestData.Missing(Folder));
        using var codes = SafeTensorsFile.Open(Path.Combine(folder!, "jfk-codes.safetensors"));
        SafeTensorsEntry entry = Assert.Single(codes.Entries);
        Assert.Equal(("codes", DType.Int64, new Shape(1, 2, 828)), (entry.Name, entry.DType, entry.Shape));
        Assert.All(codes.Read<long>(entry), code => Assert.InRange(code, 0, 2047));
        using var voices = SafeTensorsFile.Open(Path.Combine(folder!, "voices.safetensors"));
        Assert.Equal(["mask", "tokens"], voices.Entries.Select(tensor => tensor.Name).Order());
        Assert.All(voices.Read<byte>(voices.Find("mask")!), mask => Assert.InRange(mask, (byte)0, (byte)1));
    }

    [Fact]
    public void EveryDTypeComesBackBitForBit()
    {
        using var folder = new TemporaryFolder();
        string path = folder["all.safetensors"];
        BFloat16[] brains = [(BFloat16)1.5f, (BFloat16)(-3.25e20f), BFloat16.FromBits(0x7FC0)];
        SafeTensorsItem[] items =
        [
            SafeTensorsItem.From("u8", new byte[] { 1, 2, 3 }, [3]),
            SafeTensorsItem.From("bool", new[] { true, false }, [2, 1]),
            SafeTensorsItem.From("f64", new[] { Math.PI, double.NaN }, [2]),
            SafeTensorsItem.From("f32", new[] { float.MinValue, -0f, 1e-45f, 4 }, [2, 2]),
            SafeTensorsItem.From("bf16", brains, [3]),
            SafeTensorsItem.From("f16", new[] { (Half)0.1f }, []),
            SafeTensorsItem.From("i64", new[] { long.MinValue }, [1]),
            SafeTensorsItem.From("i32", new[] { -7, 8 }, [2]),
            SafeTensorsItem.From("empty ü", Array.Empty<float>(), [0, 5]),
        ];
        SafeTensorsWriter.Write(path, items, new Dictionary<string, string> { ["format"] = "mm1", ["unit"] = "\"µ\"\n" });
        Assert.Equal(["all.safetensors"], folder.Files);
        using var file = SafeTensorsFile.Open(path);
        Assert.Equal("\"µ\"\n", file.Metadata["unit"]);
        Assert.Equal(items.Length, file.Entries.Count);
        foreach (SafeTensorsItem item in items)
        {
            SafeTensorsEntry entry = file.Find(item.Name)!;
            Assert.Equal((item.DType, item.Shape), (entry.DType, entry.Shape));
            Assert.Equal(0, entry.Offset % item.DType.Size());
            using var bytes = new MemoryStream();
            item.Write(bytes);
            Assert.Equal(bytes.ToArray(), file.Bytes(entry).ToArray());
        }
        var values = new float[3];
        file.ReadFloat32(file.Find("bf16")!, values);
        Assert.Equal([1.5f, (float)brains[1], float.NaN], values);
        Assert.Throws<ArgumentException>(() => file.ReadFloat32(file.Find("i32")!, new float[2]));
        Assert.Throws<ArgumentException>(() => file.Read<float>(file.Find("i32")!));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "InvalidOffset")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "InvalidOffset")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}""", 4, "UnsupportedTensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4, "UnsupportedTensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "InvalidHeaderDeserialization")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "InvalidHeaderDeserialization")]
    [InlineData("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "InvalidHeaderDeserialization")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "InvalidHeaderDeserialization")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "InvalidHeaderDeserialization")]
    [InlineData("""[1]""", 0, "InvalidHeaderDeserialization")]
    public void BrokenHeadersGetTheirVerdict(string header, int dataBytes, string verdict)
    {
        using var folder = new TemporaryFolder();
        string path = folder["broken.safetensors"];
        byte[] text = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)text.Length), .. text, .. new byte[dataBytes]]);
        Assert.Equal(verdict, Verdict(path));
    }

    [Fact]
    public void PicklesAreRefusedWithTheConversionLine()
    {
        using var folder = new TemporaryFolder();
        foreach ((string name, byte[] content) in new[] { ("model.bin", new byte[20]), ("zip.safetensors", "PK\x03\x04 more"u8.ToArray()), ("bare", new byte[] { 0x80, 2, 1, 1, 1, 1, 1, 1, 1 }) })
        {
            File.WriteAllBytes(folder[name], content);
            SafeTensorsException error = Assert.Throws<SafeTensorsException>(() => SafeTensorsFile.Open(folder[name]));
            Assert.Equal(SafeTensorsError.Pickle, error.Error);
            Assert.Contains("python -c", error.Message, StringComparison.Ordinal);
            Assert.Contains(folder[name], error.Message, StringComparison.Ordinal);
        }
        Assert.Throws<FileNotFoundException>(() => SafeTensorsFile.Open(folder["none.safetensors"]));
    }

    [Fact]
    public void AFailedWriteLeavesTheOldFile()
    {
        using var folder = new TemporaryFolder();
        string path = folder["model.safetensors"];
        SafeTensorsWriter.Write(path, [SafeTensorsItem.From("a", new[] { 1f }, [1])]);
        Assert.Throws<InvalidOperationException>(() => SafeTensorsWriter.Write(path, [new SafeTensorsItem("a", DType.Float32, [2], stream => stream.WriteByte(1))]));
        Assert.Throws<ArgumentException>(() => SafeTensorsWriter.Write(path, [SafeTensorsItem.From("a", new[] { 1f }, [1]), SafeTensorsItem.From("a", new[] { 1f }, [1])]));
        Assert.Equal(["model.safetensors"], folder.Files);
        using var file = SafeTensorsFile.Open(path);
        Assert.Equal([1f], file.Read<float>(file.Find("a")!));
    }

    private static string Verdict(string path)
    {
        try
        {
            SafeTensorsFile.Open(path).Dispose();
            return "ok";
        }
        catch (SafeTensorsException error)
        {
            Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
            return error.Error.ToString();
        }
    }
}
