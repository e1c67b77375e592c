using System.Globalization;

namespace MM1.Native.Cli;

/// <summary>Numbers as a person reads them, the same in every language of the machine.</summary>
internal static class Quantity
{
    /// <summary>1234567 as <c>1.23M</c>; three digits.</summary>
    public static string Count(double value)
    {
        ReadOnlySpan<(double Size, string Suffix)> sizes = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];
        return Scaled(value, sizes);
    }

    /// <summary>Floating point operations: <c>12.3 GFLOP</c>.</summary>
    public static string Flops(double value)
    {
        ReadOnlySpan<(double Size, string Suffix)> sizes = [(1e18, " E"), (1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
        string text = Scaled(value, sizes);
        return text + (text.Contains(' ', StringComparison.Ordinal) ? "FLOP" : " FLOP");
    }

    /// <summary>Bytes in powers of 1024: <c>1.50 GiB</c>.</summary>
    public static string Bytes(double value)
    {
        ReadOnlySpan<(double Size, string Suffix)> sizes = [(1024.0 * 1024 * 1024 * 1024, " TiB"), (1024.0 * 1024 * 1024, " GiB"), (1024.0 * 1024, " MiB"), (1024, " KiB")];
        string text = Scaled(value, sizes);
        return text.Contains(' ', StringComparison.Ordinal) ? text : text + " B";
    }

    /// <summary>A rate of change or another small number: four digits, an exponent below 0.001.</summary>
    public static string Small(double value) => value switch
    {
        0 => "0",
        _ when double.IsNaN(value) => "-",
        _ when Math.Abs(value) < 1e-3 => value.ToString("0.00e+0", CultureInfo.InvariantCulture),
        _ => value.ToString(Math.Abs(value) < 10 ? "0.0000" : "0.00", CultureInfo.InvariantCulture),
    };

    /// <summary>A share as a percentage: <c>12.3%</c>.</summary>
    public static string Percent(double value) => (100 * value).ToString("0.0", CultureInfo.InvariantCulture) + "%";

    /// <summary>A time: <c>4 s</c>, <c>2:05</c>, <c>1:02:05</c>.</summary>
    public static string Duration(TimeSpan time)
    {
        long seconds = (long)Math.Round(time.TotalSeconds);
        if (seconds < 60) return string.Create(CultureInfo.InvariantCulture, $"{seconds} s");
        return seconds < 3600
            ? string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}:{seconds % 60:00}")
            : string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600}:{seconds / 60 % 60:00}:{seconds % 60:00}");
    }

    private static string Scaled(double value, ReadOnlySpan<(double Size, string Suffix)> sizes)
    {
        foreach ((double size, string suffix) in sizes)
        {
            if (Math.Abs(value) < size) continue;
            double scaled = value / size;
            return scaled.ToString(scaled < 10 ? "0.00" : scaled < 100 ? "0.0" : "0", CultureInfo.InvariantCulture) + suffix;
        }
        return value.ToString("0", CultureInfo.InvariantCulture);
    }
}
