namespace MM1.Native.Data;

/// <summary>
/// Documents of several images and texts, of four forms: questions (two images, one question of each kind), format series, rule series, stories.
/// </summary>
internal sealed class InterleavedSource(SyntheticWorld world, WorldSplit split) : IDocumentSource
{
    private enum Rule
    {
        Colour,
        Kind,
        Size,
        ColourThenKind,
        KindThenColour,
        Count,
    }

    private readonly double[] _weights =
        [world.Options.QuestionWeight, world.Options.FormatSeriesWeight, world.Options.RuleSeriesWeight, world.Options.StoryWeight];

    public string Name => "interleaved";

    public long DocumentsPerEpoch => world.Options.DocumentsPerEpoch;

    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        world.CheckPlace(Name, epoch, index);
        RandomStream random = world.Random(split, Name, epoch, index);
        var segments = new List<Segment>();
        switch (random.Weighted(_weights))
        {
            case 0: WriteQuestions(ref random, segments); break;
            case 1: WriteFormatSeries(ref random, segments); break;
            case 2: WriteRuleSeries(ref random, segments); break;
            default: WriteStory(ref random, segments); break;
        }
        return new Document(Name, SyntheticWorld.Id(split, Name, epoch, index), segments);
    }

    /// <summary>
    /// Two images; one is made for a count and one for a relation, whose answers depend on how scenes are made. The other three kinds do not, and go to either.
    /// So every document asks each kind once.
    /// </summary>
    private void WriteQuestions(ref RandomStream random, List<Segment> segments)
    {
        Span<QuestionKind> others = [QuestionKind.Colour, QuestionKind.Shape, QuestionKind.YesNo];
        random.Shuffle(others);
        bool capital = random.Chance(world.Options.CapitalShare);
        (Scene countScene, Question count) = world.Questions.Ask(ref random, QuestionKind.Count, split);
        (Scene relationScene, Question relation) = world.Questions.Ask(ref random, QuestionKind.Relation, split);
        var aboutCount = new List<Question> { count };
        var aboutRelation = new List<Question> { relation };
        int askedCount = 0, askedRelation = 0;
        foreach (QuestionKind kind in others)
        {
            Question? question = random.Chance(0.5) ? world.Questions.AskAbout(ref random, kind, countScene, ref askedCount) : null;
            if (question is not null) aboutCount.Add(question);
            else aboutRelation.Add(world.Questions.AskAbout(ref random, kind, relationScene, ref askedRelation)!);
        }
        bool countFirst = random.Chance(0.5);
        for (int image = 0; image < 2; image++)
        {
            bool counts = image == 0 == countFirst;
            List<Question> questions = counts ? aboutCount : aboutRelation;
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(questions));
            segments.Add(new ImageSegment(world.Image(counts ? countScene : relationScene)));
            foreach (Question question in questions)
            {
                string text = capital ? char.ToUpperInvariant(question.Text[0]) + question.Text[1..] : question.Text;
                WorldPrompts.Append(segments, text, question.Answer, LossRole.Target);
            }
        }
    }

    /// <summary>Questions of any kind whose answers are all written in one format. The first answer is no target: nothing tells its format yet.</summary>
    private void WriteFormatSeries(ref RandomStream random, List<Segment> segments)
    {
        var format = (AnswerFormat)random.Below(AnswerFormats.Count);
        int images = SeriesLength(ref random);
        for (int i = 0; i < images; i++)
        {
            (Scene scene, Question question) = world.Questions.Ask(ref random, (QuestionKind)random.Below(5), split);
            segments.Add(new ImageSegment(world.Image(scene)));
            WorldPrompts.Append(segments, question.Text, format.Apply(question.Answer), i == 0 ? LossRole.Context : LossRole.Target);
        }
    }

    /// <summary>Images with answers and no question: what is asked for (colour, kind, both in either order, size, number) is told by the examples.</summary>
    private void WriteRuleSeries(ref RandomStream random, List<Segment> segments)
    {
        var rule = (Rule)random.Below(6);
        int images = SeriesLength(ref random);
        for (int i = 0; i < images; i++)
        {
            Scene scene = world.Composer.Free(ref random, rule == Rule.Count ? 1 + random.Below(world.Options.MaximumShapes) : 1, split);
            SceneObject shape = scene.Objects[0];
            string answer = rule switch
            {
                Rule.Colour => shape.Colour.Name(),
                Rule.Kind => shape.Kind.Name(),
                Rule.Size => shape.Size.Name(),
                Rule.ColourThenKind => shape.Combination.Name(),
                Rule.KindThenColour => $"{shape.Kind.Name()} {shape.Colour.Name()}",
                _ => WorldWords.Number(scene.Objects.Count),
            };
            segments.Add(new ImageSegment(world.Image(scene)));
            segments.Add(new TextSegment(answer + "\n", i == 0 ? LossRole.Context : LossRole.Target));
        }
    }

    /// <summary>A scene that changes from image to image, and text that says how: a shape comes, goes, or turns into another colour.</summary>
    private void WriteStory(ref RandomStream random, List<Segment> segments)
    {
        Scene scene = world.Composer.Distinct(ref random, world.ShapeCount(ref random), split);
        segments.Add(new TextSegment("a story:"));
        segments.Add(new ImageSegment(world.Image(scene)));
        segments.Add(new TextSegment($"first there is {CaptionWriter.List(scene, false)}.\n"));
        int changes = 1 + random.Below(3);
        for (int i = 0; i < changes; i++)
        {
            (scene, string text) = Change(ref random, scene);
            segments.Add(new ImageSegment(world.Image(scene)));
            segments.Add(new TextSegment(text + "\n"));
        }
    }

    private (Scene Scene, string Text) Change(ref RandomStream random, Scene scene)
    {
        List<SceneObject> shapes = [.. scene.Objects];
        int what = random.Below(3);
        if (what == 0 && shapes.Count < world.Options.MaximumShapes)
        {
            Combination comes = random.Pick(world.Composer.Trained);
            ShapeSize size = random.Chance(0.5) ? ShapeSize.Large : ShapeSize.Small;
            if (!shapes.Exists(shape => shape.Kind == comes.Kind) && SceneComposer.TryPlace(ref random, comes, size, scene.Objects.ToArray()) is SceneObject placed)
            {
                shapes.Add(placed);
                return (scene with { Objects = shapes }, $"then a {comes.Name()} comes.");
            }
        }
        int chosen = random.Below(shapes.Count);
        SceneObject old = shapes[chosen];
        if (what == 1 && shapes.Count > 1)
        {
            shapes.RemoveAt(chosen);
            return (scene with { Objects = shapes }, $"then the {old.Combination.Name()} goes away.");
        }
        Combination next;
        do next = random.Pick(world.Composer.Trained);
        while (next.Kind != old.Kind || next.Colour == old.Colour);
        shapes[chosen] = SceneComposer.Recolour(ref random, old, next.Colour);
        return (scene with { Objects = shapes }, $"then the {old.Kind.Name()} turns {next.Colour.Name()}.");
    }

    private int SeriesLength(ref RandomStream random) =>
        world.Options.MinimumSeriesImages + random.Below(world.Options.MaximumSeriesImages - world.Options.MinimumSeriesImages + 1);
}
