using System.Text;

namespace MM1.Native.Data;

/// <summary>Describes scenes.</summary>
internal static class CaptionWriter
{
    private static readonly double[] ShortWeights = [6, 2, 1, 1, 1, 1, 3];

    /// <summary>A caption as a person writes one: short, of varied form; names every shape from left to right.</summary>
    internal static string Short(ref RandomStream random, Scene scene)
    {
        bool sizes = random.Chance(0.2);
        string list = List(scene, sizes);
        switch (random.Weighted(ShortWeights))
        {
            case 1: return $"there is {list}.";
            case 2: return $"a picture of {list}.";
            case 3: return $"we see {list}.";
            case 4: return $"{list} on a dark background.";
            case 5: return $"an image with {list}.";
            case 6 when scene.Objects.Count == 2 && scene.Objects[0].Combination != scene.Objects[1].Combination:
                SceneObject[] pair = Ordered(scene);
                if (pair[0].DirectionFrom(pair[1]) is not Direction direction) break;
                return $"a {Noun(pair[0], sizes)} {direction.Preposition()} a {Noun(pair[1], sizes)}.";
        }
        return $"{list}.";
    }

    /// <summary>A long caption as a captioning model writes one: how many, then each shape with size and place, then how two of them lie.</summary>
    internal static string Long(ref RandomStream random, Scene scene)
    {
        int count = scene.Objects.Count;
        var text = new StringBuilder();
        string start = random.Chance(0.5) ? "this picture shows" : "the image shows";
        text.Append(start).Append(' ').Append(WorldWords.Number(count)).Append(count == 1 ? " shape" : " shapes").Append(" on a dark background.");
        SceneObject[] shapes = Ordered(scene);
        foreach (SceneObject shape in shapes)
            text.Append(" a ").Append(Noun(shape, true)).Append(" is ").Append(PlaceOf(shape)).Append('.');
        for (int i = 0; i + 1 < count; i++)
        {
            SceneObject first = shapes[i], second = shapes[i + 1];
            if (first.DirectionFrom(second) is not Direction direction || !IsOnly(scene, first) || !IsOnly(scene, second)) continue;
            text.Append(" the ").Append(first.Combination.Name()).Append(" is ").Append(direction.Preposition())
                .Append(" the ").Append(second.Combination.Name()).Append('.');
            break;
        }
        return text.ToString();
    }

    /// <summary><c>a red circle, two blue squares and a green star</c>, from left to right.</summary>
    internal static string List(Scene scene, bool sizes)
    {
        SceneObject[] shapes = Ordered(scene);
        var items = new List<string>(shapes.Length);
        var done = new bool[shapes.Length];
        for (int i = 0; i < shapes.Length; i++)
        {
            if (done[i]) continue;
            int count = 0;
            for (int j = i; j < shapes.Length; j++)
            {
                if (shapes[j].Combination != shapes[i].Combination || (sizes && shapes[j].Size != shapes[i].Size)) continue;
                done[j] = true;
                count++;
            }
            if (count == 1) items.Add($"a {Noun(shapes[i], sizes)}");
            else items.Add($"{WorldWords.Number(count)} {(sizes ? shapes[i].Size.Name() + " " : "")}{shapes[i].Colour.Name()} {shapes[i].Kind.Plural()}");
        }
        return items.Count == 1 ? items[0] : string.Join(", ", items.Take(items.Count - 1)) + " and " + items[^1];
    }

    internal static string Noun(SceneObject shape, bool size) => size ? $"{shape.Size.Name()} {shape.Combination.Name()}" : shape.Combination.Name();

    internal static string PlaceOf(SceneObject shape)
    {
        int column = shape.X < 0.38 ? 0 : shape.X > 0.62 ? 2 : 1, row = shape.Y < 0.38 ? 0 : shape.Y > 0.62 ? 2 : 1;
        return (row, column) switch
        {
            (0, 0) => "at the top left",
            (0, 1) => "at the top",
            (0, 2) => "at the top right",
            (1, 0) => "on the left",
            (1, 1) => "in the middle",
            (1, 2) => "on the right",
            (2, 0) => "at the bottom left",
            (2, 1) => "at the bottom",
            _ => "at the bottom right",
        };
    }

    private static bool IsOnly(Scene scene, SceneObject shape) => scene.Objects.Count(other => other.Combination == shape.Combination) == 1;

    private static SceneObject[] Ordered(Scene scene)
    {
        SceneObject[] shapes = [.. scene.Objects];
        Array.Sort(shapes, static (first, second) => first.X.CompareTo(second.X));
        return shapes;
    }
}

/// <summary>How one caption was judged.</summary>
/// <param name="IsExact">Every shape is named with its colour and kind, as often as it is there, and nothing else.</param>
/// <param name="Named">Shapes that are named and there.</param>
/// <param name="Missed">Shapes that are there and not named.</param>
/// <param name="Invented">Shapes that are named and not there.</param>
public readonly record struct CaptionScore(bool IsExact, int Named, int Missed, int Invented);

/// <summary>Reads captions: which shapes does a text say are there?</summary>
public static class CaptionParser
{
    /// <summary>
    /// The shapes that a text names: a colour with a kind after it (<c>a red circle</c>, <c>two small blue squares</c>). With <c>the</c> before it, it speaks
    /// of a shape that was named already. Upper and lower case are the same; words between colour and kind end the name.
    /// </summary>
    public static IReadOnlyList<Combination> Parse(string caption)
    {
        ArgumentNullException.ThrowIfNull(caption);
        var shapes = new List<Combination>();
        ShapeColour? colour = null;
        int count = 1;
        bool definite = false;
        Span<char> buffer = stackalloc char[32];
        foreach (Range range in caption.AsSpan().SplitAny(" .,!?:;()\n"))
        {
            ReadOnlySpan<char> word = caption.AsSpan(range);
            if (word.IsEmpty) continue;
            Span<char> lower = buffer[..Math.Min(word.Length, buffer.Length)];
            word[..lower.Length].ToLowerInvariant(lower); // the words that count are shorter than the buffer
            if (WorldWords.CountOf(lower) is > 0 and int number) (count, definite, colour) = (number, false, null);
            else if (lower is "the") (count, definite, colour) = (1, true, null);
            else if (WorldWords.IsSize(lower) && colour is null) continue;
            else if (WorldWords.TryColour(lower, out ShapeColour found)) colour = found;
            else if (colour is ShapeColour named && WorldWords.TryKind(lower, out ShapeKind kind))
            {
                for (int i = 0; i < count && !definite; i++) shapes.Add(new Combination(named, kind));
                (count, definite, colour) = (1, false, null);
            }
            else (count, definite, colour) = (1, false, null);
        }
        return shapes;
    }

    /// <summary>Compares what a caption names with what is there.</summary>
    public static CaptionScore Score(string caption, IReadOnlyList<SceneObject> objects)
    {
        ArgumentNullException.ThrowIfNull(objects);
        var there = new List<Combination>(objects.Count);
        foreach (SceneObject shape in objects) there.Add(shape.Combination);
        int named = 0, invented = 0;
        foreach (Combination shape in Parse(caption))
        {
            if (there.Remove(shape)) named++;
            else invented++;
        }
        return new CaptionScore(there.Count == 0 && invented == 0, named, there.Count, invented);
    }
}
