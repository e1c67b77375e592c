using System.Formats.Tar;
using System.Text;
using System.Text.Json;
using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class WriterTests
{
    private static readonly SyntheticWorld World = new();

    private static string Folder() => Directory.CreateTempSubdirectory("mm1-writers-").FullName;

    [Fact]
    public void ShardsHoldWhatWasWritten()
    {
        string folder = Folder();
        using (var writer = new WebDatasetWriter(folder, samplesPerShard: 4))
        {
            for (int i = 0; i < 10; i++)
            {
                CaptionItem item = World.Caption(WorldSplit.Train, i);
                string key = writer.Write(item.Image.Load(), item.Caption + " é", Encoding.UTF8.GetBytes($"{{\"number\":{i}}}"));
                Assert.Equal($"{i / 4:D5}{i % 4:D4}", key);
            }
            Assert.Equal(10, writer.Count);
            Assert.Equal(["00000.tar", "00001.tar", "00002.tar.part"], Directory.GetFiles(folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)); // a shard has its name when it is complete
            writer.Complete();
        }
        Assert.Equal(["00000.tar", "00001.tar", "00002.tar"], Directory.GetFiles(folder).Select(path => Path.GetFileName(path)!).Order());
        int sample = 0;
        foreach (string shard in Directory.GetFiles(folder).Order())
        {
            using var reader = new TarReader(File.OpenRead(shard));
            while (reader.GetNextEntry(copyData: true) is TarEntry image)
            {
                CaptionItem item = World.Caption(WorldSplit.Train, sample);
                string key = $"{sample / 4:D5}{sample % 4:D4}";
                Assert.Equal(key + ".png", image.Name);
                Assert.Equal(item.Image.Load().Pixels, ImageCodec.Decode(Content(image)).Pixels);
                TarEntry text = reader.GetNextEntry(copyData: true)!, json = reader.GetNextEntry(copyData: true)!;
                Assert.Equal((key + ".txt", key + ".json"), (text.Name, json.Name));
                Assert.Equal(item.Caption + " é", Encoding.UTF8.GetString(Content(text)));
                Assert.Equal(sample, JsonDocument.Parse(Content(json)).RootElement.GetProperty("number").GetInt32());
                sample++;
            }
        }
        Assert.Equal(10, sample);

        static byte[] Content(TarEntry entry)
        {
            using var stream = new MemoryStream();
            entry.DataStream!.CopyTo(stream);
            return stream.ToArray();
        }
    }

    [Fact]
    public void TheWorldOnDiskIsTheWorld()
    {
        string folder = Folder(), again = Folder();
        var options = new SyntheticDatasetOptions { Captions = 7, Interleaved = 6, Text = 5, Evaluation = 10 };
        SyntheticDataset.Write(World, folder, options);
        SyntheticDataset.Write(World, again, options);
        string[] files = [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path)).Order()];
        Assert.Equal(files, Directory.GetFiles(again, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(again, path)).Order());
        Assert.All(files, file => Assert.Equal(File.ReadAllBytes(Path.Combine(folder, file)), File.ReadAllBytes(Path.Combine(again, file))));

        string[] lines = File.ReadAllLines(Path.Combine(folder, "interleaved", "documents.jsonl"));
        Assert.Equal(6, lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            Document document = World.Interleaved.Read(0, i);
            JsonElement line = JsonDocument.Parse(lines[i]).RootElement;
            Assert.Equal(document.Id, line.GetProperty("id").GetString());
            JsonElement images = line.GetProperty("images"), texts = line.GetProperty("texts"), targets = line.GetProperty("targets");
            Assert.Equal((document.Segments.Count, document.Segments.Count, document.Segments.Count), (images.GetArrayLength(), texts.GetArrayLength(), targets.GetArrayLength()));
            for (int j = 0; j < document.Segments.Count; j++)
            {
                if (document.Segments[j] is TextSegment text)
                {
                    Assert.Equal(text.Text, texts[j].GetString());
                    Assert.Equal(text.Role == LossRole.Target, targets[j].GetBoolean());
                    Assert.Equal(JsonValueKind.Null, images[j].ValueKind);
                    continue;
                }
                byte[] file = File.ReadAllBytes(Path.Combine(folder, "interleaved", images[j].GetString()!));
                Assert.Equal(((ImageSegment)document.Segments[j]).Image.Load().Pixels, ImageCodec.Decode(file).Pixels);
            }
        }
        JsonElement question = JsonDocument.Parse(File.ReadLines(Path.Combine(folder, "evaluation-unseen-combination", "questions.jsonl")).ElementAt(3)).RootElement;
        QuestionItem item = World.Question(WorldSplit.UnseenCombination, 3);
        Assert.Equal((item.Question.Text, item.Question.Answer, "Relation"), (question.GetProperty("question").GetString(), question.GetProperty("answer").GetString(), question.GetProperty("kind").GetString()));
        Assert.Equal(item.Scene.Objects.Count, question.GetProperty("objects").GetArrayLength());
        Assert.True(File.Exists(Path.Combine(folder, "evaluation-unseen-combination", question.GetProperty("image").GetString()!)));
    }

    [Fact]
    public void WritingStopsWhenCancelled()
    {
        using var stop = new CancellationTokenSource();
        var progress = new Progress(count => { if (count == 5) stop.Cancel(); });
        Assert.Throws<OperationCanceledException>(() => SyntheticDataset.Write(World, Folder(), new SyntheticDatasetOptions(), progress, stop.Token));
    }

    private sealed class Progress(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }
}
