using SkiaSharp;

namespace MM1.Native.Cli;

/// <summary>Colours of the pictures; series are told apart by people who see colours differently (Okabe and Ito 2008).</summary>
internal static class Palette
{
    public static readonly SKColor Background = SKColors.White;
    public static readonly SKColor Ink = new(0x22, 0x26, 0x2B);
    public static readonly SKColor Faint = new(0x70, 0x78, 0x80);
    public static readonly SKColor Line = new(0xD5, 0xDA, 0xDF);
    public static readonly SKColor Right = new(0x0B, 0x7A, 0x4B);
    public static readonly SKColor Wrong = new(0xC0, 0x2F, 0x1D);

    /// <summary>Colours of series, in order.</summary>
    public static IReadOnlyList<string> Series { get; } = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D3B", "#555555"];
}
