using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.Inference;

namespace MM1.Native.Cli;

/// <summary><c>mm1 tokenizer train</c> and <c>mm1 tokenizer inspect</c>.</summary>
internal static class TokenizerCommands
{
    public static Command Create(Terminal terminal) => new("tokenizer", "Learns a tokenizer from text and looks at tokenizers.") { Train(terminal), Inspect(terminal) };

    private static Command Train(Terminal terminal)
    {
        var files = new Argument<string[]>("FILE") { Description = "text files (UTF-8); * and ? stand for parts of a name, ** for any folders", Arity = ArgumentArity.OneOrMore };
        Option<long> vocabulary = SharedOptions.Number("--vocabulary", $"tokens in all: 256 bytes, merges, 3 special ones ({BytePairTrainer.SmallestVocabulary} or more)", 8192, BytePairTrainer.SmallestVocabulary);
        Option<long> minimum = SharedOptions.Number("--minimum-count", "a pair that is seen fewer times becomes no token", 2, 1);
        var output = new Option<string>("--out") { Description = "the file to write, in the form of Hugging Face's tokenizer.json", Required = true, HelpName = "file" };
        var command = new Command("train", "Learns a byte-level BPE (cut as GPT-2 cuts) from text files; the same files give the same tokenizer.") { files, vocabulary, minimum, output };
        command.SetAction((parsed, cancellation) =>
        {
            long start = Stopwatch.GetTimestamp();
            string target = parsed.GetRequiredValue(output);
            if (Directory.Exists(target)) throw new CommandException(ExitCode.Usage, $"'{target}' is a folder; name a file with --out");
            long size = parsed.GetValue(vocabulary);
            if (size > int.MaxValue) throw new CommandException(ExitCode.Usage, $"--vocabulary is at most {int.MaxValue}, not {size}");
            List<string> paths = Expand(parsed.GetRequiredValue(files));
            var trainer = new BytePairTrainer();
            foreach (string path in paths) trainer.AddFile(path, cancellation);
            BytePairTokenizer tokenizer = trainer.Train((int)size, parsed.GetValue(minimum), cancellationToken: cancellation);
            AtomicFile.Write(target, tokenizer.Save);
            terminal.Write($"read {paths.Count} files, {trainer.Characters:N0} characters in {trainer.Pieces:N0} pieces, {trainer.DistinctPieces:N0} of them different");
            if (tokenizer.VocabularySize < size) terminal.WriteWarning(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"no pair was seen often enough for more than {tokenizer.VocabularySize} tokens, {size} were asked for; give more text, or a smaller --minimum-count"));
            terminal.Write($"wrote {target}: {tokenizer.VocabularySize:N0} tokens, {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
            terminal.WriteLine($"next: {OwnName.Value} tokenizer inspect {OwnName.Quote(target)} --text 'some words'");
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static Command Inspect(Terminal terminal)
    {
        var file = new Argument<string>("FILE") { Description = "a tokenizer.json, vocab.json with merges.txt beside it, SentencePiece .model, .tiktoken file, or a checkpoint's folder" };
        var text = new Option<string?>("--text") { Description = "a text whose pieces are shown", HelpName = "text" };
        var pattern = new Option<string?>("--pattern") { Description = $"how a .tiktoken file's text is cut, where its size does not tell: {string.Join(", ", PreTokenizer.Names)}", HelpName = "name" };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("inspect", "Shows what a tokenizer is: kind, vocabulary, special tokens, and the pieces of a text.") { file, text, pattern, json };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(file);
            if (Directory.Exists(path)) path = Path.Combine(path, ModelBundle.TokenizerFile);
            ITokenizer tokenizer = TokenizerFile.Load(path, new TokenizerOptions { Pattern = parsed.GetValue(pattern) });
            string? given = parsed.GetValue(text);
            int[]? ids = given is null ? null : tokenizer.Encode(given);
            if (parsed.GetValue(json)) terminal.WriteLine(JsonText.Of(ToJson(tokenizer, given, ids)));
            else Print(tokenizer, path, given, ids, terminal);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(ITokenizer tokenizer, string path, string? text, int[]? ids, Terminal terminal)
    {
        terminal.WriteLine($"{path}: {Kind(tokenizer)}");
        terminal.Write($"vocabulary      {tokenizer.VocabularySize:N0} tokens");
        foreach ((string name, int id) in Special(tokenizer)) terminal.Write($"{name,-15} {id} {tokenizer.Describe(id)}");
        if (text is null || ids is null) return;
        terminal.Write($"text            {text.Length} characters, {ids.Length} tokens");
        terminal.WriteTable(["id", "piece"], ids.Select(id => new[] { id.ToString(System.Globalization.CultureInfo.InvariantCulture), tokenizer.Describe(id) }));
        string decoded = tokenizer.Decode(ids);
        if (decoded != text) terminal.WriteWarning($"the tokens decode to another text: {decoded}");
    }

    private static JsonObject ToJson(ITokenizer tokenizer, string? text, int[]? ids)
    {
        var special = new JsonObject();
        foreach ((string name, int id) in Special(tokenizer)) special[name.Replace(' ', '_')] = new JsonObject { ["id"] = id, ["piece"] = tokenizer.Describe(id) };
        var json = new JsonObject { ["kind"] = Kind(tokenizer), ["vocabulary"] = tokenizer.VocabularySize, ["special"] = special };
        if (ids is null) return json;
        var tokens = new JsonArray();
        foreach (int id in ids) tokens.Add((JsonNode?)JsonValue.Create(id));
        json["ids"] = tokens;
        json["pieces"] = JsonText.Array(ids.Select(tokenizer.Describe));
        json["decodes_to_the_text"] = tokenizer.Decode(ids) == text;
        return json;
    }

    private static (string Name, int Id)[] Special(ITokenizer tokenizer) =>
        [("document end", tokenizer.DocumentEndId), ("padding", tokenizer.PaddingId), ("image", tokenizer.ImageId), ("line feed", tokenizer.NewlineId)];

    private static string Kind(ITokenizer tokenizer) => tokenizer switch
    {
        WordTokenizer words => $"words of a closed vocabulary ({words.Words.Count}), other text as bytes",
        ByteTokenizer => "bytes",
        BytePairTokenizer pairs => $"byte-level BPE, text cut as {pairs.PreTokenizer.Name}",
        SentencePieceTokenizer pieces => $"SentencePiece BPE with byte fallback, {(pieces.HasPrefix ? "a" : "no")} space before every text",
        _ => tokenizer.GetType().Name,
    };

    /// <summary>Files as they are named; patterns to what they match, each file once.</summary>
    private static List<string> Expand(string[] names)
    {
        var paths = new List<string>();
        foreach (string name in names)
        {
            string[] parts = name.Split('/');
            int first = Array.FindIndex(parts, static part => part.AsSpan().ContainsAny('*', '?'));
            if (first < 0 || File.Exists(name))
            {
                if (!File.Exists(name)) throw new FileNotFoundException(Directory.Exists(name) ? $"'{name}' is a folder; name the files, e.g. {name.TrimEnd('/')}/*.txt" : $"no such file: {name}");
                paths.Add(name);
                continue;
            }
            string root = first == 0 ? "." : string.Join('/', parts[..first]) is { Length: > 0 } folder ? folder : "/";
            if (!Directory.Exists(root)) throw new FileNotFoundException($"no such folder: {root} (of '{name}')");
            paths.AddRange(new DataFolder(root).Files([string.Join('/', parts[first..])]).Select(file => Path.Combine(root, file)));
        }
        return [.. paths.DistinctBy(Path.GetFullPath)];
    }
}
