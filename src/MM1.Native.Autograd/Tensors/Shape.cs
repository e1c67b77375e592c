using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace MM1.Native.Autograd;

/// <summary>Extents of a tensor, slowest first, at most six; a value without heap memory. Written <c>[2, 3]</c>; <c>[]</c> is a scalar.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
[SuppressMessage("Naming", "CA1710", Justification = "A shape is a shape; it is enumerable for collection expressions.")]
public readonly struct Shape : IEquatable<Shape>, IEnumerable<long>
{
    /// <summary>Most dimensions that a tensor can have.</summary>
    public const int MaximumRank = 6;

    private readonly Extents _extents;

    [InlineArray(MaximumRank)]
    private struct Extents
    {
        private long _first;
    }

    /// <summary>A shape of the given extents.</summary>
    /// <exception cref="ArgumentException">There are more than six, or one is negative.</exception>
    public Shape(params ReadOnlySpan<long> extents)
    {
        if (extents.Length > MaximumRank)
            throw new ArgumentException($"A tensor has at most {MaximumRank} dimensions; {extents.Length} were given.", nameof(extents));
        Rank = extents.Length;
        long elements = 1;
        for (int i = 0; i < extents.Length; i++)
        {
            if (extents[i] < 0) throw new ArgumentException($"Dimension {i} is {extents[i]}; it must not be negative.", nameof(extents));
            _extents[i] = extents[i];
            elements = checked(elements * extents[i]);
        }
        Elements = elements;
    }

    /// <summary>For collection expressions.</summary>
    public static Shape Create(ReadOnlySpan<long> extents) => new(extents);

    /// <summary>Number of dimensions.</summary>
    public int Rank { get; }

    /// <summary>Product of the extents; 1 for a scalar.</summary>
    public long Elements { get; }

    /// <summary>Extent of a dimension, also from the end: <c>shape[^1]</c>.</summary>
    public long this[int dimension] => dimension >= 0 && dimension < Rank
        ? _extents[dimension]
        : throw new ArgumentOutOfRangeException(nameof(dimension), dimension, $"Shape {this} has {Rank} dimensions.");

    /// <summary>Number of dimensions, for <c>shape[^1]</c>.</summary>
    public int Count => Rank;

    /// <summary>The last extent: elements of one contiguous row; 1 for a scalar.</summary>
    public long Columns => Rank == 0 ? 1 : _extents[Rank - 1];

    /// <summary>Product of all extents but the last.</summary>
    public long Rows
    {
        get
        {
            long rows = 1;
            for (int i = 0; i < Rank - 1; i++) rows *= _extents[i];
            return rows;
        }
    }

    /// <summary>The same shape with another last extent.</summary>
    public Shape WithColumns(long columns) => With(Rank - 1, columns);

    /// <summary>The same shape with another extent in one dimension.</summary>
    public Shape With(int dimension, long extent)
    {
        if (dimension < 0 || dimension >= Rank) throw new ArgumentOutOfRangeException(nameof(dimension), dimension, $"Shape {this} has {Rank} dimensions.");
        Span<long> extents = stackalloc long[Rank];
        CopyTo(extents);
        extents[dimension] = extent;
        return new Shape(extents);
    }

    /// <summary>Copies the extents.</summary>
    public void CopyTo(Span<long> destination)
    {
        for (int i = 0; i < Rank; i++) destination[i] = _extents[i];
    }

    /// <inheritdoc/>
    public bool Equals(Shape other)
    {
        if (Rank != other.Rank || Elements != other.Elements) return false;
        for (int i = 0; i < Rank; i++)
        {
            if (_extents[i] != other._extents[i]) return false;
        }
        return true;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        for (int i = 0; i < Rank; i++) hash.Add(_extents[i]);
        return hash.ToHashCode();
    }

    /// <summary>Same rank and extents.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Another rank or extent.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary><c>[2, 3]</c>.</summary>
    public override string ToString() => "[" + string.Join(", ", this.Select(extent => extent.ToString(CultureInfo.InvariantCulture))) + "]";

    /// <inheritdoc/>
    public IEnumerator<long> GetEnumerator()
    {
        for (int i = 0; i < Rank; i++) yield return _extents[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
