using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>Questions with one right answer in the plain format; examples are plain questions of the training split.</summary>
internal sealed class QuestionTask(TaskConfig config, IReadOnlyList<string>? candidates) : SyntheticTask(config, candidates)
{
    public static readonly string[] MetricNames = ["accuracy", "accuracy_by_kind"];

    protected override Draft[] Drafts(SyntheticWorld world, EvaluationOptions options, int shots, int limit)
    {
        WorldSplit split = options.Split ?? Config.Split;
        (string, Demonstration)[] pool = shots == 0 ? [] : [.. Enumerable.Range(0, Config.Demonstrations.Pool).Select(number => Shot(world.Question(WorldSplit.Train, number)))];
        return [.. Enumerable.Range(0, limit).Select(number =>
        {
            QuestionItem item = world.Question(split, number);
            return new Draft(item.Id, GroupOf(item.Question.Kind), item.Id, item.Image, item.Question.Text, item.Question.Answer, Draw(pool, options, shots, number), output =>
            {
                AnswerScore score = AnswerFormats.Score(output, item.Question.Answer);
                bool right = score.FormatIsRight && score.ContentIsRight;
                return new ItemScore(right, new Dictionary<string, double> { ["accuracy"] = right ? 1 : 0 });
            });
        })];
    }

    public override IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items)
    {
        var metrics = new Dictionary<string, double>();
        if (Wants("accuracy")) metrics["accuracy"] = items.Average(static item => item.Score.Values["accuracy"]);
        if (!Wants("accuracy_by_kind")) return metrics;
        foreach (IGrouping<string, ScoredItem> group in items.GroupBy(static item => item.Item.Group))
            metrics["accuracy_" + group.Key] = group.Average(static item => item.Score.Values["accuracy"]);
        return metrics;
    }

    /// <summary>colour, count, shape, relation, yes_no.</summary>
    internal static string GroupOf(QuestionKind kind) => kind == QuestionKind.YesNo ? "yes_no" : kind.ToString().ToLowerInvariant();

    private static (string, Demonstration) Shot(QuestionItem item) => (item.Id, new Demonstration(item.Image, item.Question.Text, item.Question.Answer));
}

/// <summary>Captions; right is one that names every shape with its colour and kind and nothing else. Examples are captions of the training split.</summary>
internal sealed class CaptionTask(TaskConfig config, IReadOnlyList<string>? candidates) : SyntheticTask(config, candidates)
{
    public static readonly string[] MetricNames = ["exact", "precision", "recall"];

    protected override Draft[] Drafts(SyntheticWorld world, EvaluationOptions options, int shots, int limit)
    {
        WorldSplit split = options.Split ?? Config.Split;
        (string, Demonstration)[] pool = shots == 0 ? [] : [.. Enumerable.Range(0, Config.Demonstrations.Pool).Select(number => Shot(world.Caption(WorldSplit.Train, number)))];
        return [.. Enumerable.Range(0, limit).Select(number =>
        {
            CaptionItem item = world.Caption(split, number);
            return new Draft(item.Id, "", item.Id, item.Image, "", item.Caption, Draw(pool, options, shots, number), output =>
            {
                CaptionScore score = CaptionParser.Score(output, item.Scene.Objects);
                return new ItemScore(score.IsExact, new Dictionary<string, double> { ["named"] = score.Named, ["missed"] = score.Missed, ["invented"] = score.Invented });
            });
        })];
    }

    public override IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items)
    {
        double named = items.Sum(static item => item.Score.Values["named"]), missed = items.Sum(static item => item.Score.Values["missed"]), invented = items.Sum(static item => item.Score.Values["invented"]);
        var metrics = new Dictionary<string, double>();
        if (Wants("exact")) metrics["exact"] = items.Average(static item => item.Score.IsCorrect ? 1.0 : 0);
        // Over all shapes of all images; who names nothing has invented nothing, but named nothing either.
        if (Wants("precision")) metrics["precision"] = named + invented == 0 ? 0 : named / (named + invented);
        if (Wants("recall")) metrics["recall"] = named + missed == 0 ? 0 : named / (named + missed);
        return metrics;
    }

    private static (string, Demonstration) Shot(CaptionItem item) => (item.Id, new Demonstration(item.Image, "", item.Caption));
}

/// <summary>Questions whose answer format is told by examples alone; the world makes the examples, other ones for each item.</summary>
internal sealed class FormatTask(TaskConfig config, IReadOnlyList<string>? candidates) : SyntheticTask(config, candidates)
{
    public static readonly string[] MetricNames = ["format_accuracy", "content_accuracy"];

    protected override Draft[] Drafts(SyntheticWorld world, EvaluationOptions options, int shots, int limit)
    {
        WorldSplit split = options.Split ?? Config.Split;
        return [.. Enumerable.Range(0, limit).Select(number =>
        {
            FewShotItem few = world.FewShot(split, number, shots);
            QuestionItem item = few.Item;
            AnswerFormat shown = options.WrongFormat ? few.WrongFormat : few.Format;
            (string, Demonstration)[] demonstrations = [.. few.Demonstrations.Select(shot => (shot.Id, new Demonstration(shot.Image, shot.Question.Text, shown.Apply(shot.Question.Answer))))];
            return new Draft(item.Id, QuestionTask.GroupOf(item.Question.Kind), item.Id, item.Image, item.Question.Text, few.Format.Apply(item.Question.Answer), demonstrations, output =>
            {
                AnswerScore score = AnswerFormats.Score(output, item.Question.Answer, few.Format);
                return new ItemScore(score.FormatIsRight && score.ContentIsRight,
                    new Dictionary<string, double> { ["format_accuracy"] = score.FormatIsRight ? 1 : 0, ["content_accuracy"] = score.ContentIsRight ? 1 : 0 });
            });
        })];
    }

    public override IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items) =>
        MetricNames.Where(Wants).ToDictionary(static name => name, name => items.Average(item => item.Score.Values[name]));
}
