using System.Text;
using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class BytePairTrainerTests
{
    [Fact]
    public void TheMergesAreThoseOfTheDefinition()
    {
        // Counted anew after every merge, over pieces of the same scanner.
        const string Text = SmallTokenizers.Text;
        var words = new List<List<string>>();
        for (int at = 0; at < Text.Length;)
        {
            int length = PreTokenizer.Gpt2.Next(Text.AsSpan(at));
            words.Add([.. Encoding.UTF8.GetBytes(Text.Substring(at, length)).Select(static one => ByteLetters.Of(one).ToString())]);
            at += length;
        }
        List<string> tokens = [.. Enumerable.Range(0, 256).Select(static value => ByteLetters.Of((byte)value).ToString()).Order(StringComparer.Ordinal)];
        var merges = new List<string>();
        while (tokens.Count < 357)
        {
            var counts = new Dictionary<(string, string), int>();
            foreach (List<string> word in words)
                for (int i = 0; i + 1 < word.Count; i++) counts[(word[i], word[i + 1])] = counts.GetValueOrDefault((word[i], word[i + 1])) + 1;
            ((string left, string right), int count) = counts.OrderByDescending(static pair => pair.Value).ThenBy(pair => tokens.IndexOf(pair.Key.Item1)).ThenBy(pair => tokens.IndexOf(pair.Key.Item2)).First();
            Assert.True(count >= 1);
            merges.Add($"{left} {right}");
            if (!tokens.Contains(left + right)) tokens.Add(left + right);
            foreach (List<string> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] != left || word[i + 1] != right) continue;
                    word[i] += right;
                    word.RemoveAt(i + 1);
                }
            }
        }
        var json = SmallTokenizers.TrainedJson();
        Assert.Equal(merges, json["model"]!["merges"]!.AsArray().Select(static merge => merge!.GetValue<string>()));
        Assert.Equal(tokens, json["model"]!["vocab"]!.AsObject().OrderBy(static token => token.Value!.GetValue<int>()).Select(static token => token.Key));
        // GPT-2's order of the bytes: '!' is 0, a line feed 198, a space 220.
        Assert.Equal((0, 198, 220), (tokens.IndexOf("!"), tokens.IndexOf(ByteLetters.Of((byte)'\n').ToString()), tokens.IndexOf(ByteLetters.Of((byte)' ').ToString())));
    }

    [Fact]
    public void TheOrderOfTextsAndFilesDoesNotMatter()
    {
        string[] texts = [.. SmallTokenizers.Text.Split('\n').Select(static line => line + "\n")];
        string folder = SmallTokenizers.NewFolder();
        var first = new BytePairTrainer();
        var second = new BytePairTrainer();
        for (int i = 0; i < texts.Length; i++)
        {
            File.WriteAllText(Path.Combine(folder, $"{i}.txt"), texts[i]);
            first.AddFile(Path.Combine(folder, $"{i}.txt"));
            second.Add(texts[^(i + 1)]);
        }
        Assert.Equal((first.Characters, first.Pieces, first.DistinctPieces), (second.Characters, second.Pieces, second.DistinctPieces));
        Assert.Equal(SmallTokenizers.Saved(first.Train(350)), SmallTokenizers.Saved(second.Train(350)));
    }

    [Fact]
    public void ALongFileInBlocksGivesWhatTheTextGives()
    {
        // More than two blocks of 2^20, one of them without a place to cut.
        var random = new Random(4);
        var text = new StringBuilder();
        while (text.Length < 2_500_000) text.Append(text.Length is > 900_000 and < 1_300_000 ? "日本" : random.Next(3) switch { 0 => " the", 1 => " x" + random.Next(1000), _ => ".\n" });
        string path = SmallTokenizers.Write("long.txt", Encoding.UTF8.GetBytes(text.ToString()));
        var file = new BytePairTrainer();
        file.AddFile(path);
        var whole = new BytePairTrainer();
        whole.Add(text.ToString());
        Assert.Equal((whole.Characters, whole.Pieces, whole.DistinctPieces), (file.Characters, file.Pieces, file.DistinctPieces));
    }

    [Fact]
    public void BadRequestsAreTold()
    {
        var trainer = new BytePairTrainer();
        Assert.Throws<ArgumentOutOfRangeException>(() => trainer.Train(258));
        Assert.Throws<ArgumentOutOfRangeException>(() => trainer.Train(300, 0));
        string path = SmallTokenizers.Write("latin1.txt", [0x63, 0x61, 0x66, 0xE9, 0x0A]);
        Assert.Contains(path, Assert.Throws<InvalidDataException>(() => trainer.AddFile(path)).Message, StringComparison.Ordinal);
        // Too little text gives a smaller vocabulary, down to the bytes alone.
        Assert.Equal(BytePairTrainer.SmallestVocabulary, trainer.Train(1000).VocabularySize);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        trainer.Add("aaaa");
        Assert.Throws<OperationCanceledException>(() => trainer.Train(300, cancellationToken: cancelled.Token));
    }
}
