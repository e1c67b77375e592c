using System.Text.Json.Nodes;
using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary><c>mm1 tokenizer train</c> and <c>mm1 tokenizer inspect</c>.</summary>
public sealed class TokenizerTests
{
    private const string Text = "The cat sat on the mat. The cat's hat sat on the cat.\nThat is that, the cat said.\n";

    [Fact]
    public void ATokenizerIsLearnedFromFilesAndShown()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["texts/more"]);
        foreach (string name in new[] { "texts/a.txt", "texts/b.txt", "texts/more/c.txt" }) File.WriteAllText(folder[name], Text);
        Mm1Run run = Mm1.Call("tokenizer", "train", folder["texts/**/*.txt"], folder["texts/a.txt"], "--vocabulary", "280", "--out", folder["tokenizer.json"]);
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Contains("read 3 files", run.Output, StringComparison.Ordinal);
        Assert.Contains("280 tokens", run.Output, StringComparison.Ordinal);
        var tokenizer = Assert.IsType<BytePairTokenizer>(TokenizerFile.Load(folder["tokenizer.json"]));
        Assert.Equal(280, tokenizer.VocabularySize);
        Assert.True(tokenizer.Encode(Text).Length < Text.Length / 2);

        // The order in which files are named does not matter.
        Assert.Equal(0, Mm1.Call("tokenizer", "train", folder["texts/more/c.txt"], folder["texts/b.txt"], folder["texts/a.txt"], "--vocabulary", "280", "--out", folder["again.json"]).ExitCode);
        Assert.Equal(File.ReadAllBytes(folder["tokenizer.json"]), File.ReadAllBytes(folder["again.json"]));

        Mm1Run shown = Mm1.Call("tokenizer", "inspect", folder["tokenizer.json"], "--text", "the cat\n");
        Assert.True(shown.ExitCode == 0, shown.Error);
        foreach (string expected in new[] { "byte-level BPE, text cut as gpt2", "280 tokens", "277 <|endoftext|>", "278 <pad>", "279 <image>", "▁cat", "\\n" }) Assert.Contains(expected, shown.Output, StringComparison.Ordinal);
        JsonNode json = JsonNode.Parse(Mm1.Call("tokenizer", "inspect", folder.Path, "--json", "--text", "the cat\n").Output)!;
        Assert.Equal(tokenizer.Encode("the cat\n"), json["ids"]!.AsArray().Select(static id => id!.GetValue<int>()));
        Assert.Equal("▁cat", json["pieces"]!.AsArray()[^2]!.GetValue<string>());
        Assert.True(json["decodes_to_the_text"]!.GetValue<bool>());
        Assert.Equal(279, json["special"]!["image"]!["id"]!.GetValue<int>());
    }

    [Fact]
    public void TooLittleTextIsWarnedOf()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.txt"], "ab ab");
        Mm1Run run = Mm1.Call("tokenizer", "train", folder["a.txt"], "--vocabulary", "1000", "--out", folder["tokenizer.json"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("more than 260 tokens, 1000 were asked for", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongInputIsNamed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.txt"], Text);
        File.WriteAllBytes(folder["latin1.txt"], [0x63, 0xE9, 0x0A]);
        File.WriteAllText(folder["broken.json"], "{ \"model\": { \"type\": \"Unigram\" } }");
        string target = folder["tokenizer.json"];
        Check(ExitCode.Unreadable, "no such file", "train", folder["none.txt"], "--out", target);
        Check(ExitCode.Unreadable, "*.md", "train", folder["*.md"], "--out", target);
        Check(ExitCode.Unreadable, "is a folder", "train", folder.Path, "--out", target);
        Check(ExitCode.Unreadable, "latin1.txt", "train", folder["latin1.txt"], "--out", target);
        Check(ExitCode.Usage, "--vocabulary is 259 or more", "train", folder["a.txt"], "--vocabulary", "100", "--out", target);
        Check(ExitCode.Usage, "--out", "train", folder["a.txt"]);
        Check(ExitCode.Usage, "is a folder", "train", folder["a.txt"], "--out", folder.Path);
        Check(ExitCode.Unreadable, "Unigram", "inspect", folder["broken.json"]);
        Check(ExitCode.Unreadable, "is no tokenizer", "inspect", folder["a.txt"]);
        Check(ExitCode.Unreadable, "none.json", "inspect", folder["none.json"]);
        Check(ExitCode.Usage, "'gpt9'", "inspect", folder["broken.json"], "--pattern", "gpt9");
        Assert.False(File.Exists(target));

        static void Check(int code, string expected, params string[] arguments)
        {
            Mm1Run run = Mm1.Call(["tokenizer", .. arguments]);
            Assert.True(run.ExitCode == code, $"{run.ExitCode}: {run.Error}{run.Output}");
            Assert.Contains(expected, run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("internal error", run.Error, StringComparison.Ordinal);
        }
    }
}
