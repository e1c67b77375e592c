namespace MM1.Native.Data;

/// <summary>
/// Chooses shapes and finds places for them. All choices are symmetric in colours, kinds and directions, so that no answer is
/// likelier than another before one looks.
/// </summary>
internal sealed class SceneComposer
{
    private const double Gap = 0.025;

    private static readonly (byte Red, byte Green, byte Blue)[] Paint =
        [(222, 44, 40), (36, 168, 60), (44, 84, 236), (244, 214, 44), (176, 52, 206), (242, 242, 242)];

    private readonly Combination[] _trained;
    private readonly Combination[] _heldOut;

    internal SceneComposer(Combination[] trained, Combination[] heldOut)
    {
        _trained = trained;
        _heldOut = heldOut;
    }

    internal ReadOnlySpan<Combination> Trained => _trained;

    internal ReadOnlySpan<Combination> HeldOut => _heldOut;

    /// <summary>A combination of the subject of a question: held out in that split, trained elsewhere.</summary>
    internal Combination Subject(ref RandomStream random, WorldSplit split) =>
        random.Pick<Combination>(split == WorldSplit.UnseenCombination ? _heldOut : _trained);

    /// <summary>Any shapes, repeats allowed; the first is the subject.</summary>
    internal Scene Free(ref RandomStream random, int count, WorldSplit split)
    {
        Span<Combination> shapes = stackalloc Combination[count];
        shapes[0] = Subject(ref random, split);
        for (int i = 1; i < count; i++) shapes[i] = random.Pick<Combination>(_trained);
        return Place(ref random, shapes);
    }

    /// <summary>Shapes of different kinds and different colours; the first is the subject.</summary>
    internal Scene Distinct(ref RandomStream random, int count, WorldSplit split) => Place(ref random, DistinctShapes(ref random, count, split));

    /// <summary>Two or more different shapes, of which the first lies in the given direction from the second.</summary>
    internal Scene Related(ref RandomStream random, int count, Direction direction, WorldSplit split)
    {
        Combination[] shapes = DistinctShapes(ref random, count, split);
        while (true)
        {
            Scene scene = Place(ref random, shapes);
            if (scene.Objects[0].DirectionFrom(scene.Objects[1]) is not Direction found) continue;
            // Turn the whole scene over rather than wait for the direction: a square may be mirrored and transposed.
            bool foundVertical = found is Direction.Above or Direction.Below, wantVertical = direction is Direction.Above or Direction.Below;
            if (foundVertical != wantVertical) found = found switch { Direction.Left => Direction.Above, Direction.Right => Direction.Below, Direction.Above => Direction.Left, _ => Direction.Right };
            bool mirror = found != direction;
            SceneObject[] turned = [.. scene.Objects];
            for (int i = 0; i < turned.Length; i++)
            {
                (double x, double y) = foundVertical != wantVertical ? (turned[i].Y, turned[i].X) : (turned[i].X, turned[i].Y);
                if (mirror) (x, y) = wantVertical ? (x, 1 - y) : (1 - x, y);
                turned[i] = turned[i] with { X = x, Y = y };
            }
            return scene with { Objects = turned };
        }
    }

    /// <summary>
    /// Shapes of which exactly <paramref name="counted"/> share the subject's kind (or its colour), and the rest do not. The subject is the first.
    /// </summary>
    internal Scene Counted(ref RandomStream random, int counted, int total, bool byKind, WorldSplit split)
    {
        Span<Combination> shapes = stackalloc Combination[total];
        Combination subject = shapes[0] = Subject(ref random, split);
        for (int i = 1; i < total; i++)
        {
            Combination shape;
            do shape = random.Pick<Combination>(_trained);
            while ((byKind ? shape.Kind == subject.Kind : shape.Colour == subject.Colour) != i < counted);
            shapes[i] = shape;
        }
        return Place(ref random, shapes);
    }

    private Combination[] DistinctShapes(ref RandomStream random, int count, WorldSplit split)
    {
        var shapes = new Combination[count];
        while (true)
        {
            int kinds = 0, colours = 0, placed = 0;
            for (int tries = 0; placed < count && tries < 60; tries++)
            {
                Combination shape = placed == 0 ? Subject(ref random, split) : random.Pick<Combination>(_trained);
                int kind = 1 << (int)shape.Kind, colour = 1 << (int)shape.Colour;
                if ((kinds & kind) != 0 || (colours & colour) != 0) continue;
                kinds |= kind;
                colours |= colour;
                shapes[placed++] = shape;
            }
            if (placed == count) return shapes;
        }
    }

    /// <summary>Sizes and places for shapes; where large ones find no room, all become small.</summary>
    internal static Scene Place(ref RandomStream random, ReadOnlySpan<Combination> shapes)
    {
        int grey = random.Below(28) + 12;
        byte red = (byte)(grey + random.Below(9)), green = (byte)(grey + random.Below(9)), blue = (byte)(grey + random.Below(13));
        for (int attempt = 0; ; attempt++)
        {
            var objects = new SceneObject[shapes.Length];
            int placed = 0;
            while (placed < shapes.Length)
            {
                ShapeSize size = random.Chance(0.5) && attempt < 8 ? ShapeSize.Large : ShapeSize.Small;
                if (TryPlace(ref random, shapes[placed], size, objects.AsSpan(0, placed)) is not SceneObject shape) break;
                objects[placed++] = shape;
            }
            if (placed == shapes.Length) return new Scene(objects, red, green, blue);
        }
    }

    /// <summary>One more shape where the others leave room, or null.</summary>
    internal static SceneObject? TryPlace(ref RandomStream random, Combination shape, ShapeSize size, ReadOnlySpan<SceneObject> others)
    {
        double radius = size == ShapeSize.Small ? random.Uniform(0.105, 0.12) : random.Uniform(0.165, 0.185);
        double margin = radius * SceneObject.Extent + 0.01;
        for (int tries = 0; tries < 30; tries++)
        {
            double x = random.Uniform(margin, 1 - margin), y = random.Uniform(margin, 1 - margin);
            bool free = true;
            foreach (SceneObject other in others)
            {
                double apart = (radius + other.Radius) * SceneObject.Extent + Gap;
                double offX = x - other.X, offY = y - other.Y;
                free &= offX * offX + offY * offY >= apart * apart;
            }
            if (!free) continue;
            (byte red, byte green, byte blue) = Paint[(int)shape.Colour];
            return new SceneObject(shape.Kind, shape.Colour, size, x, y, radius, random.Uniform(-0.06, 0.06),
                Shade(ref random, red), Shade(ref random, green), Shade(ref random, blue));
        }
        return null;
    }

    /// <summary>The same shape in another colour.</summary>
    internal static SceneObject Recolour(ref RandomStream random, SceneObject shape, ShapeColour colour)
    {
        (byte red, byte green, byte blue) = Paint[(int)colour];
        return shape with { Colour = colour, Red = Shade(ref random, red), Green = Shade(ref random, green), Blue = Shade(ref random, blue) };
    }

    private static byte Shade(ref RandomStream random, byte value) => (byte)Math.Clamp(value + random.Below(25) - 12, 0, 255);
}
