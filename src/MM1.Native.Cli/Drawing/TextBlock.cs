using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>Text in a column: wrapped at words, cut with an ellipsis after so many lines.</summary>
internal static class TextBlock
{
    /// <summary>The lines of a text in a width.</summary>
    public static IReadOnlyList<string> Wrap(string text, SKFont font, float width, int maximumLines)
    {
        var lines = new List<string>();
        foreach (string paragraph in text.Replace("\r", "", StringComparison.Ordinal).Split('\n'))
        {
            string line = "";
            foreach (string word in paragraph.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                string longer = line.Length == 0 ? word : line + " " + word;
                if (line.Length == 0 || font.MeasureText(longer) <= width)
                {
                    line = longer;
                    continue;
                }
                lines.Add(Cut(line, font, width));
                line = word;
            }
            lines.Add(Cut(line, font, width));
        }
        if (lines.Count <= maximumLines) return lines;
        lines.RemoveRange(maximumLines, lines.Count - maximumLines);
        lines[^1] = Cut(lines[^1] + " …", font, width);
        return lines;
    }

    /// <summary>Draws lines; returns where the next would begin.</summary>
    public static float Draw(SKCanvas canvas, IReadOnlyList<string> lines, float x, float y, SKFont font, SKColor colour)
    {
        using var paint = new SKPaint { Color = colour, IsAntialias = true };
        foreach (string line in lines)
        {
            canvas.DrawText(line, x, y + font.Size, SKTextAlign.Left, font, paint);
            y += LineHeight(font);
        }
        return y;
    }

    /// <summary>From one line to the next.</summary>
    public static float LineHeight(SKFont font) => MathF.Ceiling(font.Size * 1.3f);

    private static string Cut(string line, SKFont font, float width)
    {
        if (font.MeasureText(line) <= width) return line;
        int length = line.Length;
        while (length > 1 && font.MeasureText(line.AsSpan(0, length).ToString() + "…") > width) length--;
        return line[..length] + "…";
    }
}
