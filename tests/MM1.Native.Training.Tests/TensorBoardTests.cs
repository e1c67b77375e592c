using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class TensorBoardTests
{
    /// <summary>Bytes of an independent encoder (Python's struct and a CRC of one bit at a time), after TensorFlow's event.proto and summary.proto.</summary>
    [Fact]
    public void EventFilesHaveTheseBytes()
    {
        string[] records =
        [
            "1800000000000000A37F4B22090000400065CDCD411A0D627261696E2E4576656E743A322383B41D",
            "1A00000000000000129BD82D090000400065CDCD4110072A0D0A0B0A046C6F737315000020404B2674B6",
            "34000000000000005E33175C090000400065CDCD4110AC022A260A240A056E6F746573420F0807120412020801420568656C6C6F4A0A0A060A04746578742002A503C3DB",
            "1F00000000000000514B4418090000400065CDCD4110012A120A100A0161220B0801100218032203010203D172F7B9",
            "0F000000000000006D532B09090000400065CDCD4110053A020801CC158BD7",
        ];
        var stream = new MemoryStream();
        using (var writer = new EventFileWriter(stream, new FixedClock()))
        {
            writer.Scalar(7, "loss", 2.5);
            writer.Text(300, "notes", "hello");
            writer.Image(1, "a", 2, 1, [1, 2, 3]);
            writer.Restart(5);
        }
        Assert.Equal(string.Concat(records), Convert.ToHexString(stream.ToArray()));
    }

    /// <summary>The check value of CRC-32C is E3069283; masked as TensorFlow masks it.</summary>
    [Fact]
    public void ChecksumsAreMaskedCrc32C()
    {
        const uint Crc = 0xE3069283;
        Assert.Equal(((Crc >> 15) | (Crc << 17)) + 0xA282EAD8, EventFileWriter.MaskedCrc("123456789"u8));
    }

    /// <summary>A run that is continued has one file a part, and says in the second from which step on the first no longer counts.</summary>
    [Fact]
    public void RunsWriteEventFiles()
    {
        using var folder = new TemporaryFolder();
        Runs.Execute(Runs.Config(), folder["run"], maxSteps: 3);
        Runs.Execute(Runs.Config(), folder["run"], resume: true);
        string[] files = [.. Directory.GetFiles(folder["run"], "events.out.tfevents.*").Order(StringComparer.Ordinal)];
        Assert.NotEmpty(files);
        string all = string.Concat(files.Select(file => System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(file))));
        foreach (string tag in (string[])["loss/all", "loss/captions", "optimizer/gradient_norm", "throughput/tokens_per_s", "configuration", "samples/0", "PNG"]) Assert.Contains(tag, all);
        Assert.Contains("\u0010\u0004:\u0002\u0008\u0001", all); // step 4, the mark of a start
    }

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddMilliseconds(1_000_000_000_500);
    }
}
