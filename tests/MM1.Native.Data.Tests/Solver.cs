using System.Text.RegularExpressions;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>
/// Answers questions from the scene by reading the question's words, knowing nothing of how questions are made. A question that speaks of "the" something must
/// mean exactly one shape, or the test fails.
/// </summary>
internal static partial class Solver
{
    private const string Colours = "red|green|blue|yellow|purple|white";
    private const string Kinds = "circle|square|triangle|star|cross|ring";

    internal static string Answer(string question, Scene scene)
    {
        string text = question.ToLowerInvariant();
        Match match;
        if ((match = ColourOf().Match(text)).Success) return Name(Only(scene, null, match.Groups[1].Value).Colour);
        if ((match = ShapeOf().Match(text)).Success) return Name(Only(scene, match.Groups[1].Value, null).Kind);
        if (text == "how many shapes are there?") return Number(scene.Objects.Count);
        if ((match = CountOfColour().Match(text)).Success) return Number(scene.Objects.Count(shape => Name(shape.Colour) == match.Groups[1].Value));
        if ((match = CountOfKind().Match(text)).Success) return Number(scene.Objects.Count(shape => Name(shape.Kind) == match.Groups[1].Value));
        if ((match = WhereIs().Match(text)).Success)
        {
            SceneObject subject = Only(scene, match.Groups[1].Value, match.Groups[2].Value), reference = Only(scene, match.Groups[3].Value, match.Groups[4].Value);
            double x = subject.X - reference.X, y = subject.Y - reference.Y;
            Assert.True(Math.Max(Math.Abs(x), Math.Abs(y)) >= 1.5 * Math.Min(Math.Abs(x), Math.Abs(y)), "the direction is not clear");
            return Math.Abs(x) > Math.Abs(y) ? x < 0 ? "left" : "right" : y < 0 ? "above" : "below";
        }
        if ((match = IsThere().Match(text)).Success) return Matching(scene, match.Groups[1].Value, match.Groups[2].Value).Any() ? "yes" : "no";
        if ((match = IsThe().Match(text)).Success) return Name(Only(scene, null, match.Groups[1].Value).Colour) == match.Groups[2].Value ? "yes" : "no";
        throw new InvalidOperationException($"the solver cannot read '{question}'");
    }

    internal static string Name<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static IEnumerable<SceneObject> Matching(Scene scene, string? colour, string? kind) => scene.Objects.Where(shape =>
        (string.IsNullOrEmpty(colour) || Name(shape.Colour) == colour) && (string.IsNullOrEmpty(kind) || Name(shape.Kind) == kind));

    private static SceneObject Only(Scene scene, string? colour, string? kind) => Assert.Single(Matching(scene, colour, kind));

    private static string Number(int count) => new[] { "zero", "one", "two", "three", "four", "five", "six" }[count];

    [GeneratedRegex($"^(?:what|which) colou?r is the ({Kinds})\\?$")]
    private static partial Regex ColourOf();

    [GeneratedRegex($"^(?:what|which) shape is ({Colours})\\?$")]
    private static partial Regex ShapeOf();

    [GeneratedRegex($"^how many ({Colours}) shapes are there\\?$")]
    private static partial Regex CountOfColour();

    [GeneratedRegex($"^how many ({Kinds})(?:s|es) are there\\?$")]
    private static partial Regex CountOfKind();

    [GeneratedRegex($"^where is the (?:({Colours}) )?({Kinds}) from the (?:({Colours}) )?({Kinds})\\?$")]
    private static partial Regex WhereIs();

    [GeneratedRegex($"^is there a (?:({Colours}) )?({Kinds})\\?$")]
    private static partial Regex IsThere();

    [GeneratedRegex($"^is the ({Kinds}) ({Colours})\\?$")]
    private static partial Regex IsThe();
}
