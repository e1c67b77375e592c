namespace MM1.Native.Data;

/// <summary>Kinds of shapes of the synthetic world.</summary>
public enum ShapeKind
{
    /// <summary>A disc.</summary>
    Circle,
    /// <summary>A square on its side.</summary>
    Square,
    /// <summary>An equilateral triangle, point up.</summary>
    Triangle,
    /// <summary>A star of five points.</summary>
    Star,
    /// <summary>A plus sign.</summary>
    Cross,
    /// <summary>A disc with a hole.</summary>
    Ring,
}

/// <summary>Colours of shapes of the synthetic world.</summary>
public enum ShapeColour
{
    /// <summary>Red.</summary>
    Red,
    /// <summary>Green.</summary>
    Green,
    /// <summary>Blue.</summary>
    Blue,
    /// <summary>Yellow.</summary>
    Yellow,
    /// <summary>Purple.</summary>
    Purple,
    /// <summary>White.</summary>
    White,
}

/// <summary>Sizes of shapes of the synthetic world.</summary>
public enum ShapeSize
{
    /// <summary>About a quarter of the image across.</summary>
    Small,
    /// <summary>About three eighths of the image across.</summary>
    Large,
}

/// <summary>A colour with a kind: what is held out, and what a caption must name.</summary>
/// <param name="Colour">The colour.</param>
/// <param name="Kind">The kind.</param>
public readonly record struct Combination(ShapeColour Colour, ShapeKind Kind);

/// <summary>One shape; lengths are in units of the image's side, y grows downward.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Colour">The colour that it is called.</param>
/// <param name="Size">The size that it is called.</param>
/// <param name="X">Centre.</param>
/// <param name="Y">Centre.</param>
/// <param name="Radius">Nominal radius.</param>
/// <param name="Tilt">Tangent of half the angle by which it is turned.</param>
/// <param name="Red">Painted colour, 0 to 255.</param>
/// <param name="Green">Painted colour, 0 to 255.</param>
/// <param name="Blue">Painted colour, 0 to 255.</param>
public sealed record SceneObject(
    ShapeKind Kind, ShapeColour Colour, ShapeSize Size, double X, double Y, double Radius, double Tilt, byte Red, byte Green, byte Blue)
{
    /// <summary>Every shape lies inside a circle of this many nominal radii.</summary>
    public const double Extent = 1.12;

    /// <summary>Colour and kind.</summary>
    public Combination Combination => new(Colour, Kind);
}

/// <summary>A picture before it is painted: shapes that do not touch each other, on a plain dark ground.</summary>
/// <param name="Objects">The shapes, in no order that means anything.</param>
/// <param name="BackgroundRed">Ground, 0 to 255.</param>
/// <param name="BackgroundGreen">Ground, 0 to 255.</param>
/// <param name="BackgroundBlue">Ground, 0 to 255.</param>
public sealed record Scene(IReadOnlyList<SceneObject> Objects, byte BackgroundRed, byte BackgroundGreen, byte BackgroundBlue);

/// <summary>A scene as an image: painted each time it is asked for, so that a document that nobody looks at costs nothing.</summary>
/// <param name="Scene">The scene.</param>
/// <param name="Size">Pixels of a side.</param>
public sealed record SceneImage(Scene Scene, int Size) : IImageSource
{
    /// <inheritdoc/>
    public ImageData Load() => SceneRenderer.Render(Scene, Size);
}

/// <summary>Where one shape lies from another.</summary>
public enum Direction
{
    /// <summary>Left of it.</summary>
    Left,
    /// <summary>Right of it.</summary>
    Right,
    /// <summary>Above it.</summary>
    Above,
    /// <summary>Below it.</summary>
    Below,
}

/// <summary>Relations between shapes.</summary>
public static class SceneRelations
{
    /// <summary>
    /// Where <paramref name="subject"/> lies from <paramref name="reference"/>, or null where a person might hesitate: one offset must be at least a
    /// fifth of the image and 1.8 times the other.
    /// </summary>
    public static Direction? DirectionFrom(this SceneObject subject, SceneObject reference)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(reference);
        double x = subject.X - reference.X, y = subject.Y - reference.Y;
        double across = Math.Abs(x), down = Math.Abs(y);
        if (across >= 0.2 && across >= 1.8 * down) return x < 0 ? Direction.Left : Direction.Right;
        if (down >= 0.2 && down >= 1.8 * across) return y < 0 ? Direction.Above : Direction.Below;
        return null;
    }
}
