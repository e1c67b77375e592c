using MM1.Native.Data;
using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>One answer on a sample sheet.</summary>
/// <param name="Images">The images of the prompt, in order; the last is the one asked about.</param>
/// <param name="Prompt">The text of the prompt.</param>
/// <param name="Answer">What the model said.</param>
/// <param name="Truth">What is right; null where nothing is known.</param>
/// <param name="Correct">Whether the answer is right; null where nothing is known.</param>
internal sealed record SampleCell(IReadOnlyList<ImageData> Images, string Prompt, string Answer, string? Truth, bool? Correct);

/// <summary>A picture of answers: image, prompt, answer in green or red, truth.</summary>
internal static class SampleSheet
{
    private const int CellWidth = 264, Side = 240, Margin = 12, Gap = 24, HeaderHeight = 44;

    /// <summary>Draws a sheet into a PNG file.</summary>
    public static void Write(string path, string title, IReadOnlyList<SampleCell> cells)
    {
        int columns = Math.Clamp(cells.Count, 1, 4), rows = (cells.Count + columns - 1) / columns;
        using SKFont heading = EmbeddedFont.Size(20), text = EmbeddedFont.Size(15), small = EmbeddedFont.Size(12);
        Layout[] layouts = [.. cells.Select(cell => new Layout(cell, text, small))];
        float[] heights = [.. Enumerable.Range(0, rows).Select(row => layouts.Skip(row * columns).Take(columns).Select(static layout => layout.Height).DefaultIfEmpty(0).Max())];
        int width = Margin * 2 + columns * CellWidth + (columns - 1) * Gap;
        int height = HeaderHeight + (int)MathF.Ceiling(heights.Sum()) + rows * Gap + Margin;
        using SKSurface surface = Pixels.Surface(width, Math.Max(height, HeaderHeight + Margin));
        SKCanvas canvas = surface.Canvas;
        TextBlock.Draw(canvas, TextBlock.Wrap(title, heading, width - 2 * Margin, 1), Margin, Margin, heading, Palette.Ink);
        float y = HeaderHeight + Margin;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns && row * columns + column < layouts.Length; column++)
                layouts[row * columns + column].Draw(canvas, Margin + column * (CellWidth + Gap), y, text, small);
            y += heights[row] + Gap;
        }
        Pixels.Save(surface, path);
    }

    /// <summary>What follows the last image: the question itself, without examples.</summary>
    public static string LastQuestion(string prompt)
    {
        int at = prompt.LastIndexOf("<image>", StringComparison.Ordinal);
        return at < 0 ? prompt : prompt[(at + "<image>".Length)..];
    }

    /// <summary>The lines of a cell.</summary>
    private sealed class Layout
    {
        private readonly SampleCell _cell;
        private readonly IReadOnlyList<string> _prompt, _answer, _truth;

        public Layout(SampleCell cell, SKFont text, SKFont small)
        {
            _cell = cell;
            _prompt = TextBlock.Wrap(cell.Prompt.Trim().Length == 0 ? "(the image alone)" : cell.Prompt.Trim(), small, CellWidth, 5);
            string mark = cell.Correct switch { true => "✓ ", false => "✗ ", _ => "" };
            _answer = TextBlock.Wrap(mark + (cell.Answer.Trim().Length == 0 ? "(nothing)" : cell.Answer.Trim()), text, CellWidth, 5);
            _truth = cell.Truth is { } truth && cell.Correct != true ? TextBlock.Wrap("truth: " + truth.Trim(), small, CellWidth, 4) : [];
            Height = Side + 8 + _prompt.Count * TextBlock.LineHeight(small) + 4 + _answer.Count * TextBlock.LineHeight(text) + 2 + _truth.Count * TextBlock.LineHeight(small);
        }

        public float Height { get; }

        public void Draw(SKCanvas canvas, float x, float y, SKFont text, SKFont small)
        {
            DrawImages(canvas, x, y);
            y += Side + 8;
            y = TextBlock.Draw(canvas, _prompt, x, y, small, Palette.Faint) + 4;
            y = TextBlock.Draw(canvas, _answer, x, y, text, _cell.Correct switch { true => Palette.Right, false => Palette.Wrong, _ => Palette.Ink }) + 2;
            TextBlock.Draw(canvas, _truth, x, y, small, Palette.Ink);
        }

        /// <summary>The asked image large; those before it in a strip of small ones at its right.</summary>
        private void DrawImages(SKCanvas canvas, float x, float y)
        {
            using var frame = new SKPaint { Color = Palette.Line, Style = SKPaintStyle.Stroke, StrokeWidth = 1 };
            if (_cell.Images.Count == 0)
            {
                canvas.DrawRect(x, y, Side, Side, frame);
                return;
            }
            Pixels.Draw(canvas, _cell.Images[^1], x, y, Side);
            canvas.DrawRect(x, y, Side, Side, frame);
            int before = _cell.Images.Count - 1;
            if (before == 0) return;
            float small = Math.Min(CellWidth - Side - 2, (float)Side / before);
            for (int i = 0; i < before; i++) Pixels.Draw(canvas, _cell.Images[i], x + Side + 2, y + i * small, small - 1);
        }
    }
}
