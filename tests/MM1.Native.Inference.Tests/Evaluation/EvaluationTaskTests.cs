using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class EvaluationTaskTests
{
    private static readonly SyntheticWorld World = new();

    private static string Text(Document document) => string.Concat(document.Segments.Select(segment => segment is TextSegment text ? text.Text : "<image>"));

    private static string TextOf(IEvaluationTask task, int item, EvaluationOptions options) => Text(task.Items(options)[item].Prompt);

    [Fact]
    public void BuiltInTasksAreTheCommittedFiles()
    {
        Assert.Equal(["caption-class", "shapes-caption", "shapes-format", "shapes-qa", "shapes-qa-candidates", "text-perplexity"], EvaluationTasks.BuiltIn);
        foreach (string name in EvaluationTasks.BuiltIn) Assert.Equal(name, EvaluationTasks.Load(name).Name);
        Assert.Equal(("question", "caption", "format"), (EvaluationTasks.Load("shapes-qa").Kind, EvaluationTasks.Load("shapes-caption").Kind, EvaluationTasks.Load("shapes-format").Kind));
        Assert.Equal(("captionClass", "textPerplexity"), (EvaluationTasks.Load("caption-class").Kind, EvaluationTasks.Load("text-perplexity").Kind));
        Assert.Equal(WorldWords.Answers, EvaluationTasks.Load("shapes-qa-candidates").Candidates(new EvaluationOptions()));
    }

    [Fact]
    public void QuestionsWithoutExamplesAreTheWorldsPrompts()
    {
        IReadOnlyList<EvaluationItem> items = EvaluationTasks.Load("shapes-qa").Items(new EvaluationOptions { Limit = 10 });
        for (int number = 0; number < 10; number++)
        {
            QuestionItem question = World.Question(WorldSplit.UnseenSeed, number);
            Assert.Equal(question.Id, items[number].Id);
            Assert.Equal(question.Question.Answer, items[number].Truth);
            Assert.Equal(Text(question.Prompt()), Text(items[number].Prompt));
            Assert.Equal(question.Image.Load().Pixels, ((ImageSegment)items[number].Prompt.Segments[0]).Image.Load().Pixels);
        }
        Assert.Equal(500, EvaluationTasks.Load("shapes-qa").Items(new EvaluationOptions()).Count);
    }

    [Fact]
    public void FormatPromptsAreTheWorldsFewShotPrompts()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-format");
        foreach (int shots in (int[])[0, 3, 8])
        {
            for (int number = 0; number < 6; number++)
            {
                FewShotItem item = World.FewShot(WorldSplit.UnseenCombination, number, 8);
                var options = new EvaluationOptions { Limit = 6, Shots = shots, Split = WorldSplit.UnseenCombination };
                Assert.Equal(Text(item.Prompt(shots)), TextOf(task, number, options));
                Assert.Equal(Text(item.Prompt(shots, wrongFormat: true)), TextOf(task, number, options with { WrongFormat = true }));
                Assert.Equal(item.Format.Apply(item.Item.Question.Answer), task.Items(options with { WrongFormat = true })[number].Truth);
            }
        }
    }

    [Fact]
    public void ExamplesOfQuestionsArePlainOnesOfTrainingAndFewerAreTheFirstOfMore()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-qa");
        var pool = Enumerable.Range(0, 64).Select(number => World.Question(WorldSplit.Train, number)).ToDictionary(item => item.Id);
        var orders = new HashSet<string>();
        for (int number = 0; number < 5; number++)
        {
            EvaluationItem eight = task.Items(new EvaluationOptions { Shots = 8, Limit = 5 })[number], four = task.Items(new EvaluationOptions { Shots = 4, Limit = number + 1 })[number];
            QuestionItem[] shots = [.. eight.ImageNames.Take(8).Select(name => pool[name])];
            string expected = string.Concat(shots.Select(shot => $"<image>{shot.Question.Text}{shot.Question.Answer}\n")) + $"<image>{World.Question(WorldSplit.UnseenSeed, number).Question.Text}";
            Assert.Equal(expected, Text(eight.Prompt));
            Assert.Equal(8, shots.Distinct().Count());
            Assert.Equal(eight.ImageNames.Take(4), four.ImageNames.Take(4));
            orders.Add(string.Join(' ', eight.ImageNames.Take(8)));
            Assert.All(eight.Prompt.Segments.OfType<TextSegment>(), text => Assert.Equal(LossRole.Context, text.Role));
        }
        Assert.Equal(5, orders.Count);
        Assert.NotEqual(TextOf(task, 0, new EvaluationOptions { Shots = 4, Limit = 1 }), TextOf(task, 0, new EvaluationOptions { Shots = 4, Limit = 1, Seed = 2 }));
    }

    [Fact]
    public void CaptionsTakeExamplesToo()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-caption");
        Assert.Equal("<image>", TextOf(task, 0, new EvaluationOptions { Limit = 1 }));
        EvaluationItem item = task.Items(new EvaluationOptions { Limit = 1, Shots = 2 })[0];
        var pool = Enumerable.Range(0, 64).Select(number => World.Caption(WorldSplit.Train, number)).ToDictionary(caption => caption.Id);
        Assert.Equal($"<image>{pool[item.ImageNames[0]].Caption}\n<image>{pool[item.ImageNames[1]].Caption}\n<image>", Text(item.Prompt));
    }

    [Fact]
    public void PrefixAndSuffixStandAroundTheItems()
    {
        IEvaluationTask task = EvaluationTasks.Parse("name: t\nkind: question\nprompt: {prefix: 'look.', suffix: ' answer:'}\n", "t.yaml");
        EvaluationItem item = task.Items(new EvaluationOptions { Limit = 1, Shots = 1 })[0];
        QuestionItem shot = Enumerable.Range(0, 64).Select(number => World.Question(WorldSplit.Train, number)).Single(question => question.Id == item.ImageNames[0]);
        Assert.Equal($"look.<image>{shot.Question.Text} answer:{shot.Question.Answer}\n<image>{World.Question(WorldSplit.UnseenSeed, 0).Question.Text} answer:", Text(item.Prompt));
    }

    [Theory]
    [InlineData("shapes-qa")]
    [InlineData("shapes-caption")]
    [InlineData("shapes-format")]
    public void BlindItemsGetEachOthersImages(string name)
    {
        IEvaluationTask task = EvaluationTasks.Load(name);
        var options = new EvaluationOptions { Limit = 53, Shots = 2 };
        IReadOnlyList<EvaluationItem> seeing = task.Items(options), blind = task.Items(options with { Blind = true });
        Assert.Equal(seeing.Select(item => item.Id), blind.Select(item => item.Id));
        Assert.Equal(seeing.Select(item => Text(item.Prompt)), blind.Select(item => Text(item.Prompt)));
        var groupOf = seeing.ToDictionary(item => item.ImageNames[^1], item => item.Group);
        for (int i = 0; i < seeing.Count; i++)
        {
            Assert.NotEqual(seeing[i].ImageNames[^1], blind[i].ImageNames[^1]);
            Assert.Equal(seeing[i].ImageNames.SkipLast(1), blind[i].ImageNames.SkipLast(1));
            Assert.Equal(seeing[i].Group, groupOf[blind[i].ImageNames[^1]]);
        }
        Assert.Equal(seeing.Count, blind.Select(item => item.ImageNames[^1]).Distinct().Count());
        Assert.Equal(blind.Select(item => item.ImageNames[^1]), task.Items(options with { Blind = true }).Select(item => item.ImageNames[^1]));
        Assert.NotEqual(blind.Select(item => item.ImageNames[^1]), task.Items(options with { Blind = true, Seed = 77 }).Select(item => item.ImageNames[^1]));
    }

    [Fact]
    public void TheWorldIsTheTasksOwnOrTheModels()
    {
        IEvaluationTask standard = EvaluationTasks.Load("shapes-qa"), own = EvaluationTasks.Parse("name: t\nkind: question\nworld: {seed: 5, maximumShapes: 6}", "t.yaml");
        var other = new SyntheticWorldOptions { Seed = 5, MaximumShapes = 6 };
        string expected = Text(new SyntheticWorld(other).Question(WorldSplit.UnseenSeed, 3).Prompt());
        Assert.NotEqual(expected, TextOf(standard, 3, new EvaluationOptions()));
        Assert.Equal(expected, TextOf(standard, 3, new EvaluationOptions { World = other }));
        Assert.Equal(expected, TextOf(own, 3, new EvaluationOptions()));
        Assert.Equal(expected, TextOf(own, 3, new EvaluationOptions { World = new SyntheticWorldOptions() }));
    }

    [Fact]
    public void QuestionsAreScoredByTheExactPlainAnswer()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-qa");
        IReadOnlyList<EvaluationItem> items = task.Items(new EvaluationOptions { Limit = 10 });
        var scored = items.Select((item, i) => Scored(task, item, i < 4 ? $" {item.Truth} " : i == 4 ? item.Truth.ToUpperInvariant() : "banana")).ToList();
        IReadOnlyDictionary<string, double> metrics = task.Metrics(scored);
        Assert.Equal(0.4, metrics["accuracy"]);
        Assert.Equal(0.5, metrics["accuracy_colour"]);
        Assert.Equal(0, metrics["accuracy_yes_no"]);
        Assert.Equal(["accuracy", "accuracy_colour", "accuracy_count", "accuracy_relation", "accuracy_shape", "accuracy_yes_no"], metrics.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void CaptionsAreScoredByTheShapesTheyName()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-caption");
        IReadOnlyList<EvaluationItem> items = task.Items(new EvaluationOptions { Limit = 4 });
        int[] shapes = [.. Enumerable.Range(0, 4).Select(number => World.Caption(WorldSplit.UnseenSeed, number).Scene.Objects.Count)];
        ScoredItem[] scored = [Scored(task, items[0], items[0].Truth), Scored(task, items[1], items[1].Truth + " a red circle and a red circle and a red circle and a red circle."), Scored(task, items[2], ""), Scored(task, items[3], items[3].Truth)];
        IReadOnlyDictionary<string, double> metrics = task.Metrics(scored);
        double named = shapes[0] + shapes[1] + shapes[3];
        Assert.Equal(0.5, metrics["exact"]);
        Assert.Equal(named / (named + 4), metrics["precision"], 1e-12);
        Assert.Equal(named / shapes.Sum(), metrics["recall"], 1e-12);
        Assert.Equal([0.0, 0, 0], task.Metrics([Scored(task, items[2], "")]).OrderBy(metric => metric.Key).Select(metric => metric.Value));
    }

    [Fact]
    public void FormatAndContentAreScoredApart()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-format");
        IReadOnlyList<EvaluationItem> items = task.Items(new EvaluationOptions { Limit = 4 });
        FewShotItem second = World.FewShot(WorldSplit.UnseenSeed, 1, 8), third = World.FewShot(WorldSplit.UnseenSeed, 2, 8);
        string wrongContent = third.Format.Apply(WorldWords.Answers.First(answer => answer != third.Item.Question.Answer));
        ScoredItem[] scored = [Scored(task, items[0], items[0].Truth), Scored(task, items[1], second.WrongFormat.Apply(second.Item.Question.Answer)), Scored(task, items[2], wrongContent), Scored(task, items[3], "banana")];
        Assert.Equal([true, false, false, false], scored.Select(item => item.Score.IsCorrect));
        Assert.Equal(0.5, task.Metrics(scored)["format_accuracy"]);
        Assert.Equal(0.5, task.Metrics(scored)["content_accuracy"]);
    }

    [Fact]
    public void PostprocessingRunsInItsOrder()
    {
        IEvaluationTask task = EvaluationTasks.Parse("name: t\nkind: question\npostprocess: [firstSentence, lowerCase, trim]\nmetrics: [accuracy]", "t.yaml");
        Assert.Equal("red", task.Postprocess(" RED. Or blue."));
        Assert.Equal("a. b", EvaluationTasks.Parse("name: t\nkind: question\npostprocess: [trim, removeFullStop]", "t.yaml").Postprocess(" a. b. "));
        Assert.Equal(["accuracy"], task.Metrics([Scored(task, task.Items(new EvaluationOptions { Limit = 1 })[0], "x")]).Keys);
    }

    [Theory]
    [InlineData("kind: question", "t.yaml: 'name' is missing")]
    [InlineData("name: t\nkind: quiz", "t.yaml:2: 'kind' is the text \"quiz\"; it must be one of question, caption, format")]
    [InlineData("name: t\nkind: question\nshots: 3", "t.yaml:3: 'shots' is not a known key; the nearest is")]
    [InlineData("name: t\nkind: question\nworld: standard", "t.yaml:3: 'world' is the text \"standard\"; it must be default, or a section")]
    [InlineData("name: t\nkind: question\nworld: {sead: 1}", "'world.sead' is not a known key; the nearest is 'seed'")]
    [InlineData("name: t\nkind: question\nlimit: 0", "t.yaml:3: 'limit' is 0; it must be 1 or more")]
    [InlineData("name: t\nkind: question\nmetrics: [acuracy]", "t.yaml:3: 'metrics' has 'acuracy', which is no metric of this kind; the nearest is 'accuracy'")]
    [InlineData("name: t\nkind: caption\nmetrics: [accuracy]", "no metric of this kind")]
    [InlineData("name: t\nkind: question\nmetrics: []", "'metrics' is empty")]
    [InlineData("name: t\nkind: question\ndemonstrations: {pool: 0}", "'demonstrations.pool' is 0; it must be 1 or more")]
    [InlineData("name: t\nkind: question\ndemonstrations: {count: -1}", "'demonstrations.count' is -1")]
    [InlineData("name: t\nkind: question\ndecoding: {maxNewTokens: 0}", "'decoding.maxNewTokens' is 0")]
    [InlineData("name: t\nkind: question\ndecoding: {kind: candidates}", "'decoding.candidates' is missing")]
    [InlineData("name: t\nkind: question\ndecoding: {candidates: [a, b]}", "'decoding.candidates' is given, but 'decoding.kind' is greedy")]
    [InlineData("name: t\nkind: question\ndecoding: {kind: candidates, candidates: [a]}", "it must be a list of 2 or more different texts")]
    [InlineData("name: t\nkind: question\ndecoding: {kind: candidates, candidates: [a, 3]}", "'decoding.candidates' has the number 3; it must hold texts")]
    [InlineData("name: t\nkind: question\npostprocess: [strip]", "'postprocess[0]' is the text \"strip\"; it must be one of trim, lowerCase, removeFullStop, firstSentence; the nearest is 'trim'")]
    [InlineData("name: t\nkind: question\nsplit: test", "'split' is the text \"test\"; it must be one of train, unseenSeed, unseenCombination")]
    public void TaskFilesAreStrict(string yaml, string message) =>
        Assert.Contains(message, Assert.Throws<ConfigurationException>(() => EvaluationTasks.Parse(yaml, "t.yaml")).Message, StringComparison.Ordinal);

    [Fact]
    public void OptionsThatDoNotFitAreNamed()
    {
        IEvaluationTask task = EvaluationTasks.Load("shapes-qa");
        Check(new EvaluationOptions { Shots = -1 }, "the number of examples is 0 or more");
        Check(new EvaluationOptions { Shots = 65 }, "65 examples were asked for; 'demonstrations.pool' of task 'shapes-qa' is 64");
        Check(new EvaluationOptions { Limit = 0 }, "the limit of items is 1 or more");
        Check(new EvaluationOptions { WrongFormat = true }, "only tasks of kind 'format' can show a wrong format");
        Check(new EvaluationOptions { Blind = true, Limit = 1 }, "it takes 2 or more");
        Check(new EvaluationOptions { World = new SyntheticWorldOptions { ImageSize = 8 } }, "the world of task 'shapes-qa'");

        void Check(EvaluationOptions options, string message) =>
            Assert.Contains(message, Assert.Throws<ConfigurationException>(() => task.Items(options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TasksAreFoundByNameOrPath()
    {
        Assert.Contains("there is no task 'shape-qa'; the nearest is 'shapes-qa'", Assert.Throws<ConfigurationException>(() => EvaluationTasks.Load("shape-qa")).Message, StringComparison.Ordinal);
        Assert.Contains("there is no such file", Assert.Throws<ConfigurationException>(() => EvaluationTasks.Load("none.yaml")).Message, StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        Assert.Equal("mine", EvaluationTasks.Load(folder.Write("mine.yaml", "name: mine\nkind: caption")).Name);
    }

    private static ScoredItem Scored(IEvaluationTask task, EvaluationItem item, string output)
    {
        string processed = task.Postprocess(output);
        return new ScoredItem(item, processed, item.Score(processed));
    }
}
