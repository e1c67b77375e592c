using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using MM1.Native.Data;

namespace MM1.Native.Benchmarks;

/// <summary>Tokens a second on one core, beside Microsoft.ML.Tokenizers, and the time to learn a vocabulary; medians of interleaved rounds.</summary>
internal static class TokenizerBenchmark
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public sealed record Result(string What, long Characters, long Tokens, double MsMedian, double MsMin, double MsMax, double MtokensPerS, double McharsPerS, double BytesAllocatedPerToken, int Rounds);

    public static int Run(string[] arguments)
    {
        var options = new BenchmarkOptions(arguments, ["--json"], ["--rounds", "--text", "--tokenizer", "--results", "--merges"]);
        int rounds = options.Number("--rounds", 9), merges = options.Number("--merges", 4096);
        string textPath = options.Text("--text", Shared("text/tinyshakespeare.txt", "--text"));
        string ranks = options.Text("--tokenizer", Shared("tokenizers/gpt2/gpt2.tiktoken", "--tokenizer"));
        string text = File.ReadAllText(textPath);
        var rows = new List<string> { JsonSerializer.Serialize(new { Mode = "tokenizers", Machine = BenchmarkMachine.Current, MicrosoftMlTokenizers = typeof(TiktokenTokenizer).Assembly.GetName().Version?.ToString(3), Text = Path.GetFileName(textPath), Threads = 1, Rounds = rounds }, Json) };
        Console.WriteLine(rows[0]);

        var cases = new List<(string What, Func<long> Work)>();
        var tokens = new List<int>(text.Length);
        ITokenizer gpt2 = TokenizerFile.Load(ranks);
        AddEncoder(Path.GetFileName(ranks), gpt2);
        int[] ids = gpt2.Encode(text);
        cases.Add(($"decode {Path.GetFileName(ranks)}", () => gpt2.Decode(ids).Length > 0 ? ids.Length : 0));
        foreach (string name in new[] { "mistral/tokenizer.model.v1", "axlearn/bpe_32k_c4.model" })
            if (Environment.GetEnvironmentVariable("MM1_TEST_DATA") is { } folder && File.Exists(Path.Combine(folder, "tokenizers", name))) AddEncoder(name, TokenizerFile.Load(Path.Combine(folder, "tokenizers", name)));
        if (gpt2 is BytePairTokenizer { PreTokenizer.Name: "gpt2" } && ranks.EndsWith(".tiktoken", StringComparison.Ordinal))
        {
            using Stream stream = File.OpenRead(ranks);
            var expression = new Regex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.Compiled);
            TiktokenTokenizer peer = TiktokenTokenizer.Create(stream, new RegexPreTokenizer(expression, null), null);
            if (!peer.EncodeToIds(text).SequenceEqual(ids)) throw new InvalidOperationException("The two libraries give different ids.");
            cases.Add(("encode, Microsoft.ML.Tokenizers", () => peer.EncodeToIds(text).Count));
        }
        double[][] times = Rounds(cases, rounds, out long[] counts, out double[] allocated);
        for (int i = 0; i < cases.Count; i++) Report(cases[i].What, counts[i], times[i], allocated[i] / counts[i]);

        // What has no warm state: a tokenizer that has seen nothing, and training.
        double[] cold = Timed(Math.Min(rounds, 5), () => TokenizerFile.Load(ranks), fresh =>
        {
            tokens.Clear();
            fresh.Encode(text, tokens);
        });
        Report($"encode {Path.GetFileName(ranks)}, first text of a tokenizer", tokens.Count, cold, 0);
        BytePairTokenizer? trained = null;
        double[] training = Timed(3, () => new BytePairTrainer(), trainer =>
        {
            trainer.Add(text);
            trained = trainer.Train(256 + merges + 3);
        });
        Report($"train {merges} merges", trained!.Encode(text).Length, training, 0);
        if (options.Text("--results", "") is { Length: > 0 } results) File.WriteAllLines(results, rows);
        return 0;

        void AddEncoder(string name, ITokenizer tokenizer)
        {
            cases.Add(($"encode {name}", Encode));

            long Encode()
            {
                tokens.Clear();
                tokenizer.Encode(text, tokens);
                return tokens.Count;
            }
        }

        void Report(string what, long count, double[] ms, double bytesPerToken)
        {
            double median = ms.Order().ElementAt(ms.Length / 2);
            var result = new Result(what, text.Length, count, Math.Round(median, 2), Math.Round(ms.Min(), 2), Math.Round(ms.Max(), 2), Math.Round(count / median / 1e3, 2), Math.Round(text.Length / median / 1e3, 2), Math.Round(bytesPerToken, 2), ms.Length);
            rows.Add(JsonSerializer.Serialize(result, Json));
            Console.WriteLine(options.Has("--json") ? rows[^1] : $"{what,-55} {median,9:F1} ms ({result.MsMin:F1} to {result.MsMax:F1}), {result.MtokensPerS,6:F1} M tokens/s, {result.McharsPerS,6:F1} M characters/s");
        }
    }

    /// <summary>Milliseconds of every case, round by round, after a round that does not count.</summary>
    private static double[][] Rounds(List<(string What, Func<long> Work)> cases, int rounds, out long[] counts, out double[] allocated)
    {
        var times = new double[cases.Count][];
        counts = new long[cases.Count];
        allocated = new double[cases.Count];
        for (int i = 0; i < cases.Count; i++) times[i] = new double[rounds];
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < cases.Count; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                long start = Stopwatch.GetTimestamp();
                counts[i] = cases[i].Work();
                double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
                if (round >= 0) times[i][round] = elapsed;
            }
        }
        return times;
    }

    private static double[] Timed<T>(int rounds, Func<T> prepare, Action<T> work)
    {
        var times = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            T prepared = prepare();
            long start = Stopwatch.GetTimestamp();
            work(prepared);
            times[round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        return times;
    }

    private static string Shared(string relative, string option) => Environment.GetEnvironmentVariable("MM1_TEST_DATA") is { Length: > 0 } folder
        ? Path.Combine(folder, relative)
        : throw new ArgumentException($"MM1_TEST_DATA is not set; give {option} FILE.");
}
