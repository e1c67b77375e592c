using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Sums over sixteen rows of a few columns at once. The rows are turned, so that each is a lane; a lane adds what it has in the order of
/// <see cref="RowMath"/>, as if that summed its row alone, and the bits are the same. Where rows are a register or two, most of the time
/// otherwise goes into the tails and into adding the lanes of one register.
/// </summary>
internal static unsafe class NarrowRows512
{
    /// <summary>Rows of one batch.</summary>
    public const int Rows = 16;

    /// <summary>Floats of one turned batch.</summary>
    public const int Floats = MaximumColumns * Rows;

    private const int MinimumColumns = 16, MaximumColumns = 47; // from three registers on turning the rows costs what it saves

    /// <summary>Whether rows of so many columns are summed here.</summary>
    public static bool Covers(long columns) => Avx512F.IsSupported && columns is >= MinimumColumns and <= MaximumColumns;

    /// <summary>turned[column, row] = x[offsets[row] + column].</summary>
    public static void Turn(float* x, nint* offsets, int columns, float* turned)
    {
        for (int column = 0; column + Rows <= columns; column += Rows) Transpose512.Turn(x + column, offsets, turned + column * Rows, Rows);
        // The last columns with some of those before them once more.
        if (columns % Rows != 0) Transpose512.Turn(x + columns - Rows, offsets, turned + (columns - Rows) * Rows, Rows);
    }

    /// <summary>Every lane's sum over columns, as <see cref="RowMath"/> adds: one register takes all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sum<TTerm>(in TTerm term, int columns) where TTerm : struct, ITerm => Sum<TTerm, Off>(term, columns);

    /// <summary>The same where two registers take turns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SumInTurns<TTerm>(in TTerm term, int columns) where TTerm : struct, ITerm => Sum<TTerm, On>(term, columns);

    /// <summary>Lanes [0, count) of columns [column, column + 16), as a mask for loads and stores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Mask(int columns, int column) =>
        Vector512.GreaterThan(Vector512.Create(columns - column), Vector512<int>.Indices).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source, Vector512<float> mask) => Avx512F.MaskLoad(source, mask, Vector512<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sum<TTerm, TTurns>(in TTerm term, int columns)
        where TTerm : struct, ITerm
        where TTurns : struct, IFlag
    {
        // Of whole registers of a row; the halves are added until one lane is left.
        int whole = columns & -Rows;
        Vector512<float> even = Quarter<TTerm, TTurns>(term, 0, whole) + Quarter<TTerm, TTurns>(term, 2, whole);
        Vector512<float> odd = Quarter<TTerm, TTurns>(term, 1, whole) + Quarter<TTerm, TTurns>(term, 3, whole);
        Vector512<float> sum = even + odd;
        for (int column = whole; column < columns; column++) sum = term.AddTo(sum, column);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quarter<TTerm, TTurns>(in TTerm term, int lane, int whole)
        where TTerm : struct, ITerm
        where TTurns : struct, IFlag =>
        (Lane<TTerm, TTurns>(term, lane, whole) + Lane<TTerm, TTurns>(term, lane + 8, whole))
        + (Lane<TTerm, TTurns>(term, lane + 4, whole) + Lane<TTerm, TTurns>(term, lane + 12, whole));

    /// <summary>What one lane of the register or the two registers of sums would hold.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Lane<TTerm, TTurns>(in TTerm term, int lane, int whole)
        where TTerm : struct, ITerm
        where TTurns : struct, IFlag
    {
        Vector512<float> first = term.AddTo(Vector512<float>.Zero, lane), second = Vector512<float>.Zero;
        if (whole > Rows)
        {
            if (TTurns.IsOn) second = term.AddTo(second, lane + Rows);
            else first = term.AddTo(first, lane + Rows);
        }
        return first + second;
    }

    /// <summary>What is summed.</summary>
    public interface ITerm
    {
        /// <summary>The sum with one column's term.</summary>
        Vector512<float> AddTo(Vector512<float> sum, int column);
    }

    /// <summary>x.</summary>
    public readonly struct Value(float* x) : ITerm
    {
        private readonly float* _x = x;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> AddTo(Vector512<float> sum, int column) => sum + Vector512.Load(_x + column * Rows);
    }

    /// <summary>(x - center)^2.</summary>
    public readonly struct Square(float* x, Vector512<float> center) : ITerm
    {
        private readonly float* _x = x;
        private readonly Vector512<float> _center = center;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> AddTo(Vector512<float> sum, int column)
        {
            Vector512<float> distance = Vector512.Load(_x + column * Rows) - _center;
            return Vector512.FusedMultiplyAdd(distance, distance, sum);
        }
    }

    /// <summary>g, or with <typeparamref name="TWeight"/> g * weight.</summary>
    public readonly struct Gradient<TWeight>(float* g, float* weight) : ITerm where TWeight : struct, IFlag
    {
        private readonly float* _g = g, _weight = weight;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> AddTo(Vector512<float> sum, int column) => sum + At(column);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> At(int column)
        {
            Vector512<float> g = Vector512.Load(_g + column * Rows);
            return TWeight.IsOn ? g * Vector512.Create(_weight[column]) : g;
        }
    }

    /// <summary>That times (x - center).</summary>
    public readonly struct Product<TWeight>(Gradient<TWeight> gradient, float* x, Vector512<float> center) : ITerm where TWeight : struct, IFlag
    {
        private readonly Gradient<TWeight> _gradient = gradient;
        private readonly float* _x = x;
        private readonly Vector512<float> _center = center;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> AddTo(Vector512<float> sum, int column) =>
            Vector512.FusedMultiplyAdd(_gradient.At(column), Vector512.Load(_x + column * Rows) - _center, sum);
    }
}
