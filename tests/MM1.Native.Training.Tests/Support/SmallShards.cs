using System.IO.Compression;
using MM1.Native.Data;

namespace MM1.Native.Training.Tests;

/// <summary>A data folder of a few kilobytes: two shards of plain colours with captions (one of them compressed), one held out, and a text.</summary>
internal static class SmallShards
{
    private static readonly (string Name, byte Red, byte Green, byte Blue)[] Colours = [("red", 220, 30, 30), ("green", 30, 200, 40), ("blue", 40, 50, 220), ("grey", 128, 128, 128)];

    /// <summary>What a JSON member says and no batch may hold.</summary>
    public const string Secret = "zebra";

    /// <summary>The configuration: the small model of <see cref="Runs"/>, data from <paramref name="root"/>.</summary>
    public static TrainingConfig Config(string root, params string[] sets) => Runs.Config(
    [
        "data.kind=sources",
        $"data.root={root}",
        """
        data.sources=[
          { name: photos, group: captions, format: webdataset, paths: ["shards/*.tar*"], weight: 3 },
          { name: again, group: captions, format: webdataset, paths: [shards/00000.tar] },
          { name: series, group: interleaved, pairs: { of: [photos, again], minimum: 2, maximum: 4 } },
          { name: verses, group: text, format: text, paths: [verses.txt], lines: "0-30" }
        ]
        """,
        "data.length=96",
        .. sets,
    ]);

    /// <summary>Writes the folder.</summary>
    public static string Write(string folder)
    {
        using (var writer = new WebDatasetWriter(Path.Combine(folder, "shards"), samplesPerShard: 10))
        {
            for (int i = 0; i < 20; i++) Add(writer, i);
            writer.Complete();
        }
        using (var writer = new WebDatasetWriter(Path.Combine(folder, "held-out")))
        {
            for (int i = 0; i < 8; i++) Add(writer, 100 + i);
            writer.Complete();
        }
        string second = Path.Combine(folder, "shards", "00001.tar");
        using (FileStream tar = File.OpenRead(second))
        using (var compressed = new GZipStream(File.Create(second + ".gz"), CompressionLevel.Fastest))
            tar.CopyTo(compressed);
        File.Delete(second);
        File.WriteAllLines(Path.Combine(folder, "verses.txt"), Enumerable.Range(0, 40).Select(static i => i % 4 == 3 ? "" : $"line {i} of a song about the sea and the wind"));
        return folder;
    }

    private static void Add(WebDatasetWriter writer, int i)
    {
        (string name, byte red, byte green, byte blue) = Colours[i % Colours.Length];
        var random = new Random(i);
        var pixels = new byte[3 * 24 * 24];
        for (int p = 0; p < pixels.Length; p += 3)
        {
            int shade = random.Next(-20, 20);
            (pixels[p], pixels[p + 1], pixels[p + 2]) = ((byte)(red + shade), (byte)(green + shade), (byte)(blue + shade));
        }
        writer.Write(new ImageData(24, 24, pixels), $"a photo of {name}", System.Text.Encoding.UTF8.GetBytes($"{{\"label\": \"{Secret}\"}}"));
    }
}
