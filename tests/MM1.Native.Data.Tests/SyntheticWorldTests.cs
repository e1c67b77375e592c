using System.Text.RegularExpressions;
using Xunit;

namespace MM1.Native.Data.Tests;

public sealed partial class SyntheticWorldTests
{
    private static readonly SyntheticWorld World = new();

    public static readonly TheoryData<WorldSplit> Splits = [.. Enum.GetValues<WorldSplit>()];

    internal static string Flat(Document document) => string.Join('|', document.Segments.Select(segment => segment switch
    {
        TextSegment text => $"{text.Role}:{text.Text}",
        ImageSegment { Image: SceneImage image } => string.Join(',', image.Scene.Objects) + image.Scene.BackgroundRed,
        _ => "?",
    }));

    [Fact]
    public void TheSameSeedGivesTheSameWorldAndAnotherSeedAnother()
    {
        var again = new SyntheticWorld();
        var other = new SyntheticWorld(new SyntheticWorldOptions { Seed = 2 });
        foreach ((IDocumentSource first, IDocumentSource second, IDocumentSource third) in new[]
            { (World.Captions, again.Captions, other.Captions), (World.Interleaved, again.Interleaved, other.Interleaved), (World.Text, again.Text, other.Text) })
        {
            for (int i = 200; i-- > 0;) Assert.Equal(Flat(first.Read(3, i)), Flat(second.Read(3, i)));
            Assert.True(Enumerable.Range(0, 100).Count(i => Flat(first.Read(0, i)) == Flat(third.Read(0, i))) < 10);
            Assert.True(Enumerable.Range(0, 100).Count(i => Flat(first.Read(0, i)) == Flat(first.Read(1, i))) < 10);
        }
    }

    [Fact]
    public void PartsOfTheWorldShareNoScene()
    {
        (IDocumentSource captions, IDocumentSource interleaved, _) = World.Sources(WorldSplit.UnseenSeed);
        HashSet<string> trained = [.. Enumerable.Range(0, 20_000).Select(i => Flat(World.Captions.Read(0, i)).Split('|')[0])];
        Assert.Equal(20_000, trained.Count);
        for (int i = 0; i < 5_000; i++)
        {
            Assert.DoesNotContain(Flat(captions.Read(0, i)).Split('|')[0], trained);
            Assert.DoesNotContain(string.Join(',', World.Question(WorldSplit.UnseenSeed, i).Scene.Objects), trained);
        }
        Assert.NotEqual(Flat(interleaved.Read(0, 0)), Flat(World.Interleaved.Read(0, 0)));
        Assert.Throws<ArgumentException>(() => World.Sources(WorldSplit.UnseenCombination));
    }

    [Theory, InlineData(1ul), InlineData(2ul), InlineData(99ul)]
    public void HeldOutCombinationsTakeEachColourAndEachKindOnce(ulong seed)
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions { Seed = seed });
        Assert.Equal(6, world.HeldOutCombinations.Select(combination => combination.Colour).Distinct().Count());
        Assert.Equal(6, world.HeldOutCombinations.Select(combination => combination.Kind).Distinct().Count());
        Assert.Equal(30, world.TrainedCombinations.Except(world.HeldOutCombinations).Count());
    }

    [Theory, InlineData(1ul, 3), InlineData(5ul, 6)]
    public void NoHeldOutCombinationIsEverTrainedOn(ulong seed, int shapes)
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions { Seed = seed, MaximumShapes = shapes });
        HashSet<Combination> heldOut = [.. world.HeldOutCombinations];
        string[] forbidden = [.. heldOut.SelectMany(combination => new[]
        {
            $"{combination.Colour} {combination.Kind}", $"{combination.Kind} {combination.Colour}", $"{combination.Kind} turns {combination.Colour}",
            $"{combination.Kind} is {combination.Colour}", $"{combination.Colour} {combination.Kind.Plural()}",
        }).Select(text => text.ToLowerInvariant())];
        var search = new Regex(string.Join('|', forbidden), RegexOptions.Compiled | RegexOptions.NonBacktracking);
        var seen = new HashSet<Combination>();
        foreach (IDocumentSource source in new[] { world.Captions, world.Interleaved, world.Text })
        {
            for (int i = 0; i < 100_000 / 3; i++)
            {
                foreach (Segment segment in source.Read(i % 2, i).Segments)
                {
                    if (segment is TextSegment text) Assert.False(search.IsMatch(text.Text.ToLowerInvariant()), text.Text);
                    else
                    {
                        foreach (SceneObject shape in ((SceneImage)((ImageSegment)segment).Image).Scene.Objects)
                        {
                            seen.Add(shape.Combination);
                            Assert.DoesNotContain(shape.Combination, heldOut);
                        }
                    }
                }
            }
        }
        Assert.Equal(30, seen.Count);
        // Demonstrations are training material too.
        for (int i = 0; i < 500; i++)
            foreach (QuestionItem shot in world.FewShot(WorldSplit.UnseenCombination, i, 8).Demonstrations)
                Assert.DoesNotContain(shot.Scene.Objects, shape => heldOut.Contains(shape.Combination));
    }

    [Fact]
    public void UnseenCombinationsAreInEveryItemOfTheirPart()
    {
        HashSet<Combination> heldOut = [.. World.HeldOutCombinations];
        for (int i = 0; i < 3000; i++)
        {
            QuestionItem item = World.Question(WorldSplit.UnseenCombination, i);
            Assert.Contains(item.Scene.Objects, shape => heldOut.Contains(shape.Combination));
            Assert.Contains(World.Caption(WorldSplit.UnseenCombination, i).Scene.Objects, shape => heldOut.Contains(shape.Combination));
            if (item.Question.Kind is QuestionKind.Colour or QuestionKind.Shape)
                Assert.Contains(heldOut, shape => item.Question.Text.Contains(item.Question.Kind == QuestionKind.Colour ? shape.Kind.Name() : shape.Colour.Name(), StringComparison.Ordinal)
                    && item.Scene.Objects.Any(there => there.Combination == shape));
        }
    }

    [Theory, InlineData(3), InlineData(6)]
    public void ShapesAreFreeOfEachOtherAndInsideTheImage(int most)
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions { MaximumShapes = most });
        for (int i = 0; i < 3000; i++)
        {
            IReadOnlyList<SceneObject> shapes = (i % 2 == 0 ? world.Question(WorldSplit.Train, i).Scene : world.Caption(WorldSplit.Train, i).Scene).Objects;
            Assert.InRange(shapes.Count, 1, most);
            for (int j = 0; j < shapes.Count; j++)
            {
                double reach = shapes[j].Radius * SceneObject.Extent;
                Assert.InRange(shapes[j].X, reach, 1 - reach);
                Assert.InRange(shapes[j].Y, reach, 1 - reach);
                for (int k = 0; k < j; k++)
                    Assert.True(Math.Pow(shapes[j].X - shapes[k].X, 2) + Math.Pow(shapes[j].Y - shapes[k].Y, 2) > Math.Pow(reach + shapes[k].Radius * SceneObject.Extent, 2));
            }
        }
    }

    [Theory, MemberData(nameof(Splits))]
    public void EveryAnswerIsTheSolversAnswer(WorldSplit split)
    {
        foreach (int most in new[] { 2, 3, 6 })
        {
            var world = new SyntheticWorld(new SyntheticWorldOptions { MaximumShapes = most });
            for (int i = 0; i < 5000; i++)
            {
                QuestionItem item = world.Question(split, i);
                Assert.Equal((QuestionKind)(i % 5), item.Question.Kind);
                Assert.Equal(Solver.Answer(item.Question.Text, item.Scene), item.Question.Answer);
            }
        }
    }

    [Fact]
    public void EveryAnswerInADocumentIsTheSolversAnswerAndKindsHaveEqualShares()
    {
        var kinds = new Dictionary<string, int>();
        int asked = 0, series = 0;
        for (int i = 0; i < 10_000; i++)
        {
            Document document = World.Interleaved.Read(0, i);
            Scene? scene = null;
            string? question = null;
            var formats = new HashSet<AnswerFormat>();
            int questions = 0;
            foreach (Segment segment in document.Segments)
            {
                if (segment is ImageSegment image) (scene, question) = (((SceneImage)image.Image).Scene, null);
                else if (segment is TextSegment text && text.Text.EndsWith('?')) question = text.Text;
                else if (segment is TextSegment answer && question is not null)
                {
                    Assert.True(AnswerFormats.TryParse(answer.Text, out AnswerFormat format, out string content));
                    Assert.Equal(Solver.Answer(question, scene!), content);
                    Assert.EndsWith("\n", answer.Text, StringComparison.Ordinal);
                    formats.Add(format);
                    questions++;
                }
            }
            Assert.True(formats.Count <= 1);
            if (questions == 0) continue;
            if (document.Segments.OfType<ImageSegment>().Count() != 2)
            {
                series++;
                Assert.Equal(LossRole.Context, document.Segments.OfType<TextSegment>().ElementAt(1).Role);
                continue;
            }
            asked++;
            Assert.Equal(5, questions);
            foreach (TextSegment text in document.Segments.OfType<TextSegment>().Where(text => text.Text.EndsWith('?')))
            {
                Assert.Equal(LossRole.Context, text.Role);
                string kind = text.Text.ToLowerInvariant() switch
                {
                    ['h', 'o', ..] => "count",
                    ['w', 'h', 'e', ..] => "relation",
                    ['i', 's', ..] => "yes/no",
                    string other => other.Contains("shape", StringComparison.Ordinal) ? "shape" : "colour",
                };
                kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
            }
        }
        Assert.Equal(5, kinds.Count);
        Assert.All(kinds.Values, count => Assert.Equal(asked, count));
        Assert.InRange(asked / 10_000.0, 0.57, 0.63);
        Assert.InRange(series / 10_000.0, 0.17, 0.23);
    }

    /// <summary>The best that a reader of questions can do who never sees an image: the commonest answer to the very same words.</summary>
    [Theory, InlineData(WorldSplit.UnseenSeed, 3), InlineData(WorldSplit.Train, 3), InlineData(WorldSplit.UnseenSeed, 6), InlineData(WorldSplit.UnseenCombination, 3)]
    public void AnswersAreBalancedAndABlindReaderIsNearChance(WorldSplit split, int most)
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions { MaximumShapes = most });
        const int Items = 60_000;
        var answers = new Dictionary<QuestionKind, Dictionary<string, int>>();
        var byText = new Dictionary<string, Dictionary<string, int>>();
        var right = new int[5];
        for (int i = 0; i < 2 * Items; i++)
        {
            Question question = world.Question(split, i).Question;
            string words = question.Text.Replace("color", "colour", StringComparison.Ordinal).Replace("which", "what", StringComparison.Ordinal);
            if (i < Items)
            {
                Count(answers, question.Kind, question.Answer);
                Count(byText, words, question.Answer);
            }
            else if (byText.TryGetValue(words, out Dictionary<string, int>? seen) && seen.MaxBy(pair => pair.Value).Key == question.Answer) right[(int)question.Kind]++;
        }
        // Colours and shapes: the reader may know which of the six is held out for the other word of the question.
        (int Answers, double Chance)[] expected = [(6, 1 / 5.0), (most, 1.0 / most), (6, 1 / 5.0), (4, 1 / 4.0), (2, 1 / 2.0)];
        foreach (QuestionKind kind in Enum.GetValues<QuestionKind>())
        {
            (int choices, double chance) = expected[(int)kind];
            Assert.Equal(choices, answers[kind].Count);
            double chi = Statistics.ChiSquare(answers[kind].Values);
            Assert.True(chi < Statistics.Critical999(choices - 1), $"{kind}: chi-square {chi:F1}; {string.Join(", ", answers[kind])}");
            // The words of a question about an unseen combination tell which one it is: only a reader who was told the held-out list could use that.
            if (split == WorldSplit.UnseenCombination && (kind is QuestionKind.Colour or QuestionKind.Shape)) continue;
            Assert.InRange(right[(int)kind] / (Items / 5.0), chance - 0.03, chance + 0.03);
        }

        static void Count<T>(Dictionary<T, Dictionary<string, int>> table, T key, string answer) where T : notnull
        {
            if (!table.TryGetValue(key, out Dictionary<string, int>? row)) table[key] = row = [];
            row[answer] = row.GetValueOrDefault(answer) + 1;
        }
    }

    [Fact]
    public void AnswersInDocumentsAreBalancedToo()
    {
        var answers = new Dictionary<string, Dictionary<string, int>>();
        for (int i = 0; i < 30_000; i++)
        {
            IReadOnlyList<Segment> segments = World.Interleaved.Read(0, i).Segments;
            if (segments.OfType<ImageSegment>().Count() != 2) continue;
            for (int j = 0; j + 1 < segments.Count; j++)
            {
                if (segments[j] is not TextSegment { Role: LossRole.Context } question || segments[j + 1] is not TextSegment answer) continue;
                string text = question.Text.ToLowerInvariant();
                string kind = text.StartsWith("how", StringComparison.Ordinal) ? "count" : text.StartsWith("where", StringComparison.Ordinal) ? "relation"
                    : text.StartsWith("is", StringComparison.Ordinal) ? "yes/no" : text.Contains("shape", StringComparison.Ordinal) ? "shape" : "colour";
                if (!answers.TryGetValue(kind, out Dictionary<string, int>? row)) answers[kind] = row = [];
                row[answer.Text] = row.GetValueOrDefault(answer.Text) + 1;
            }
        }
        foreach ((string kind, Dictionary<string, int> row) in answers)
            Assert.True(Statistics.ChiSquare(row.Values) < Statistics.Critical999(row.Count - 1), $"{kind}: {string.Join(", ", row)}");
    }

    [Fact]
    public void SeriesKeepTheirFormatAndFewShotPromptsLookLikeThem()
    {
        for (int i = 0; i < 300; i++)
        {
            FewShotItem item = World.FewShot(WorldSplit.UnseenSeed, i, 8);
            Assert.NotEqual(AnswerFormat.Plain, item.Format);
            Assert.NotEqual(item.Format, item.WrongFormat);
            Document prompt = item.Prompt(), wrong = item.Prompt(wrongFormat: true), four = item.Prompt(4);
            Assert.Equal(9, prompt.Segments.OfType<ImageSegment>().Count());
            Assert.Equal(5, four.Segments.OfType<ImageSegment>().Count());
            Assert.Equal(2, item.Prompt(0).Segments.Count);
            Assert.All(prompt.Segments.OfType<TextSegment>(), text => Assert.Equal(LossRole.Context, text.Role));
            Assert.EndsWith("?", ((TextSegment)prompt.Segments[^1]).Text, StringComparison.Ordinal);
            for (int shot = 0; shot < 8; shot++)
            {
                Assert.True(AnswerFormats.TryParse(((TextSegment)prompt.Segments[3 * shot + 2]).Text, out AnswerFormat format, out string answer));
                Assert.Equal((item.Format, item.Demonstrations[shot].Question.Answer), (format, answer));
                Assert.True(AnswerFormats.TryParse(((TextSegment)wrong.Segments[3 * shot + 2]).Text, out format, out _));
                Assert.Equal(item.WrongFormat, format);
            }
            Assert.Equal(SyntheticWorldTests.Flat(four), Flat(new Document("", "", [.. prompt.Segments.Take(12), .. prompt.Segments.Skip(24)])));
        }
    }

    [Fact]
    public void TextsAreShortAndWithinTheVocabulary()
    {
        WordTokenizer tokenizer = WorldWords.CreateTokenizer();
        var used = new HashSet<int>();
        var lengths = new List<int>();
        var world = new SyntheticWorld(new SyntheticWorldOptions { MaximumShapes = 6 });
        foreach (SyntheticWorld each in new[] { World, world })
        {
            foreach (IDocumentSource source in new[] { each.Captions, each.Interleaved, each.Text })
            {
                for (int i = 0; i < 20_000; i++)
                {
                    foreach (TextSegment text in source.Read(0, i).Segments.OfType<TextSegment>())
                    {
                        int[] tokens = tokenizer.Encode(text.Text);
                        Assert.DoesNotContain(tokens, tokenizer.IsByte);
                        used.UnionWith(tokens);
                        if (each == World && source == each.Captions) lengths.Add(tokens.Length);
                        if (text.Text.EndsWith('?')) Assert.InRange(tokens.Length, 5, 14);
                    }
                }
            }
        }
        lengths.Sort();
        Assert.InRange(lengths[lengths.Count / 2], 6, 12);
        Assert.InRange(lengths[lengths.Count * 9 / 10], 8, 16);
        // Every word of the vocabulary is in use: none is dead weight in the embedding.
        Assert.DoesNotContain(tokenizer.Words, word => !used.Contains(tokenizer.Encode(word)[0]));
    }

    [Fact]
    public void OptionsOutOfRangeAreRefused()
    {
        Refused(new SyntheticWorldOptions { ImageSize = 32 }, "48");
        Refused(new SyntheticWorldOptions { MaximumShapes = 7 }, "1 to 7");
        Refused(new SyntheticWorldOptions { QuestionWeight = -1 }, "-1");
        Refused(new SyntheticWorldOptions { LongCaptionShare = 2 }, "2");
        Refused(new SyntheticWorldOptions { MinimumSeriesImages = 5, MaximumSeriesImages = 4 }, "5 to 4");
        Assert.Throws<ArgumentOutOfRangeException>(() => World.Captions.Read(0, World.Options.DocumentsPerEpoch));

        static void Refused(SyntheticWorldOptions options, string says) =>
            Assert.Contains(says, Assert.Throws<ArgumentException>(() => new SyntheticWorld(options)).Message, StringComparison.Ordinal);
    }
}
