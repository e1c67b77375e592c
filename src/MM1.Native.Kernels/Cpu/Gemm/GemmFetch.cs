using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// A matrix that is needed soon, asked for a few cache lines at a time between register tiles: a core's L2 cache then has it when it is read,
/// where copying it first would stop for every line that comes from further away.
/// </summary>
internal unsafe struct GemmFetch
{
    private const int LineElements = 64 / sizeof(float);

    /// <summary>Lines at a time, at most: more would take the core's line buffers from the tile that is computed.</summary>
    private const nint MostLines = 64;

    private float* _row;
    private nint _stride, _rows, _lines, _line, _share;

    /// <summary>Begins with another matrix, to be asked for in that many steps; what is left of the last one is forgotten.</summary>
    public void Start(float* matrix, nint stride, nint rows, nint columns, nint steps)
    {
        _line = 0;
        _rows = Sse.IsSupported ? rows : 0;
        if (columns == stride)
        {
            columns *= rows;
            _rows = Math.Min(_rows, 1);
        }
        _row = matrix;
        _stride = stride;
        _lines = (columns + LineElements - 1) / LineElements;
        _share = Math.Min(MostLines, (_rows * _lines + steps - 1) / Math.Max(steps, 1));
    }

    /// <summary>Asks for the next lines.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step()
    {
        if (_rows > 0) Ask();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private void Ask()
    {
        float* row = _row;
        nint line = _line;
        for (nint left = _share; left > 0; left--)
        {
            Sse.Prefetch1(row + line * LineElements);
            if (++line < _lines) continue;
            line = 0;
            row += _stride;
            if (--_rows == 0) break;
        }
        _row = row;
        _line = line;
    }
}

/// <summary>What a worker fetches: operands of its next block in one, of the next k block in the other.</summary>
internal struct GemmFetches
{
    public GemmFetch Block, Pass;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step()
    {
        Block.Step();
        Pass.Step();
    }
}
