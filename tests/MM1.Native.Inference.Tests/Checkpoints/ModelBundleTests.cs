using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class ModelBundleTests
{
    private static void Save(string directory, SmallModel small) => ModelBundle.Save(directory, small.Model, SmallModel.Tokenizer, SmallModel.Images);

    private static string Refusal(string path, SmallModel small) => Assert.Throws<ConfigurationException>(() => ModelBundle.Load(path, small.Device).Dispose()).Message;

    [Fact]
    public void ALoadedBundleWritesTheSameAndKnowsTheSame()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        var images = SmallModel.Images with { Mean = [0.1f, 0.2f, 0.3f], Resize = ImageResizeMode.PadSquare };
        ModelBundle.Save(folder["a/b"], small.Model, SmallModel.Tokenizer, images);
        Assert.Equal(["model.json", "model.safetensors", "tokenizer.json"], Directory.GetFiles(folder["a/b"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using ModelBundle bundle = ModelBundle.Load(folder["a/b"], small.Device);
        Assert.Equal(small.Model.Config, bundle.Config);
        Assert.Equal(SmallModel.Tokenizer.Words, ((WordTokenizer)bundle.Tokenizer).Words);
        Assert.Equal(images.Mean, bundle.Images.Mean);
        Assert.Equal(images.StandardDeviation, bundle.Images.StandardDeviation);
        Assert.Equal(ImageResizeMode.PadSquare, bundle.Images.Resize);
        Assert.Equal(folder["a/b"], bundle.Path);
        // To be run takes no memory for gradients.
        Assert.All(bundle.Model.Parameters(), static parameter => Assert.False(parameter.RequiresGradient));
        Assert.Throws<InvalidOperationException>(() => bundle.Model.Parameters()[0].Gradient);
        Assert.Same(small.Device, bundle.Device);
        var world = new SyntheticWorld();
        Document[] prompts = [.. Enumerable.Range(0, 3).Select(number => world.Question(WorldSplit.UnseenSeed, number).Prompt())];
        var options = new TextGenerationOptions { MaxNewTokens = 6 };
        var own = new Mm1Generator(small.Model, SmallModel.Tokenizer, images);
        Assert.Equal(own.Generate(prompts, options).Select(text => text.Text), new Mm1Generator(bundle).Generate(prompts, options).Select(text => text.Text));
    }

    public static TheoryData<string> TokenizerKinds { get; } = ["bytes", "trained", "tiktoken", "sentencepiece"];

    [Theory, MemberData(nameof(TokenizerKinds))]
    public void ACheckpointKeepsATokenizerOfAnyKind(string kind)
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        ITokenizer tokenizer = TokenizerOf(kind, folder);
        Assert.True(tokenizer.VocabularySize <= SmallModel.Config.Decoder.Vocabulary);
        ModelBundle.Save(folder["checkpoint"], small.Model, tokenizer, SmallModel.Images);
        using ModelBundle bundle = ModelBundle.Load(folder["checkpoint"], small.Device);
        Assert.Equal(tokenizer.GetType(), bundle.Tokenizer.GetType());
        const string Text = "the cat's hat\n<image></s><|endoftext|> \uD83D\uDE00 \uD800 the";
        Assert.Equal(tokenizer.Encode(Text), bundle.Tokenizer.Encode(Text));
        Assert.Equal(Text, bundle.Tokenizer.Decode(tokenizer.Encode(Text)));
        Assert.Equal((tokenizer.DocumentEndId, tokenizer.PaddingId, tokenizer.ImageId), (bundle.Tokenizer.DocumentEndId, bundle.Tokenizer.PaddingId, bundle.Tokenizer.ImageId));
        // What it says is what the model that was saved says with the tokenizer that was saved.
        Document[] prompts = [new SyntheticWorld().Question(WorldSplit.UnseenSeed, 0).Prompt()];
        var options = new TextGenerationOptions { MaxNewTokens = 4 };
        Assert.Equal(new Mm1Generator(small.Model, tokenizer, SmallModel.Images).Generate(prompts, options).Select(text => text.Text), new Mm1Generator(bundle).Generate(prompts, options).Select(text => text.Text));
    }

    private static ITokenizer TokenizerOf(string kind, TemporaryFolder folder)
    {
        if (kind == "bytes") return new ByteTokenizer();
        var trainer = new BytePairTrainer();
        trainer.Add("the cat sat on the mat, the cat's hat sat on the cat");
        BytePairTokenizer trained = trainer.Train(280);
        if (kind == "trained") return trained;
        if (kind == "tiktoken")
        {
            string ranks = folder["ranks.tiktoken"];
            File.WriteAllLines(ranks, Enumerable.Range(0, trained.VocabularySize - 3).Select(id => $"{Convert.ToBase64String(trained.Bytes(id))} {id}"));
            return TokenizerFile.Load(ranks, new TokenizerOptions { Pattern = "cl100k" });
        }
        // A SentencePiece model of bytes and five pieces: field 1 the pieces, 2 how it was trained, 3 how it normalises.
        var model = new List<byte>();
        void Piece(string text, byte type) => model.AddRange([0x0A, (byte)(System.Text.Encoding.UTF8.GetByteCount(text) + 4), 0x0A, (byte)System.Text.Encoding.UTF8.GetByteCount(text), .. System.Text.Encoding.UTF8.GetBytes(text), 0x18, type]);
        Piece("<unk>", 2);
        Piece("</s>", 3);
        for (int value = 0; value < 256; value++) Piece($"<0x{value:X2}>", 6);
        foreach (string text in (string[])["▁", "th", "t", "h", "e"]) Piece(text, 1);
        model.AddRange([0x12, 5, 0x18, 2, 0x98, 0x02, 1, 0x1A, 4, 0x18, 1, 0x20, 0]);
        File.WriteAllBytes(folder["small.model"], [.. model]);
        return TokenizerFile.Load(folder["small.model"]);
    }

    [Fact]
    public void ARunGivesItsNewestCompleteCheckpoint()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        foreach (long step in (long[])[900, 1000000, 1000001])
        {
            string directory = Path.Combine(CheckpointFolders.Root(folder.Path), CheckpointFolders.Name(step));
            Save(directory, small);
            if (step != 1000001) CheckpointManifest.Write(directory, step);
        }
        Directory.CreateDirectory(Path.Combine(CheckpointFolders.Root(folder.Path), "step-000950.tmp"));
        Assert.Equal([1000001, 1000000, 900], CheckpointFolders.List(folder.Path).Select(checkpoint => checkpoint.Step));
        Assert.Equal([false, true, true], CheckpointFolders.List(folder.Path).Select(checkpoint => checkpoint.IsComplete));
        using ModelBundle bundle = ModelBundle.Load(folder.Path, small.Device);
        Assert.EndsWith("step-1000000", bundle.Path, StringComparison.Ordinal);
        using ModelBundle named = ModelBundle.Load(folder["checkpoints/step-000900"], small.Device);
        Assert.EndsWith("step-000900", named.Path, StringComparison.Ordinal);
    }

    [Fact]
    public void RunsWithoutACompleteCheckpointSaySo()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        Assert.Contains("there is no such folder", Refusal(folder["none"], small), StringComparison.Ordinal);
        Assert.Contains("is a file; give the folder", Refusal(folder.Write("file", ""), small), StringComparison.Ordinal);
        Assert.Contains("model.json is missing; a checkpoint's folder holds model.json, tokenizer.json and model.safetensors", Refusal(folder.Path, small), StringComparison.Ordinal);
        Directory.CreateDirectory(folder["checkpoints"]);
        Assert.Contains("holds no checkpoint yet", Refusal(folder.Path, small), StringComparison.Ordinal);
        Save(folder["checkpoints/step-000003"], small);
        Assert.Contains("1 checkpoint(s), none of them complete (no complete.json)", Refusal(folder.Path, small), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.json")]
    [InlineData("tokenizer.json")]
    [InlineData("model.safetensors")]
    public void AMissingFileIsNamed(string name)
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        Save(folder.Path, small);
        File.Delete(folder[name]);
        Assert.StartsWith($"{folder[name]} is missing; ", Refusal(folder.Path, small), StringComparison.Ordinal);
    }

    [Fact]
    public void ManifestsFindWhatIsMissingCutOrChanged()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        Save(folder.Path, small);
        CheckpointManifest written = CheckpointManifest.Write(folder.Path, 12), manifest = CheckpointManifest.TryRead(folder.Path)!;
        Assert.Equal(12, manifest.Step);
        Assert.Equal(["model.json", "model.safetensors", "tokenizer.json"], manifest.Files.Select(file => file.Name));
        Assert.Equal(written.Files, manifest.Files);
        Assert.Null(manifest.FindFault(folder.Path, hashes: true));
        byte[] whole = File.ReadAllBytes(folder["model.safetensors"]);
        whole[^1] ^= 1;
        File.WriteAllBytes(folder["model.safetensors"], whole);
        Assert.Null(manifest.FindFault(folder.Path, hashes: false));
        Assert.Contains("SHA-256", manifest.FindFault(folder.Path, hashes: true), StringComparison.Ordinal);
        File.WriteAllBytes(folder["model.safetensors"], whole[..^8]);
        string message = Refusal(folder.Path, small);
        Assert.Contains($"the checkpoint {folder.Path} is damaged: '{folder["model.safetensors"]}' has {whole.Length - 8} bytes where complete.json says {whole.Length}", message, StringComparison.Ordinal);
        File.Delete(folder["tokenizer.json"]);
        File.WriteAllBytes(folder["model.safetensors"], whole);
        Assert.Contains("tokenizer.json' is missing", Refusal(folder.Path, small), StringComparison.Ordinal);
        folder.Write("complete.json", "{\"step\": 1}");
        Assert.Contains("'files' is missing", Refusal(folder.Path, small), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.001)]
    [InlineData(0)]
    public void TruncatedWeightsAreOneClearMessage(double kept)
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        Save(folder.Path, small);
        byte[] whole = File.ReadAllBytes(folder["model.safetensors"]);
        File.WriteAllBytes(folder["model.safetensors"], whole[..(int)(whole.Length * kept)]);
        string message = Refusal(folder.Path, small);
        Assert.StartsWith(folder["model.safetensors"], message, StringComparison.Ordinal);
        Assert.Contains("The file is damaged or was not written to its end; use another checkpoint", message, StringComparison.Ordinal);
    }

    [Fact]
    public void ModelFilesOfAnotherKindAreRefused()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        Save(folder.Path, small);
        string text = File.ReadAllText(folder["model.json"]);
        Check(root => root["model"]!["decoder"]!["experts"] = 8, "model.json:", "'model.decoder.experts' is not a known key");
        Check(root => root["version"] = 2, "is of format 'mm1-model' version 2; this program reads 'mm1-model' version 1");
        Check(root => root["images"]!["size"] = 40, "'images.size' is 40, which is not a multiple of 'model.vision.patchSize', 16");
        Check(root => root["images"]!["standardDeviation"] = new JsonArray(1, 1, 0), "standard deviations positive");
        Check(root => root["model"]!["decoder"]!["vocabulary"] = 300, $"the tokenizer (tokenizer.json) has {SmallModel.Tokenizer.VocabularySize} tokens, the model's 'decoder.vocabulary' (model.json) is 300");
        Check(root => root["model"]!["decoder"]!["heads"] = 0, "model.json");
        Check(root => root["model"]!["decoder"]!["layers"] = 3, "missing: 'decoder.layers.2.");
        folder.Write("model.json", text[..(text.Length / 2)]);
        Assert.Contains("this is not valid YAML", Refusal(folder.Path, small), StringComparison.Ordinal);

        void Check(Action<JsonNode> change, params string[] parts)
        {
            JsonNode root = JsonNode.Parse(text)!;
            change(root);
            folder.Write("model.json", root.ToJsonString());
            string message = Refusal(folder.Path, small);
            foreach (string part in parts) Assert.Contains(part, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void BrokenTokenizersAreNamed()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        Save(folder.Path, small);
        folder.Write("tokenizer.json", "{ not json");
        Assert.Contains(folder["tokenizer.json"], Refusal(folder.Path, small), StringComparison.Ordinal);
        folder.Write("tokenizer.json", "{\"format\": \"bpe\", \"version\": 1, \"words\": []}");
        Assert.Contains("format 'bpe'", Refusal(folder.Path, small), StringComparison.Ordinal);
    }

    [Fact]
    public void ATokenizerThatIsTooLargeIsNotSaved()
    {
        using var folder = new TemporaryFolder();
        using var small = new SmallModel();
        var tokenizer = new WordTokenizer([.. Enumerable.Range(0, 400).Select(i => "w" + (char)('a' + i / 26) + (char)('a' + i % 26))]);
        string message = Assert.Throws<ConfigurationException>(() => ModelBundle.Save(folder["x"], small.Model, tokenizer, SmallModel.Images)).Message;
        Assert.Contains("it must be at least as many", message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["x"]));
    }
}
