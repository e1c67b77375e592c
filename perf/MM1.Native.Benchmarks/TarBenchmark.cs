using System.Diagnostics;
using System.Formats.Tar;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using MM1.Native.Data;

namespace MM1.Native.Benchmarks;

/// <summary>
/// WebDataset shards in the page cache: indexing, reading every member in order and at random, System.Formats.Tar over the same file, and what the planner's thread does with
/// a shard (caption read, decoded, tokenised). Medians of some rounds on one thread.
/// </summary>
internal static class TarBenchmark
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static int Run(string[] arguments)
    {
        var options = new BenchmarkOptions(arguments, ["--json"], ["--megabytes", "--rounds"]);
        int rounds = options.Number("--rounds", 5);
        long bytes = options.Number("--megabytes", 256) * 1_000_000L;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mm1-tar-");
        try
        {
            if (options.Has("--json")) Console.WriteLine(JsonSerializer.Serialize(new { Machine = BenchmarkMachine.Current, Rounds = rounds }, Json));
            else Console.WriteLine($"{"member",9} {"members",9} {"index MB/s",11} {"in order",9} {"random",9} {"arrays",9} {"Formats.Tar",12} {"documents/s",12}   (MB/s of members)");
            foreach (int size in (int[])[1_000, 30_000, 300_000])
            {
                Result result = Measure(folder.FullName, size, size < 10_000 ? bytes / 4 : bytes, rounds);
                if (options.Has("--json")) Console.WriteLine(JsonSerializer.Serialize(result, Json));
                else Console.WriteLine($"{size,9} {result.Members,9} {result.IndexMbPerS,11} {result.ReadMbPerS,9} {result.RandomMbPerS,9} {result.ArraysMbPerS,9} {result.FormatsTarMbPerS,12} {result.DocumentsPerS,12}");
            }
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Result Measure(string folder, int size, long bytes, int rounds)
    {
        string name = $"{size}.tar", path = Path.Combine(folder, name);
        Write(path, size, (int)(bytes / size));
        var options = new SourceOptions { Name = "shard", Format = "webdataset", Root = folder, Paths = [name] };
        TarShard shard = TarShard.Open(new FilePool(), path, name, options, default);
        TarMember[] members = [.. shard.Members()], shuffled = [.. members];
        new Random(1).Shuffle(shuffled);
        long content = members.Sum(static member => member.Size);
        var buffer = new byte[members.Max(static member => member.Size)];
        var source = new ShuffledDocumentSource(DocumentFormats.BuiltIn.Open(options), 1);
        ITokenizer tokenizer = WorldWords.CreateTokenizer();
        int documents = (int)Math.Min(source.DocumentsPerEpoch, 20_000);

        double index = Median(rounds, () => Sum(shard.Members()));
        double read = Median(rounds, () => Read(members));
        double random = Median(rounds, () => Read(shuffled));
        double arrays = Median(rounds, () => members.Sum(member => shard.Read(member.Offset, member.Size)[0]));
        double formats = Median(rounds, () => FormatsTar(path, buffer));
        double planner = Median(rounds, () =>
        {
            long tokens = 0;
            for (int i = 0; i < documents; i++) tokens += EncodedDocument.Encode(source.Read(0, i), tokenizer, 16).Tokens.Length;
            return tokens;
        });
        long file = new FileInfo(path).Length;
        File.Delete(path);
        return new Result(size, members.Length, Speed(file, index), Speed(content, read), Speed(content, random), Speed(content, arrays), Speed(content, formats), Math.Round(documents / planner));

        long Read(TarMember[] order)
        {
            long sum = 0;
            foreach (TarMember member in order)
            {
                shard.Read(member.Offset, buffer.AsSpan(0, (int)member.Size));
                sum += buffer[0];
            }
            return sum;
        }
    }

    private static long Sum(IEnumerable<TarMember> members) => members.Sum(static member => member.Size);

    private static long FormatsTar(string path, byte[] buffer)
    {
        using FileStream stream = File.OpenRead(path);
        using var reader = new TarReader(stream);
        long sum = 0;
        while (reader.GetNextEntry() is { } entry) sum += entry.DataStream!.ReadAtLeast(buffer.AsSpan(0, (int)entry.Length), (int)entry.Length);
        return sum;
    }

    /// <summary>Pairs of an image's bytes and a caption.</summary>
    private static void Write(string path, int size, int pairs)
    {
        using var tar = new TarWriter(File.Create(path), TarEntryFormat.Ustar);
        var random = new Random(size);
        var image = new byte[size];
        random.NextBytes(image);
        for (int i = 0; i < pairs; i++)
        {
            tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"{i:D8}.jpg") { DataStream = new MemoryStream(image) });
            tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"{i:D8}.txt") { DataStream = new MemoryStream(Encoding.UTF8.GetBytes($"a small red circle and a large blue square left of {i} green triangles")) });
        }
    }

    /// <summary>Median seconds of some rounds after one that warms up.</summary>
    private static double Median(int rounds, Func<long> work)
    {
        var seconds = new double[rounds];
        for (int round = -1; round < rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            if (work() < 0) throw new InvalidOperationException("A sum of sizes is negative.");
            if (round >= 0) seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(seconds);
        return rounds % 2 == 1 ? seconds[rounds / 2] : (seconds[rounds / 2 - 1] + seconds[rounds / 2]) / 2;
    }

    private static double Speed(long bytes, double seconds) => Math.Round(bytes / seconds * 1e-6);

    private sealed record Result(int MemberBytes, int Members, double IndexMbPerS, double ReadMbPerS, double RandomMbPerS, double ArraysMbPerS, double FormatsTarMbPerS, double DocumentsPerS);
}
