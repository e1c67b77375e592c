using System.Text;
using MM1.Native.Autograd;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>Damaged weight files: every tensor lies inside of the file, or one clean refusal.</summary>
public sealed class SafeTensorsFuzzTests
{
    [Fact]
    public void DamagedFilesAreReadOrRefused() => Fuzz(2000);

    [Fact, Trait("Tier", "nightly")]
    public void ManyDamagedFilesAreReadOrRefused() => Fuzz(100_000);

    private static void Fuzz(int count)
    {
        string folder = Directory.CreateTempSubdirectory("mm1-fuzz-").FullName;
        try
        {
            string path = Path.Combine(folder, "model.safetensors");
            SafeTensorsWriter.Write(path,
                [SafeTensorsItem.From("decoder.layers.0.weight", new float[12], new Shape(3, 4)), SafeTensorsItem.From("ids", new long[] { 1, 2 }, new Shape(2)), SafeTensorsItem.From("mask", new byte[] { 1, 0, 1 }, new Shape(3))],
                new Dictionary<string, string> { ["format"] = "pt", ["note"] = "Größe" });
            byte[] whole = File.ReadAllBytes(path);
            // The same header with its spaces and escapes as other programs write them.
            byte[] other = Encoding.UTF8.GetBytes("""{"__metadata__" : {"a":"\u00e9"}, "x": {"dtype":"F16","shape":[2, 0],"data_offsets":[0,0]}, "y":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}      """);
            other = [.. BitConverter.GetBytes((long)other.Length), .. other, .. new byte[8]];
            int good = 0, refused = 0, number = 0;
            foreach (byte[] seed in new[] { whole, other })
            {
                foreach (byte[] content in Mutations.Of(seed, count / 2, (ulong)number++))
                {
                    File.WriteAllBytes(path, content);
                    try
                    {
                        using SafeTensorsFile file = SafeTensorsFile.Open(path);
                        foreach (SafeTensorsEntry entry in file.Entries)
                        {
                            Assert.InRange(entry.Offset + entry.Bytes, 8, content.Length);
                            Assert.Equal(entry.Bytes, file.Bytes(entry).Length);
                        }
                        good++;
                    }
                    catch (SafeTensorsException exception)
                    {
                        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
                        refused++;
                    }
                }
            }
            Assert.Equal(count, good + refused);
            Assert.True(refused > count / 2 && good > 0, $"{good} good, {refused} refused");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
