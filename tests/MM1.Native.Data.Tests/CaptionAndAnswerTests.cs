using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class CaptionAndAnswerTests
{
    private static readonly SyntheticWorld World = new(new SyntheticWorldOptions { MaximumShapes = 6, LongCaptionShare = 0.3 });

    private static SceneObject Shape(ShapeColour colour, ShapeKind kind) => new(kind, colour, ShapeSize.Small, 0.5, 0.5, 0.1, 0, 0, 0, 0);

    [Fact]
    public void EveryCaptionNamesEveryShape()
    {
        int longOnes = 0;
        for (int i = 0; i < 10_000; i++)
        {
            IReadOnlyList<Segment> segments = World.Captions.Read(0, i).Segments;
            Scene scene = ((SceneImage)((ImageSegment)segments[0]).Image).Scene;
            string caption = ((TextSegment)segments[1]).Text;
            if (caption.Contains("shows", StringComparison.Ordinal)) longOnes++;
            Assert.True(CaptionParser.Score(caption, scene.Objects).IsExact, caption);
            CaptionItem item = World.Caption((WorldSplit)(i % 3), i);
            Assert.True(CaptionParser.Score(item.Caption, item.Scene.Objects).IsExact, item.Caption);
        }
        Assert.InRange(longOnes, 2800, 3200);
    }

    [Fact]
    public void StoriesSayWhatTheImagesShow()
    {
        int stories = 0;
        for (int i = 0; i < 20_000; i++)
        {
            IReadOnlyList<Segment> segments = World.Interleaved.Read(0, i).Segments;
            if (segments[0] is not TextSegment { Text: "a story:" }) continue;
            stories++;
            List<Combination> there = [.. CaptionParser.Parse(((TextSegment)segments[2]).Text)];
            for (int j = 1; j < segments.Count; j += 2)
            {
                string text = ((TextSegment)segments[j + 1]).Text.TrimEnd('\n', '.');
                string[] words = text.Split(' ');
                if (words[^1] == "comes") there.AddRange(CaptionParser.Parse(text));
                else if (text.EndsWith("goes away", StringComparison.Ordinal)) Assert.True(there.RemoveAll(shape => $"the {shape.Name()}" == string.Join(' ', words[1..4])) == 1);
                else if (words[^2] == "turns")
                {
                    int turned = there.FindIndex(shape => shape.Kind.Name() == words[2]);
                    there[turned] = new Combination(Enum.Parse<ShapeColour>(words[^1], ignoreCase: true), there[turned].Kind);
                }
                IEnumerable<Combination> shown = ((SceneImage)((ImageSegment)segments[j]).Image).Scene.Objects.Select(shape => shape.Combination);
                Assert.Equal(there.Order(Comparer<Combination>.Create((x, y) => string.CompareOrdinal(x.Name(), y.Name()))), shown.Order(Comparer<Combination>.Create((x, y) => string.CompareOrdinal(x.Name(), y.Name()))));
            }
        }
        Assert.True(stories > 1500);
    }

    [Fact]
    public void ParsingReadsWhatIsNamed()
    {
        Assert.Equal("red circle", Parsed("a red circle"));
        Assert.Equal("blue square,blue square,green star", Parsed("There are TWO small blue squares, and a green star!"));
        Assert.Equal("white ring,white ring,white ring", Parsed("three white rings"));
        Assert.Equal("red circle,blue square", Parsed("a red circle left of a blue square. the red circle is small."));
        Assert.Equal("", Parsed("a picture of three shapes on a red background with a circle"));
        Assert.Equal("red circle", Parsed("red circle"));
        Assert.Equal("", Parsed("the red circle turns blue"));
        Assert.Equal("", Parsed(""));
        Assert.Equal("red circle", Parsed($"{new string('x', 100)} a red circle"));

        static string Parsed(string text) => string.Join(',', CaptionParser.Parse(text).Select(shape => shape.Name()));
    }

    [Fact]
    public void ScoresCountWhatIsNamedMissedAndInvented()
    {
        SceneObject[] shapes = [Shape(ShapeColour.Red, ShapeKind.Circle), Shape(ShapeColour.Red, ShapeKind.Circle), Shape(ShapeColour.Blue, ShapeKind.Star)];
        Assert.Equal(new CaptionScore(true, 3, 0, 0), CaptionParser.Score("a blue star and two red circles.", shapes));
        Assert.Equal(new CaptionScore(false, 2, 1, 0), CaptionParser.Score("a blue star and a red circle.", shapes));
        Assert.Equal(new CaptionScore(false, 1, 2, 1), CaptionParser.Score("a red circle and a blue circle.", shapes));
        Assert.Equal(new CaptionScore(false, 0, 3, 0), CaptionParser.Score("nothing", shapes));
    }

    [Fact]
    public void EveryAnswerInEveryFormatReadsBack()
    {
        foreach (string answer in WorldWords.Answers)
        {
            for (int i = 0; i < AnswerFormats.Count; i++)
            {
                string text = ((AnswerFormat)i).Apply(answer);
                Assert.True(AnswerFormats.TryParse(text + "\n", out AnswerFormat format, out string content));
                Assert.Equal(((AnswerFormat)i, answer), (format, content));
            }
        }
        Assert.Equal(AnswerFormats.Count, Enum.GetValues<AnswerFormat>().Length);
    }

    [Theory]
    [InlineData("RED", "red", AnswerFormat.Upper, true, true)]
    [InlineData("red", "red", AnswerFormat.Upper, false, true)]
    [InlineData("BLUE", "red", AnswerFormat.Upper, true, false)]
    [InlineData("answer: red", "red", AnswerFormat.Prefixed, true, true)]
    [InlineData("answer: shape", "red", AnswerFormat.Prefixed, false, false)]
    [InlineData("(red!", "red", AnswerFormat.Bracketed, false, true)]
    [InlineData("red blue", "red", AnswerFormat.Plain, false, false)]
    [InlineData("", "red", AnswerFormat.Plain, false, false)]
    [InlineData("Red", "red", AnswerFormat.Plain, false, true)]
    public void FormatAndContentAreScoredApart(string output, string truth, AnswerFormat wanted, bool format, bool content) =>
        Assert.Equal(new AnswerScore(format, content), AnswerFormats.Score(output, truth, wanted));
}
