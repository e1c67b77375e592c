using ScottPlot;
using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>
/// The font of every picture: a Latin subset of DejaVu Sans inside this assembly. SkiaSharp draws no text at all on a machine without fonts, and with
/// the machine's fonts pictures would differ from one to the next.
/// </summary>
internal static class EmbeddedFont
{
    private static readonly Lazy<SKTypeface> Loaded = new(Load);

    /// <summary>The typeface.</summary>
    public static SKTypeface Typeface => Loaded.Value;

    /// <summary>A font of a size in pixels.</summary>
    public static SKFont Size(float pixels) => new(Typeface, pixels) { Edging = SKFontEdging.Antialias, Subpixel = true };

    /// <summary>Makes ScottPlot draw all text with it.</summary>
    public static void UseForPlots()
    {
        if (ScottPlot.Fonts.FontResolvers is [Resolver]) return;
        ScottPlot.Fonts.FontResolvers.Clear();
        ScottPlot.Fonts.FontResolvers.Add(new Resolver());
        string family = Typeface.FamilyName;
        (ScottPlot.Fonts.Default, ScottPlot.Fonts.Sans, ScottPlot.Fonts.Serif, ScottPlot.Fonts.Monospace) = (family, family, family, family);
    }

    private static SKTypeface Load()
    {
        using Stream stream = typeof(EmbeddedFont).Assembly.GetManifestResourceStream("DejaVuSansLatin.ttf") ?? throw new InvalidOperationException("the embedded font is missing");
        using SKData data = SKData.Create(stream);
        return SKTypeface.FromData(data) ?? throw new InvalidOperationException("the embedded font cannot be read");
    }

    private sealed class Resolver : IFontResolver
    {
        public SKTypeface CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing width) => Typeface;

        public SKTypeface CreateTypeface(string fontName, bool bold, bool italic) => Typeface;
    }
}
