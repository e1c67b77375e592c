using System.Diagnostics;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Damaged parquet files: each gives documents, bad documents, or one clean error when it is opened.</summary>
public sealed class ParquetFuzzTests : IDisposable
{
    private static readonly DocumentFormats Formats = DocumentFormats.BuiltIn.With([.. ParquetFormats.All]);
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DamagedFilesGiveCleanErrors() => Run(2_000);

    [Fact, Trait("Tier", "nightly")]
    public void ManyDamagedFilesGiveCleanErrors() => Run(100_000);

    private void Run(int inputs)
    {
        _folder.Write("a.png", ReaderFolder.Picture);
        ParquetFiles.WriteObelics(_folder.Path("o"), [([null, "a.png"], ["One.", null]), ([null], ["Two."]), (["b", null], [null, "Three."])], rowsPerGroup: 2);
        ParquetFiles.WriteConversations(_folder.Path("c"), [new("7", ReaderFolder.Picture, "x", ["human", "gpt"], ["<image>\nWhat?", "A cat."]), new("8", null, null, ["human", "gpt"], ["Hi", "Hello."])]);
        ParquetFiles.WriteTexts(_folder.Path("t"), ["text", "image"], [["a cat", "a.png"], ["a dog", "b.png"]]);
        int refused = 0, bad = 0, good = 0, seed = 0;
        long memory = Environment.WorkingSet;
        foreach ((string format, string file) in (ReadOnlySpan<(string, string)>)[("obelics", "o"), ("llava", "c"), ("parquet", "t")])
        {
            SourceOptions options = _folder.Options(format, "fuzz.parquet");
            byte[] whole = File.ReadAllBytes(_folder.Path(file));
            int number = 0;
            foreach (byte[] damaged in Mutations.Of(whole, inputs / 3 + 1, (ulong)seed++))
            {
                // Half of the faults go to the metadata at the end, where a file without them would be refused at once.
                byte[] input = number % 2 == 0 || damaged.Length < 8 ? damaged : [.. damaged.AsSpan(0, damaged.Length - 8), .. whole.AsSpan(whole.Length - 8)];
                _folder.Write("fuzz.parquet", input);
                long started = Stopwatch.GetTimestamp();
                try
                {
                    IDocumentSource source = Formats.Open(options);
                    for (long i = 0; i < Math.Min(source.DocumentsPerEpoch, 10); i++)
                    {
                        try
                        {
                            Assert.NotEmpty(source.Read(0, i).Segments);
                            good++;
                        }
                        catch (BadDocumentException error)
                        {
                            Assert.False(error.Cause == "unknown" || error.Id is null || !error.Message.StartsWith("fuzz.parquet[", StringComparison.Ordinal), error.Message);
                            bad++;
                        }
                    }
                }
                catch (InvalidDataException error)
                {
                    Assert.Contains("fuzz.parquet", error.Message, StringComparison.Ordinal);
                    refused++;
                }
                catch (Exception error) when (error is not Xunit.Sdk.XunitException)
                {
                    Assert.Fail($"{format}, input {number}: {error}");
                }
                Assert.True(Stopwatch.GetElapsedTime(started).TotalSeconds < 5, $"{format}, input {number} took {Stopwatch.GetElapsedTime(started)}");
                number++;
            }
        }
        Assert.True(refused > inputs / 20 && bad > inputs / 50 && good > inputs / 20, $"{refused} refused, {bad} bad documents, {good} good ones");
        Assert.True(Environment.WorkingSet - memory < 1L << 30, $"memory grew by {(Environment.WorkingSet - memory) >> 20} MiB");
    }
}
