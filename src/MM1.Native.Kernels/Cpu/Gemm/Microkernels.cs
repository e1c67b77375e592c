using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Register tiles: <c>c[i, j] (+)= sum over k of a[i, k] b[k, j]</c> for a few rows i and up to three registers of columns j.
/// Each sum is one chain of fused multiply-adds in ascending k, whatever the shape of the tile and the width of the registers
/// (multiplications and additions on machines without fused ones).
/// </summary>
internal static unsafe class Microkernels<T> where T : unmanaged, ISimd<T>
{
    /// <summary>
    /// Multiplies <paramref name="depth"/> steps. Element (i, k) of a lies at <c>i * aRow + k * aStep</c>, row k of b at <c>k * bStep</c>,
    /// row i of c at <c>i * cRow</c>. Adds to c with <paramref name="accumulate"/>, else overwrites it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(int rows, int registers, nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        if (typeof(T) == typeof(Simd512)) Microkernels512.Multiply(rows, registers, depth, a, aRow, aStep, b, bStep, c, cRow, accumulate);
        else if (typeof(T) == typeof(Simd256)) Microkernels256.Multiply(rows, registers, depth, a, aRow, aStep, b, bStep, c, cRow, accumulate);
        else if (typeof(T) == typeof(Simd128)) Microkernels128.Multiply(rows, registers, depth, a, aRow, aStep, b, bStep, c, cRow, accumulate);
        else Scalar(rows, registers, depth, a, aRow, aStep, b, bStep, c, cRow, accumulate);
    }

    /// <summary>Without SIMD registers are single numbers, and every sum is formed on its own.</summary>
    private static void Scalar(int rows, int columns, nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        for (nint i = 0; i < rows; i++)
        {
            for (nint j = 0; j < columns; j++)
            {
                float sum = 0;
                for (nint k = 0; k < depth; k++) sum = float.MultiplyAddEstimate(a[i * aRow + k * aStep], b[k * bStep + j], sum);
                c[i * cRow + j] = accumulate ? c[i * cRow + j] + sum : sum;
            }
        }
    }
}
