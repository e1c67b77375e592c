using System.Globalization;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary>Counts over the first batches of a mixture.</summary>
internal sealed class DataInspection
{
    private readonly IReadOnlyList<MixtureSource> _mixture;
    private readonly List<int>[] _lengths;

    private DataInspection(IReadOnlyList<MixtureSource> mixture, List<int>[] lengths) => (_mixture, _lengths) = (mixture, lengths);

    /// <summary>What each source gave.</summary>
    public required IReadOnlyList<SourceCursor> Sources { get; init; }

    /// <summary>Batches that were read.</summary>
    public required long Batches { get; init; }

    /// <summary>Reads batches.</summary>
    public static DataInspection Of(IReadOnlyList<MixtureSource> mixture, ITokenizer tokenizer, PackingOptions options, long batches, CancellationToken cancellation)
    {
        var lengths = mixture.Select(static _ => new List<int>()).ToArray();
        using var loader = new BatchLoader(mixture, tokenizer, options with { ImageElement = ImageElement.UInt8, Workers = 0 });
        for (long i = 0; i < batches; i++)
        {
            using PackedBatch batch = loader.Next(cancellation);
            foreach (PackedDocument document in batch.Documents) lengths[document.Source].Add(document.Length);
        }
        return new DataInspection(mixture, lengths) { Sources = loader.Cursor.Sources, Batches = batches };
    }

    /// <summary>A table by source, and the whole.</summary>
    public void Print(Terminal terminal)
    {
        double weights = _mixture.Sum(static source => source.Weight);
        var rows = new List<IReadOnlyList<string>>();
        for (int i = 0; i < Sources.Count; i++)
        {
            SourceStatistics s = Sources[i].Statistics;
            rows.Add([Sources[i].Name, Quantity.Percent(_mixture[i].Weight / weights), N(s.Sequences), N(s.Documents), N(s.Tokens), N(s.Targets), N(s.Images), Quantity.Percent(s.Efficiency), .. Lengths(_lengths[i])]);
        }
        long tokens = Sources.Sum(static source => source.Statistics.Tokens), padding = Sources.Sum(static source => source.Statistics.Padding);
        rows.Add(["all", "", N(Sum(static s => s.Sequences)), N(Sum(static s => s.Documents)), N(tokens), N(Sum(static s => s.Targets)), N(Sum(static s => s.Images)),
            Quantity.Percent(tokens + padding == 0 ? 1 : (double)tokens / (tokens + padding)), .. Lengths([.. _lengths.SelectMany(static list => list)])]);
        terminal.WriteTable(["source", "weight", "sequences", "documents", "tokens", "targets", "images", "filled", "shortest", "median", "mean", "longest"], rows);
        long splits = Sum(static s => s.Splits), bad = Sources.Sum(static source => source.Statistics.Bad.Values.Sum());
        if (splits > 0) terminal.Write($"{splits} cuts through documents too long for a sequence");
        if (bad > 0) terminal.Write($"{bad} documents cannot be used: {string.Join(", ", Sources.SelectMany(static source => source.Statistics.Bad).Select(static pair => $"{pair.Key} {pair.Value}"))}");

        long Sum(Func<SourceStatistics, long> of) => Sources.Sum(source => of(source.Statistics));
        static string N(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
    }

    private static string[] Lengths(List<int> lengths)
    {
        if (lengths.Count == 0) return ["-", "-", "-", "-"];
        lengths.Sort();
        return [Text(lengths[0]), Text(lengths[lengths.Count / 2]), lengths.Average().ToString("0.0", CultureInfo.InvariantCulture), Text(lengths[^1])];

        static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
    }
}
