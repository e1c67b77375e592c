using MM1.Native.Data;
using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>A picture of documents, each in a row: its images and texts in reading order.</summary>
internal static class ContactSheet
{
    private const int Side = 96, Margin = 12, Gap = 8, Width = 1120, TextWidth = 200, LabelHeight = 18;

    /// <summary>Draws documents into a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="documents">Documents by source, in order.</param>
    public static void Write(string path, IReadOnlyList<Document> documents)
    {
        using SKFont small = EmbeddedFont.Size(12);
        List<(Document Document, List<Piece> Pieces, int Height)> rows = [.. documents.Select(document => Lay(document, small))];
        int height = Margin + rows.Sum(static row => row.Height + Gap + LabelHeight) + Margin;
        using SKSurface surface = Pixels.Surface(Width, height);
        SKCanvas canvas = surface.Canvas;
        using var line = new SKPaint { Color = Palette.Line, StrokeWidth = 1 };
        float y = Margin;
        foreach ((Document document, List<Piece> pieces, int rowHeight) in rows)
        {
            TextBlock.Draw(canvas, [$"{document.Source}   {document.Id}"], Margin, y, small, Palette.Faint);
            canvas.DrawLine(Margin, y - 3, Width - Margin, y - 3, line);
            foreach (Piece piece in pieces)
            {
                if (piece.Image is { } image) Pixels.Draw(canvas, image, Margin + piece.X, y + LabelHeight + piece.Y, Side);
                else TextBlock.Draw(canvas, piece.Lines, Margin + piece.X, y + LabelHeight + piece.Y, small, piece.IsTarget ? Palette.Ink : Palette.Faint);
            }
            y += rowHeight + Gap + LabelHeight;
        }
        Pixels.Save(surface, path);
    }

    private static (Document Document, List<Piece> Pieces, int Height) Lay(Document document, SKFont font)
    {
        var pieces = new List<Piece>();
        float x = 0, y = 0;
        foreach (Segment segment in document.Segments)
        {
            var text = segment as TextSegment;
            float width = text is null ? Side : Math.Min(TextWidth, document.Segments.Count == 1 ? Width - 2 * Margin : TextWidth);
            if (text is not null && document.Segments.Count == 1) width = Width - 2 * Margin;
            IReadOnlyList<string> lines = text is null ? [] : TextBlock.Wrap(text.Text.TrimEnd('\n') + (text.Text.EndsWith('\n') ? " ↵" : ""), font, width, 6);
            if (text is not null) width = Math.Min(width, lines.Max(line => font.MeasureText(line)) + 4);
            if (x > 0 && x + width > Width - 2 * Margin) (x, y) = (0, y + Side + Gap);
            pieces.Add(new Piece(x, y, segment is ImageSegment image ? image.Image.Load() : null, lines, text?.Role != LossRole.Context));
            x += width + Gap;
        }
        bool pictures = pieces.Exists(static piece => piece.Image is not null);
        float last = pictures ? Side : pieces.Select(piece => piece.Lines.Count * TextBlock.LineHeight(font)).DefaultIfEmpty(0).Max();
        return (document, pieces, (int)(y + last));
    }

    private readonly record struct Piece(float X, float Y, ImageData? Image, IReadOnlyList<string> Lines, bool IsTarget);
}
