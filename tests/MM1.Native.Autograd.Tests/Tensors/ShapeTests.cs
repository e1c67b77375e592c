using FsCheck.Xunit;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class ShapeTests
{
    [Fact]
    public void CollectionExpressionsMakeShapes()
    {
        Shape shape = [2, 3, 4];
        Assert.Equal(new Shape(2, 3, 4), shape);
        Assert.Equal(3, shape.Rank);
        Assert.Equal(24, shape.Elements);
        Assert.Equal(6, shape.Rows);
        Assert.Equal(4, shape.Columns);
        Assert.Equal(4, shape[^1]);
        Assert.Equal(2, shape[0]);
        Assert.Equal("[2, 3, 4]", shape.ToString());
        Shape spread = [.. shape, 5];
        Assert.Equal([2, 3, 4, 5], spread);
    }

    [Fact]
    public void TheScalarHasOneElement()
    {
        Shape scalar = [];
        Assert.Equal((0, 1, 1, 1), (scalar.Rank, scalar.Elements, scalar.Rows, scalar.Columns));
        Assert.Equal("[]", scalar.ToString());
        Assert.NotEqual(scalar, [1]);
        Assert.Contains("dimension", Assert.Throws<ArgumentOutOfRangeException>(() => scalar.With(0, 2)).Message, StringComparison.Ordinal);
        Assert.Contains("has 0 dimensions", Assert.Throws<ArgumentOutOfRangeException>(() => scalar.WithColumns(2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SevenDimensionsAreTooMany()
    {
        Shape six = [1, 2, 3, 4, 5, 6];
        Assert.Equal(720, six.Elements);
        Assert.Contains("at most 6 dimensions; 7 were given", Assert.Throws<ArgumentException>(() => new Shape(1, 2, 3, 4, 5, 6, 7)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ExtentsMustNotBeNegative()
    {
        Assert.Contains("Dimension 1 is -3", Assert.Throws<ArgumentException>(() => new Shape(2, -3)).Message, StringComparison.Ordinal);
        Assert.Throws<OverflowException>(() => new Shape(long.MaxValue, 2));
        Shape shape = [2, 3];
        Assert.Contains("Dimension 1 is -1", Assert.Throws<ArgumentException>(() => shape.WithColumns(-1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DimensionsOutsideThrow()
    {
        Shape shape = [2, 3];
        Assert.Contains("Shape [2, 3] has 2 dimensions", Assert.Throws<ArgumentOutOfRangeException>(() => shape[2]).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => shape[-1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => shape.With(2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => shape.With(-1, 1));
    }

    [Property]
    public void ExtentsRoundTrip(byte[] bytes)
    {
        long[] extents = Extents(bytes);
        var shape = new Shape(extents);
        Assert.Equal(extents.Length, shape.Rank);
        Assert.Equal(extents.Length, shape.Count);
        Assert.Equal(extents.Aggregate(1L, (product, extent) => product * extent), shape.Elements);
        Assert.Equal(shape.Elements, shape.Rows * shape.Columns);
        Assert.Equal(extents, shape.ToArray());
        var copy = new long[shape.Rank];
        shape.CopyTo(copy);
        Assert.Equal(extents, copy);
        Assert.Equal($"[{string.Join(", ", extents)}]", shape.ToString());
        for (int i = 0; i < extents.Length; i++) Assert.Equal((extents[i], extents[^(i + 1)]), (shape[i], shape[^(i + 1)]));
    }

    [Property]
    public void EqualityIsThatOfExtents(byte[] left, byte[] right)
    {
        long[] a = Extents(left), b = Extents(right);
        Shape shapeA = new(a), shapeB = new(b);
        bool same = a.SequenceEqual(b);
        Assert.Equal(same, shapeA == shapeB);
        Assert.Equal(!same, shapeA != shapeB);
        Assert.Equal(same, shapeA.Equals((object)shapeB));
        Assert.True(shapeA.Equals(new Shape(a)));
        Assert.Equal(shapeA.GetHashCode(), new Shape(a).GetHashCode());
        Assert.False(shapeA.Equals("a string"));
    }

    [Property]
    public void WithChangesOneExtent(byte[] bytes, byte dimension, byte extent)
    {
        long[] extents = Extents(bytes);
        if (extents.Length == 0) return;
        int changed = dimension % extents.Length;
        Shape result = new Shape(extents).With(changed, extent);
        extents[changed] = extent;
        Assert.Equal(new Shape(extents), result);
        Assert.Equal(result.WithColumns(5), result.With(result.Rank - 1, 5));
    }

    private static long[] Extents(byte[]? bytes) => [.. (bytes ?? []).Take(Shape.MaximumRank).Select(value => (long)value)];
}
