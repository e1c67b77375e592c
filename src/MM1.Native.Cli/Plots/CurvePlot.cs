using ScottPlot;
using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>Draws a run's curves: loss by source, learning rate, gradient norm, evaluations; PNG and SVG.</summary>
internal static class CurvePlot
{
    private const int PanelWidth = 640, PanelHeight = 380;

    /// <summary>Writes <c>curves.png</c> and <c>curves.svg</c> into a folder; nothing where there is no step yet.</summary>
    public static bool Write(string folder, string title, TrainingCurves curves)
    {
        if (curves.Loss.Steps.Count == 0) return false;
        EmbeddedFont.UseForPlots();
        List<Plot> panels = [Losses(title, curves), LearningRate(curves), GradientNorm(curves)];
        if (curves.Evaluations.Count > 0) panels.Add(Evaluations(curves));
        try
        {
            const int width = 2 * PanelWidth;
            int height = (panels.Count + 1) / 2 * PanelHeight;
            using (SKSurface surface = Pixels.Surface(width, height))
            {
                Draw(panels, surface.Canvas);
                Pixels.Save(surface, Path.Combine(folder, "curves.png"));
            }
            using var svg = new MemoryStream();
            using (SKCanvas canvas = SKSvgCanvas.Create(SKRect.Create(width, height), svg)) Draw(panels, canvas);
            WholeFile.Write(Path.Combine(folder, "curves.svg"), svg.ToArray());
            return true;
        }
        finally
        {
            foreach (Plot panel in panels) panel.Dispose();
        }
    }

    /// <summary>Panels in two columns.</summary>
    private static void Draw(List<Plot> panels, SKCanvas canvas)
    {
        for (int i = 0; i < panels.Count; i++)
        {
            float left = i % 2 * PanelWidth, top = i / 2 * PanelHeight;
            // A plot clears its canvas first: the clip keeps that to its own panel.
            canvas.Save();
            canvas.ClipRect(SKRect.Create(left, top, PanelWidth, PanelHeight));
            panels[i].Render(canvas, new PixelRect(left, left + PanelWidth, top + PanelHeight, top));
            canvas.Restore();
        }
    }

    private static Plot Losses(string title, TrainingCurves curves)
    {
        Plot plot = Panel(title, "loss");
        // Each step's loss hops with its documents: thin lines as measured, thick ones smoothed.
        Add(plot, curves.Loss, "all", "#333333", smooth: true, logarithmic: true);
        int colour = 0;
        if (curves.LossBySource.Count > 1)
            foreach (Curve curve in curves.LossBySource.Values) Add(plot, curve, curve.Name, Palette.Series[colour++ % Palette.Series.Count], smooth: true, logarithmic: true);
        plot.ShowLegend(Alignment.UpperRight);
        LogarithmicY(plot);
        return plot;
    }

    private static Plot LearningRate(TrainingCurves curves)
    {
        Plot plot = Panel("", "learning rate");
        Add(plot, curves.LearningRate, null, Palette.Series[0], smooth: false);
        return plot;
    }

    private static Plot GradientNorm(TrainingCurves curves)
    {
        Plot plot = Panel("", "gradient norm before clipping");
        Add(plot, curves.GradientNorm, null, Palette.Series[1], smooth: true, logarithmic: true);
        LogarithmicY(plot);
        return plot;
    }

    private static Plot Evaluations(TrainingCurves curves)
    {
        if (curves.Evaluations.Values.All(static curve => curve.Steps.Count == 1)) return EvaluationBars(curves);
        Plot plot = Panel("", "evaluation");
        int colour = 0;
        foreach (Curve curve in curves.Evaluations.Values)
        {
            var line = plot.Add.Scatter(curve.Steps.ToArray(), curve.Values.ToArray(), new Color(Palette.Series[colour++ % Palette.Series.Count]));
            (line.LegendText, line.LineWidth, line.MarkerSize) = (curve.Name, 2, 6);
        }
        plot.Axes.SetLimitsY(0, 1.02);
        plot.ShowLegend(Alignment.LowerRight);
        return plot;
    }

    /// <summary>One evaluation, at the end: a bar a metric.</summary>
    private static Plot EvaluationBars(TrainingCurves curves)
    {
        Plot plot = Panel("", "");
        Curve[] metrics = [.. curves.Evaluations.Values.Reverse()];
        double[] places = [.. Enumerable.Range(0, metrics.Length).Select(static i => (double)i)];
        var bars = plot.Add.Bars(places, [.. metrics.Select(static curve => curve.Values[0])]);
        bars.Horizontal = true;
        bars.Color = new Color(Palette.Series[0]);
        plot.Axes.Left.SetTicks(places, [.. metrics.Select(static curve => curve.Name)]);
        plot.Axes.SetLimits(0, 1, -0.7, metrics.Length - 0.3);
        plot.XLabel("evaluation at the end", 13);
        return plot;
    }

    private static void Add(Plot plot, Curve curve, string? legend, string colour, bool smooth, bool logarithmic = false)
    {
        if (logarithmic) curve = curve.Positive();
        if (curve.Steps.Count == 0) return;
        double[] steps = [.. curve.Steps];
        double[] Heights(IEnumerable<double> values) => [.. logarithmic ? values.Select(Math.Log10) : values];
        int window = Math.Max(1, steps.Length / 40);
        bool both = smooth && window > 1;
        var measured = plot.Add.ScatterLine(steps, Heights(curve.Values), new Color(colour).WithAlpha(both ? 0.25 : 1));
        measured.LineWidth = both ? 1 : 2;
        if (steps.Length < 3) measured.MarkerSize = 6;
        ScottPlot.Plottables.Scatter named = measured;
        if (both)
        {
            named = plot.Add.ScatterLine(steps, Heights(curve.Smooth(window)), new Color(colour));
            named.LineWidth = 2;
        }
        if (legend is not null) named.LegendText = legend;
    }

    /// <summary>Labels a vertical axis that holds decimal logarithms with the values 1, 2, 5, 10 ... of any loss or norm; what lies outside is not drawn.</summary>
    private static void LogarithmicY(Plot plot)
    {
        var ticks = new ScottPlot.TickGenerators.NumericManual();
        for (int power = -9; power <= 9; power++)
            foreach (int digit in (ReadOnlySpan<int>)[1, 2, 5])
            {
                double value = digit * Math.Pow(10, power);
                ticks.AddMajor(Math.Log10(value), value.ToString("0.#########", System.Globalization.CultureInfo.InvariantCulture));
            }
        plot.Axes.Left.TickGenerator = ticks;
    }

    private static Plot Panel(string title, string label)
    {
        var plot = new Plot();
        if (title.Length > 0) plot.Title(title, 16);
        plot.XLabel("step", 13);
        plot.YLabel(label, 13);
        plot.Axes.Margins(0.02, 0.08);
        plot.Legend.BackgroundColor = Colors.White.WithAlpha(0.8);
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        return plot;
    }
}
