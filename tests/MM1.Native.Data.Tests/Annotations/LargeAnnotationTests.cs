using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>Measures memory, so nothing else may run beside it.</summary>
[CollectionDefinition(nameof(LargeAnnotationTests), DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>An annotation file of the size of COCO's training captions.</summary>
[Collection(nameof(LargeAnnotationTests))]
public sealed class LargeAnnotationTests(ITestOutputHelper output) : IDisposable
{
    private const int Images = 82_783;
    private const int Captions = 5 * Images;
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact, Trait("Tier", "nightly")]
    public void ItIsIndexedInLittleMemory()
    {
        using (var writer = new StreamWriter(_folder.Path("c.json")))
        {
            writer.Write("{\"info\": {\"year\": 2014}, \"images\": [");
            for (int i = 0; i < Images; i++)
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ", ")}{{\"license\": 5, \"file_name\": \"COCO_train2014_{i * 7:D12}.jpg\", \"coco_url\": \"http://images.cocodataset.org/train2014/COCO_train2014_{i * 7:D12}.jpg\", \"height\": 480, \"width\": 640, \"id\": {i * 7}}}"));
            writer.Write("], \"annotations\": [");
            for (int i = 0; i < Captions; i++)
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ", ")}{{\"image_id\": {i * 31L % Images * 7}, \"id\": {i}, \"caption\": \"A caption with number {i} about a thing that stands in an image.\"}}"));
            writer.Write("]}");
        }
        long bytes = new FileInfo(_folder.Path("c.json")).Length, before = GC.GetTotalMemory(forceFullCollection: true), started = Stopwatch.GetTimestamp();
        CaptionRecords records = CaptionRecords.Open(_folder.Options("coco-captions", "c.json"), TestContext.Current.CancellationToken);
        TimeSpan time = Stopwatch.GetElapsedTime(started);
        long kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        output.WriteLine($"{bytes / 1e6:F0} MB in {time.TotalSeconds:F2} s; {(double)kept / Captions:F1} bytes a caption stay in memory");
        Assert.Equal((Images, Captions), (records.Count, records.CaptionCount));
        Assert.True(kept < 60L * Captions, $"{kept} bytes stay in memory for {Captions} captions");
        Assert.True(time.TotalSeconds < 30, $"indexing took {time}");
        GC.KeepAlive(records);
    }
}
