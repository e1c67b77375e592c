namespace MM1.Native.Data;

/// <summary>The words of the synthetic world: names of what is in it, and the closed vocabulary of all its texts.</summary>
public static class WorldWords
{
    private static readonly string[] KindNames = ["circle", "square", "triangle", "star", "cross", "ring"];
    private static readonly string[] KindPlurals = ["circles", "squares", "triangles", "stars", "crosses", "rings"];
    private static readonly string[] ColourNames = ["red", "green", "blue", "yellow", "purple", "white"];
    private static readonly string[] SizeNames = ["small", "large"];
    private static readonly string[] DirectionNames = ["left", "right", "above", "below"];
    private static readonly string[] NumberNames = ["one", "two", "three", "four", "five", "six"];

    private static readonly string[] OtherWords = (
        "a an and answer are arms at away background bottom color colour comes dark do first from goes has have hole how if image in is it like make "
        + "many middle no not of on picture points round same shape shapes shows sides so story the then there this top turns we see what where which with yes").Split(' ');

    /// <summary>Every word that the world writes, in alphabetical order.</summary>
    public static IReadOnlyList<string> Vocabulary { get; } =
    [
        .. KindNames.Concat(KindPlurals).Concat(ColourNames).Concat(SizeNames).Concat(DirectionNames).Concat(NumberNames).Concat(OtherWords)
            .Distinct().Order(StringComparer.Ordinal)
    ];

    /// <summary>Every answer to any question: colours, kinds, numbers, directions, yes and no.</summary>
    public static IReadOnlyList<string> Answers { get; } =
        [.. ColourNames, .. KindNames, .. NumberNames, .. DirectionNames, "yes", "no"];

    /// <summary>The tokenizer of the world.</summary>
    public static WordTokenizer CreateTokenizer() => new(Vocabulary);

    /// <summary>The name of a kind.</summary>
    public static string Name(this ShapeKind kind) => KindNames[(int)kind];

    /// <summary>The name of several of a kind.</summary>
    public static string Plural(this ShapeKind kind) => KindPlurals[(int)kind];

    /// <summary>The name of a colour.</summary>
    public static string Name(this ShapeColour colour) => ColourNames[(int)colour];

    /// <summary>The name of a size.</summary>
    public static string Name(this ShapeSize size) => SizeNames[(int)size];

    /// <summary>The name of a direction, as an answer: <c>left</c>.</summary>
    public static string Name(this Direction direction) => DirectionNames[(int)direction];

    /// <summary>Colour and kind: <c>red circle</c>.</summary>
    public static string Name(this Combination combination) => $"{combination.Colour.Name()} {combination.Kind.Name()}";

    /// <summary>A direction between two nouns: <c>left of</c>, <c>above</c>.</summary>
    internal static string Preposition(this Direction direction) =>
        direction is Direction.Left or Direction.Right ? direction.Name() + " of" : direction.Name();

    /// <summary>The opposite direction.</summary>
    internal static Direction Opposite(this Direction direction) => (Direction)((int)direction ^ 1);

    /// <summary>The word of a number from 1 to 6.</summary>
    public static string Number(int number) => NumberNames[number - 1];

    internal static bool TryKind(ReadOnlySpan<char> word, out ShapeKind kind)
    {
        for (int i = 0; i < KindNames.Length; i++)
        {
            kind = (ShapeKind)i;
            if (word.SequenceEqual(KindNames[i]) || word.SequenceEqual(KindPlurals[i])) return true;
        }
        kind = default;
        return false;
    }

    internal static bool TryColour(ReadOnlySpan<char> word, out ShapeColour colour)
    {
        for (int i = 0; i < ColourNames.Length; i++)
        {
            colour = (ShapeColour)i;
            if (word.SequenceEqual(ColourNames[i])) return true;
        }
        colour = default;
        return false;
    }

    internal static bool IsSize(ReadOnlySpan<char> word) => word.SequenceEqual(SizeNames[0]) || word.SequenceEqual(SizeNames[1]);

    /// <summary>1 for <c>a</c> and <c>an</c>, the number for a number word, else 0.</summary>
    internal static int CountOf(ReadOnlySpan<char> word)
    {
        if (word is "a" or "an") return 1;
        for (int i = 0; i < NumberNames.Length; i++)
            if (word.SequenceEqual(NumberNames[i])) return i + 1;
        return 0;
    }
}
