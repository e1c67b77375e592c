using System.Globalization;
using System.Text.Json.Nodes;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary>What was counted in sources, as tables for people and as JSON.</summary>
internal static class DataReport
{
    /// <summary>Two tables, texts and images, and what is wrong.</summary>
    public static void Print(Terminal terminal, IReadOnlyList<OpenedSource> sources, IReadOnlyList<DocumentStatistics> counted, bool tokensAreBytes)
    {
        string tokens = tokensAreBytes ? "bytes of text" : "tokens";
        terminal.WriteTable(["source", "format", "files", "size", "documents", "looked at", "usable", tokens, "shortest", "median", "longest", "targets", "repeated texts"],
            sources.Zip(counted, static (source, found) => (IReadOnlyList<string>)[source.Source.Name, source.Format, N(source.Files), Quantity.Bytes(source.Bytes), N(found.Documents), N(found.Read), N(found.Usable),
                N(found.Tokens.Sum), N(found.Tokens.Least), N(found.Tokens.Median), N(found.Tokens.Greatest), Quantity.Percent(found.TargetShare), N(found.RepeatedTexts)]));
        if (counted.Any(static found => found.Images.Sum > 0))
        {
            terminal.WriteLine();
            terminal.WriteTable(["source", "images", "a document", "most", "kinds of file", "median file", "width", "height"],
                sources.Zip(counted).Where(static pair => pair.Second.Images.Sum > 0).Select(static pair => (IReadOnlyList<string>)[pair.First.Source.Name, N(pair.Second.Images.Sum),
                    pair.Second.Images.Mean.ToString("0.00", CultureInfo.InvariantCulture), N(pair.Second.Images.Greatest), Kinds(pair.Second.FileKinds),
                    pair.Second.FileBytes.Count == 0 ? "-" : Quantity.Bytes(pair.Second.FileBytes.Median), Range(pair.Second.Width), Range(pair.Second.Height)]));
        }
        foreach (DocumentStatistics found in counted.Where(static found => found.Bad.Count > 0))
        {
            terminal.WriteLine();
            terminal.Write($"{found.Source}: {found.Read - found.Usable} of {found.Read} documents cannot be used");
            foreach ((string cause, long count) in found.Bad) terminal.Write($"  {cause}: {count}, the first: {found.FirstBad[cause]}");
        }
    }

    /// <summary>One source.</summary>
    public static JsonNode Json(OpenedSource source, DocumentStatistics found) => new JsonObject
    {
        ["source"] = found.Source,
        ["format"] = source.Format,
        ["files"] = source.Files,
        ["bytes"] = source.Bytes,
        ["documents"] = found.Documents,
        ["read"] = found.Read,
        ["usable"] = found.Usable,
        ["characters"] = Spread(found.Characters),
        ["tokens"] = Spread(found.Tokens),
        ["targetShare"] = found.TargetShare,
        ["repeatedTexts"] = found.RepeatedTexts,
        ["images"] = Spread(found.Images),
        ["width"] = Spread(found.Width),
        ["height"] = Spread(found.Height),
        ["fileBytes"] = Spread(found.FileBytes),
        ["fileKinds"] = Counts(found.FileKinds),
        ["bad"] = Counts(found.Bad),
        ["firstBad"] = new JsonObject(found.FirstBad.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
    };

    private static JsonObject Spread(Distribution values) => new()
    {
        ["count"] = values.Count,
        ["sum"] = values.Sum,
        ["least"] = values.Least,
        ["median"] = values.Median,
        ["mean"] = values.Mean,
        ["percentile95"] = values.Percentile95,
        ["greatest"] = values.Greatest,
    };

    private static JsonObject Counts(IReadOnlyDictionary<string, long> counts) => new(counts.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));

    private static string Kinds(IReadOnlyDictionary<string, long> kinds) => kinds.Count == 0 ? "-" : string.Join(", ", kinds.Select(static pair => $"{pair.Key} {N(pair.Value)}"));

    private static string Range(Distribution values) => values.Count == 0 ? "-" : values.Least == values.Greatest ? N(values.Least) : $"{N(values.Least)} to {N(values.Greatest)}, median {N(values.Median)}";

    private static string N(double value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
