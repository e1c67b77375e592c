using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>What happens to a tile of one k block's sums while it is still in the L1 cache.</summary>
internal static unsafe class GemmEpilogue<T> where T : unmanaged, ISimd<T>
{
    /// <summary>
    /// Joins a tile of sums of one k block (rows of <see cref="GemmTile.Columns{T}"/>) to the output from (row, column) on: scales it, adds it to the
    /// blocks before (to <c>Beta * Output</c> in the first), and after the last block does bias, activation and residual.
    /// </summary>
    public static void Finish(ref readonly GemmProblem problem, float* tile, nint row, nint column, int rows, int columns, bool first, bool last)
    {
        if (!last)
        {
            Add(in problem, tile, row, column, rows, columns, first);
            return;
        }
        var finish = new FinishVisitor(in problem, tile, row, column, rows, columns, first);
        Activations.Dispatch(problem.Activation, ref finish);
    }

    private readonly ref struct FinishVisitor(ref readonly GemmProblem problem, float* tile, nint row, nint column, int rows, int columns, bool first) : IActivationVisitor
    {
        private readonly ref readonly GemmProblem _problem = ref problem;
        private readonly float* _tile = tile;
        private readonly nint _row = row, _column = column;
        private readonly int _rows = rows, _columns = columns;
        private readonly bool _first = first;

        public void Visit<TActivation>() where TActivation : struct, IActivation =>
            Finish<TActivation>(in _problem, _tile, _row, _column, _rows, _columns, _first);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(ref readonly GemmProblem problem, float* tile, nint row, nint column, int rows, int columns, bool first)
    {
        var operands = new Row(in problem, tile, row, column);
        for (int i = 0; i < rows; i++, operands.Next(in problem))
        {
            int j = 0;
            for (; j + T.Count <= columns; j += T.Count) T.Store(Sum<T>(in problem, in operands, j, first), operands.Sums + j);
            if (T.Count > Simd256.Count && j + Simd256.Count <= columns)
            {
                Simd256.Store(Sum<Simd256>(in problem, in operands, j, first), operands.Sums + j);
                j += Simd256.Count;
            }
            for (; j < columns; j++) SimdScalar.Store(Sum<SimdScalar>(in problem, in operands, j, first), operands.Sums + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish<TActivation>(ref readonly GemmProblem problem, float* tile, nint row, nint column, int rows, int columns, bool first)
        where TActivation : struct, IActivation
    {
        var operands = new Row(in problem, tile, row, column);
        for (int i = 0; i < rows; i++, operands.Next(in problem))
        {
            int j = 0;
            for (; j + T.Count <= columns; j += T.Count) Element<T, TActivation>(in problem, in operands, j, first);
            if (T.Count > Simd256.Count && typeof(TActivation) == typeof(IdentityActivation) && j + Simd256.Count <= columns)
            {
                Element<Simd256, TActivation>(in problem, in operands, j, first);
                j += Simd256.Count;
            }
            for (; j < columns; j++) Element<SimdScalar, TActivation>(in problem, in operands, j, first);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Sum<TLanes>(ref readonly GemmProblem problem, ref readonly Row operands, int j, bool first) where TLanes : unmanaged, ISimd<TLanes>
    {
        TLanes sum = TLanes.Load(operands.Tile + j), alpha = TLanes.Create(problem.Alpha);
        if (!first) return TLanes.MultiplyAdd(alpha, sum, TLanes.Load(operands.Sums + j));
        sum = alpha * sum;
        return problem.Beta == 0 ? sum : TLanes.MultiplyAdd(TLanes.Create(problem.Beta), TLanes.Load(operands.Output + j), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Element<TLanes, TActivation>(ref readonly GemmProblem problem, ref readonly Row operands, int j, bool first)
        where TLanes : unmanaged, ISimd<TLanes> where TActivation : struct, IActivation
    {
        TLanes t = Sum<TLanes>(in problem, in operands, j, first);
        if (operands.Bias != null) t += TLanes.Load(operands.Bias + j);
        if (problem.ActivationGradient)
        {
            if (operands.PreActivation != null)
            {
                TActivation.ForwardAndDerivative(TLanes.Load(operands.PreActivation + j), out _, out TLanes derivative);
                t *= derivative;
            }
        }
        else
        {
            if (operands.PreActivation != null) TLanes.Store(t, operands.PreActivation + j);
            t = TActivation.Forward(t);
        }
        if (operands.Residual != null) t += TLanes.Load(operands.Residual + j);
        TLanes.Store(t, operands.Output + j);
    }

    /// <summary>Where one row of a tile and of the operands begins; absent operands stay null.</summary>
    private struct Row
    {
        public float* Tile, Sums, Output, Bias, Residual, PreActivation;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Row(ref readonly GemmProblem problem, float* tile, nint row, nint column)
        {
            Tile = tile;
            Sums = problem.Sums + row * problem.StrideSums + column;
            Output = problem.Output + row * problem.StrideOutput + column;
            Bias = problem.Bias == null ? null : problem.Bias + column;
            Residual = problem.Residual == null ? null : problem.Residual + row * problem.StrideResidual + column;
            PreActivation = problem.PreActivation == null ? null : problem.PreActivation + row * problem.StridePreActivation + column;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Next(ref readonly GemmProblem problem)
        {
            Tile += GemmTile.Columns<T>();
            Sums += problem.StrideSums;
            Output += problem.StrideOutput;
            if (Residual != null) Residual += problem.StrideResidual;
            if (PreActivation != null) PreActivation += problem.StridePreActivation;
        }
    }
}
