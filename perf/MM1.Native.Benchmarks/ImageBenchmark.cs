using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using MM1.Native.Data;

namespace MM1.Native.Benchmarks;

/// <summary>
/// Decoding a JPEG and resizing it to 336 x 336 on one core, beside Pillow in a child process: both hold the same file in memory, rounds of the two take turns, each
/// times itself. Medians of rounds. Pillow decodes in full (no <c>draft</c>).
/// </summary>
internal static class ImageBenchmark
{
    private const int Size = 336;
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Writes the files, then answers each line "file count" with the seconds of decoding and of resizing, and the digest of the pixels.</summary>
    private const string Peer = """
        import hashlib, io, os, sys, time
        import PIL
        from PIL import Image, features
        folder, photo = sys.argv[1], sys.argv[2]
        if photo:
            source = Image.open(photo).convert("RGB")
        else:
            x = Image.linear_gradient("L").resize((640, 480))
            source = Image.merge("RGB", (x, Image.effect_noise((640, 480), 60), x.rotate(180)))
        for name, size in (("large", (4000, 3000)), ("small", (548, 365))):
            source.resize(size, Image.BICUBIC).save(os.path.join(folder, name + ".jpg"), quality=90)
        data = {name: open(os.path.join(folder, name + ".jpg"), "rb").read() for name in ("large", "small")}
        print(PIL.__version__, features.version("libjpeg_turbo") or features.version("jpg"), sys.version.split()[0], flush=True)
        for line in sys.stdin:
            name, count = line.split()
            decode = resize = 0.0
            for _ in range(int(count)):
                start = time.perf_counter()
                image = Image.open(io.BytesIO(data[name])).convert("RGB")
                between = time.perf_counter()
                image = image.resize((336, 336), Image.BICUBIC)
                end = time.perf_counter()
                decode += between - start
                resize += end - between
            print(decode, resize, hashlib.sha256(image.tobytes()).hexdigest(), flush=True)
        """;

    public static int Run(string[] arguments)
    {
        var options = new BenchmarkOptions(arguments, ["--json"], ["--rounds", "--photo", "--python", "--results"]);
        int rounds = options.Number("--rounds", 15);
        string folder = Directory.CreateTempSubdirectory("mm1-images-").FullName;
        try
        {
            var start = new ProcessStartInfo(options.Text("--python", "/usr/bin/python3")) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
            foreach (string argument in (string[])["-c", Peer, folder, options.Text("--photo", "")]) start.ArgumentList.Add(argument);
            using Process peer = Process.Start(start) ?? throw new ArgumentException("Python does not start; name one with Pillow by --python.");
            string versions = peer.StandardOutput.ReadLine() ?? throw new ArgumentException("Python cannot make the images: it needs Pillow; name another by --python.");
            var lines = new StringBuilder();
            foreach ((string name, int count) in ((string, int)[])[("large", 1), ("small", 40)])
            {
                string line = Compare(name, count, rounds, File.ReadAllBytes(Path.Combine(folder, name + ".jpg")), peer, versions, options.Has("--json"));
                lines.AppendLine(line);
            }
            lines.AppendLine(Augment("move, flip, jitter", new ImageAugmentation { PadCrop = 4, HorizontalFlip = 0.5, Brightness = 0.2, Contrast = 0.2, Saturation = 0.2 }, rounds, options.Has("--json")));
            lines.AppendLine(Augment("random resized crop", new ImageAugmentation { CropMinimumScale = 0.8 }, rounds, options.Has("--json")));
            peer.StandardInput.Close();
            peer.WaitForExit();
            if (options.Text("--results", "") is { Length: > 0 } path) File.AppendAllText(path, lines.ToString());
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Microseconds of augmenting a 32 x 32 image on one core, the median of rounds.</summary>
    private static string Augment(string what, ImageAugmentation augmentation, int rounds, bool json)
    {
        const int Side = 32, Count = 2000;
        byte[] pixels = new byte[3 * Side * Side];
        new Random(1).NextBytes(pixels);
        var image = new ImageData(Side, Side, pixels);
        var preparation = new BicubicResize();
        var times = new List<double>();
        for (int round = -5; round < rounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                RandomStream random = RandomStream.For(1, "benchmark", round + 5, i);
                augmentation.Apply(image, Side, preparation, mayFlip: true, ref random);
            }
            if (round >= 0) times.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds / Count);
            else Thread.Sleep(100); // the JIT's next tier
        }
        times.Sort();
        var result = new { Mode = "augmentation", Image = $"{Side}x{Side}", What = what, MicrosecondsAnImage = Math.Round(times[times.Count / 2], 2), Rounds = rounds, ImagesPerRound = Count, Machine = BenchmarkMachine.Current };
        string line = JsonSerializer.Serialize(result, Json);
        Console.WriteLine(json ? line : $"augmentation ({what}) of a {Side}x{Side} image: {result.MicrosecondsAnImage} us");
        return line;
    }

    private static string Compare(string name, int count, int rounds, byte[] file, Process peer, string versions, bool json)
    {
        var ours = new List<(double Decode, double Resize)>();
        var theirs = new List<(double Decode, double Resize)>();
        ImageData resized = null!;
        for (int round = -4; round < rounds; round++)
        {
            double decode = 0, resize = 0;
            for (int i = 0; i < count; i++)
            {
                long begin = Stopwatch.GetTimestamp();
                ImageData image = ImageCodec.Decode(file);
                long between = Stopwatch.GetTimestamp();
                resized = BicubicResize.Resize(image, Size, Size);
                decode += Stopwatch.GetElapsedTime(begin, between).TotalSeconds;
                resize += Stopwatch.GetElapsedTime(between).TotalSeconds;
            }
            peer.StandardInput.WriteLine($"{name} {count}");
            peer.StandardInput.Flush();
            string[] answer = (peer.StandardOutput.ReadLine() ?? throw new ArgumentException("Python ended early.")).Split(' ');
            if (answer[2] != Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(resized.Pixels))) throw new InvalidOperationException($"{name}: the pixels are not Pillow's");
            if (round < 0) // the JIT's tiers, the first page faults
            {
                Thread.Sleep(150);
                continue;
            }
            ours.Add((decode / count, resize / count));
            theirs.Add((double.Parse(answer[0], CultureInfo.InvariantCulture) / count, double.Parse(answer[1], CultureInfo.InvariantCulture) / count));
        }
        ImageHeader header = ImageCodec.ReadHeader(file);
        (double mine, double other) = (Median(ours, static time => time.Decode + time.Resize), Median(theirs, static time => time.Decode + time.Resize));
        var result = new
        {
            Mode = "images",
            Image = $"{header.Width}x{header.Height} JPEG of {file.Length} bytes to {Size}x{Size}",
            ImagesPerSPerCore = Math.Round(1 / mine, 2),
            PillowImagesPerSPerCore = Math.Round(1 / other, 2),
            TimesPillow = Math.Round(other / mine, 3),
            DecodeMs = Math.Round(1e3 * Median(ours, static time => time.Decode), 3),
            ResizeMs = Math.Round(1e3 * Median(ours, static time => time.Resize), 3),
            PillowDecodeMs = Math.Round(1e3 * Median(theirs, static time => time.Decode), 3),
            PillowResizeMs = Math.Round(1e3 * Median(theirs, static time => time.Resize), 3),
            SamePixels = true,
            Rounds = rounds,
            ImagesPerRound = count,
            PillowLibjpegPython = versions,
            SkiaSharp = typeof(SkiaSharp.SKCodec).Assembly.GetName().Version?.ToString(3),
            Machine = BenchmarkMachine.Current,
        };
        string line = JsonSerializer.Serialize(result, Json);
        if (json) Console.WriteLine(line);
        else
        {
            Console.WriteLine($"{result.Image}: {result.ImagesPerSPerCore} images/s a core, Pillow {result.PillowImagesPerSPerCore} ({result.TimesPillow} times Pillow; the same pixels)");
            Console.WriteLine($"  decode {result.DecodeMs} ms (Pillow {result.PillowDecodeMs}), resize {result.ResizeMs} ms (Pillow {result.PillowResizeMs}); Pillow, libjpeg, Python {versions}; SkiaSharp {result.SkiaSharp}; {BenchmarkMachine.Current.Cpu}");
        }
        return line;

        static double Median(List<(double Decode, double Resize)> times, Func<(double Decode, double Resize), double> of)
        {
            double[] sorted = [.. times.Select(of).Order()];
            return sorted[sorted.Length / 2];
        }
    }
}
