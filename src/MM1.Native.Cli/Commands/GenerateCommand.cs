using System.CommandLine;
using System.Globalization;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Cli;

/// <summary><c>mm1 generate</c>: images and a text in, text out.</summary>
internal static class GenerateCommand
{
    private const string Mark = "<image>";

    public static Command Create(Terminal terminal)
    {
        Argument<string> checkpoint = SharedOptions.Checkpoint();
        var images = new Option<string[]>("--image") { Description = "an image file of any size (JPEG, PNG, WebP); several may be given", HelpName = "file", AllowMultipleArgumentsPerToken = true };
        var prompt = new Option<string>("--prompt") { Description = $"the text; {Mark} marks where an image stands, else the images come first (default: none, the image is described)", HelpName = "text", DefaultValueFactory = static _ => "" };
        Option<long> tokens = SharedOptions.Number("--max-new-tokens", "most tokens that are written", 64, 1);
        var temperature = new Option<float>("--temperature") { Description = "0 always takes the likeliest token; higher is freer", HelpName = "x" };
        var topP = new Option<float>("--top-p") { Description = "only the likeliest tokens that together have this probability", HelpName = "p", DefaultValueFactory = static _ => 1 };
        var seed = new Option<ulong>("--seed") { Description = "key of the random numbers", HelpName = "n" };
        Option<string> device = SharedOptions.Device();
        Option<int> threads = SharedOptions.Threads();
        var command = new Command("generate", "Continues a prompt of images and text.") { checkpoint, images, prompt, tokens, temperature, topP, seed, device, threads };
        command.SetAction((parsed, _) =>
        {
            Document document = Compose(parsed.GetValue(prompt) ?? "", parsed.GetValue(images) ?? []);
            var sampling = new SamplingOptions { Temperature = Checked(parsed.GetValue(temperature), "--temperature", static value => value >= 0, "0 or more"), TopP = Checked(parsed.GetValue(topP), "--top-p", static value => value is > 0 and <= 1, "above 0 and at most 1"), Seed = parsed.GetValue(seed) };
            using var signals = new StopSignals(terminal, "stopping");
            using Device opened = Device.Parse(parsed.GetRequiredValue(device), new DeviceOptions { Threads = parsed.GetValue(threads) });
            using ModelBundle bundle = Checkpoints.Load(parsed.GetRequiredValue(checkpoint), opened);
            var options = new TextGenerationOptions { MaxNewTokens = (int)Math.Min(parsed.GetValue(tokens), int.MaxValue), Sampling = sampling, CancellationToken = signals.Token };
            GeneratedText text = new Mm1Generator(bundle).Generate([document], options)[0];
            terminal.WriteLine(text.Text.Trim());
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    /// <summary>A prompt of text and images; each mark takes the next image, images without marks come first.</summary>
    public static Document Compose(string prompt, IReadOnlyList<string> files)
    {
        ImageData[] images = [.. files.Select(Open)];
        string[] parts = prompt.Split(Mark);
        int marks = parts.Length - 1;
        if (marks > 0 && marks != images.Length)
            throw new CommandException(ExitCode.Usage, string.Create(CultureInfo.InvariantCulture, $"the prompt has {marks} {Mark} and {images.Length} --image were given: give one for each, or no {Mark} to have the images first"));
        var segments = new List<Segment>();
        if (marks == 0) segments.AddRange(images.Select(static image => new ImageSegment(image)));
        for (int i = 0; i < parts.Length; i++)
        {
            if (parts[i].Trim(' ').Length > 0) segments.Add(new TextSegment(parts[i].Trim(' '), LossRole.Context));
            if (i < marks) segments.Add(new ImageSegment(images[i]));
        }
        if (segments.Count == 0) throw new CommandException(ExitCode.Usage, "there is nothing to continue: give --image or --prompt");
        return new Document("prompt", "prompt", segments);
    }

    private static ImageData Open(string file)
    {
        try
        {
            return ImageCodec.DecodeFile(file);
        }
        catch (BadImageException exception)
        {
            throw new CommandException(ExitCode.Unreadable, exception.Message, exception);
        }
    }

    private static float Checked(float value, string name, Func<float, bool> rule, string words) =>
        rule(value) ? value : throw new CommandException(ExitCode.Usage, $"{name} is {words}, not {value.ToString(CultureInfo.InvariantCulture)}");
}
