using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>Pictures are drawn, text included, and say what they should.</summary>
public sealed class PictureTests
{
    [Fact]
    public void CurvesHaveFourPanelsInPngAndSvg()
    {
        using var folder = new TemporaryFolder();
        Assert.True(CurvePlot.Write(folder.Path, "shapes-tiny", Curves(400)));
        var picture = new Picture(folder["curves.png"]);
        Assert.Equal((1280, 760), (picture.Width, picture.Height));
        foreach ((int left, int top) in new[] { (0, 0), (640, 0), (0, 380), (640, 380) })
        {
            picture.ShouldHaveInk(left + 100, top + 40, 500, 280);
            picture.ShouldHaveInk(left + 200, top + 350, 240, 28); // "step" under the axis: text is drawn without fonts of the system
            picture.ShouldHaveInk(left + 2, top + 80, 40, 200); // the label at the side
        }
        Assert.True(picture.Count((0x00, 0x72, 0xB2)) > 300 && picture.Count((0xD5, 0x5E, 0x00)) > 300, "two sources have their colours");
        string svg = File.ReadAllText(folder["curves.svg"]);
        Assert.StartsWith("<?xml", svg, StringComparison.Ordinal);
        Assert.Contains("<path", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void AFewStepsAndNoEvaluationAreEnoughForCurvesAndNoneWriteNothing()
    {
        using var folder = new TemporaryFolder();
        Assert.False(CurvePlot.Write(folder.Path, "empty", new TrainingCurves()));
        Assert.Empty(Directory.GetFiles(folder.Path));
        var one = new TrainingCurves();
        one.AddStep(1, 5.5, [], 1e-3, 2);
        Assert.True(CurvePlot.Write(folder["one"], "one step", one));
        new Picture(folder["one/curves.png"]).ShouldHaveInk(100, 40, 500, 280, 0.0001);
    }

    [Fact]
    public void ResumedStepsReplaceThoseThatWereLost()
    {
        var curve = new Curve("loss");
        for (int step = 1; step <= 5; step++) curve.Add(step, step);
        curve.Add(3, 30);
        curve.Add(4, double.NaN);
        curve.Add(5, 50);
        Assert.Equal([1, 2, 3, 5], curve.Steps);
        Assert.Equal([1, 2, 30, 50], curve.Values);
        Assert.Equal(1, curve.Smooth(4)[0], 1e-12);
    }

    [Fact]
    public void ASampleSheetShowsImagePromptAnswerAndTruth()
    {
        using var folder = new TemporaryFolder();
        var world = new SyntheticWorld();
        var cells = new List<SampleCell>();
        for (int i = 0; i < 6; i++)
        {
            QuestionItem item = world.Question(WorldSplit.UnseenSeed, i);
            cells.Add(new SampleCell([item.Image.Load()], item.Question.Text, i % 2 == 0 ? item.Question.Answer : "a large purple cross", item.Question.Answer, i % 2 == 0));
        }
        CaptionItem caption = world.Caption(WorldSplit.UnseenSeed, 3);
        cells.Add(new SampleCell([.. Enumerable.Range(0, 5).Select(i => world.Question(WorldSplit.Train, i).Image.Load()), caption.Image.Load()], "", caption.Caption, caption.Caption, true));
        SampleSheet.Write(folder["samples.png"], "shapes-tiny, step 1000", cells);
        var picture = new Picture(folder["samples.png"]);
        Assert.True(picture.Count((0x0B, 0x7A, 0x4B)) > 100, "right answers are green");
        Assert.True(picture.Count((0xC0, 0x2F, 0x1D)) > 100, "wrong answers are red");
        picture.ShouldHaveInk(12, 12, 300, 24);
        // The world's background is no white: images fill their boxes, enlarged.
        Assert.True(picture.Ink(20, 70, 220, 220) > 0.95);
    }

    [Fact]
    public void AContactSheetShowsDocuments()
    {
        using var folder = new TemporaryFolder();
        var world = new SyntheticWorld();
        var documents = new List<Document>();
        foreach (IDocumentSource source in new[] { world.Captions, world.Interleaved, world.Text })
            for (int i = 0; i < 3; i++) documents.Add(source.Read(0, i));
        ContactSheet.Write(folder["contact.png"], documents);
        new Picture(folder["contact.png"]).ShouldHaveInk(12, 12, 400, 120, 0.05);
    }

    [Fact]
    public void LongTextIsWrappedAndCut()
    {
        using SkiaSharp.SKFont font = EmbeddedFont.Size(12);
        IReadOnlyList<string> lines = TextBlock.Wrap(string.Join(' ', Enumerable.Repeat("word", 60)), font, 100, 3);
        Assert.Equal(3, lines.Count);
        Assert.EndsWith("…", lines[^1], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.True(font.MeasureText(line) <= 100, line));
        Assert.All(TextBlock.Wrap(new string('x', 300), font, 100, 3), line => Assert.True(font.MeasureText(line) <= 100, line));
        Assert.Equal(["", "a", ""], TextBlock.Wrap("\na\n", font, 100, 5));
    }

    internal static TrainingCurves Curves(int steps)
    {
        var curves = new TrainingCurves();
        var random = new Random(3);
        for (int step = 1; step <= steps; step++)
        {
            double fall = 4 * Math.Exp(-step / 80.0) + 1;
            curves.AddStep(step, fall + 0.2 * random.NextDouble(), new Dictionary<string, double> { ["captions"] = fall + 0.3, ["interleaved"] = fall - 0.3 + 0.3 * random.NextDouble() },
                1e-3 * Math.Min(step / 40.0, 0.5 + 0.5 * Math.Cos(Math.PI * step / steps)), 1 + random.NextDouble());
            if (step % 100 == 0) curves.AddEvaluation(step, "shapes-qa", "accuracy", step / 450.0);
        }
        return curves;
    }
}
