using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// General matrix product with a fused epilogue, for each of <c>Batch</c> problems:
    /// <c>t = Alpha * op(A) op(B) + Beta * Output + Bias</c>, then <c>Output = activation(t) + Residual</c>.
    /// Sums run over k ascending in constant blocks. K = 0 gives the epilogue of zero.
    /// </summary>
    void Gemm(in Launch launch, in GemmArgs args);

    /// <summary>Scratch bytes of <see cref="Gemm"/>.</summary>
    long GemmWorkspaceBytes(in GemmArgs args);

    /// <summary>Column sums of an output gradient: <c>BiasGradient[n] = sum over m of OutputGradient[m, n] + Beta * BiasGradient[n]</c>.</summary>
    void BiasGradient(in Launch launch, in BiasGradientArgs args);

    /// <summary>Scratch bytes of <see cref="BiasGradient"/>.</summary>
    long BiasGradientWorkspaceBytes(in BiasGradientArgs args);
}

/// <summary>Whether a matrix is read as it lies or transposed (<c>mm1_transpose</c>).</summary>
public enum Transpose
{
    /// <summary>As it lies.</summary>
    None = 0,
    /// <summary>Rows and columns exchanged.</summary>
    Transposed = 1,
}

/// <summary>Arithmetic of a float32 matrix product (<c>mm1_math_mode</c>).</summary>
public enum MathMode
{
    /// <summary>True to the operands' dtype: float32 products for float32, exact products of bf16, float32 sums.</summary>
    Default = 0,
    /// <summary>float32 operands rounded to tf32 on the tensor cores (about 10 mantissa bits). Devices without it refuse it.</summary>
    Tf32 = 1,
}

/// <summary>Arguments of <see cref="IKernels.Gemm"/> (<c>mm1_gemm_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct GemmArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<GemmArgs>();
    /// <summary>None: A is [M, K]; Transposed: A is [K, M].</summary>
    public Transpose TransposeA;
    /// <summary>None: B is [K, N]; Transposed: B is [N, K] (a linear layer's weight).</summary>
    public Transpose TransposeB;
    /// <summary>Function applied before the residual is added.</summary>
    public Activation Activation;
    /// <summary>Non-zero: the epilogue multiplies by the activation's derivative at <see cref="PreActivation"/> (then an
    /// input) in place of applying the activation: <c>Output = t * activation'(PreActivation) + Residual</c>.</summary>
    public int ActivationGradient;
    /// <summary>Arithmetic.</summary>
    public MathMode MathMode;
    /// <summary>Zero.</summary>
    public int Reserved;
    /// <summary>Rows of the output.</summary>
    public long M;
    /// <summary>Columns of the output.</summary>
    public long N;
    /// <summary>Reduced length.</summary>
    public long K;
    /// <summary>Number of problems; 1 for a plain product.</summary>
    public long Batch = 1;
    /// <summary>Left operand.</summary>
    public Operand A;
    /// <summary>Right operand.</summary>
    public Operand B;
    /// <summary>[M, N]; read only when <see cref="Beta"/> is not 0.</summary>
    public Operand Output;
    /// <summary>Optional, one row of N, shared by the batch.</summary>
    public Operand Bias;
    /// <summary>Optional, [M, N]; may be the output itself.</summary>
    public Operand Residual;
    /// <summary>Optional, [M, N]: receives t (an output), or with <see cref="ActivationGradient"/> supplies it.</summary>
    public Operand PreActivation;
    /// <summary>Elements from one problem's A to the next; 0 shares it.</summary>
    public long BatchStrideA;
    /// <summary>Elements from one problem's B to the next; 0 shares it.</summary>
    public long BatchStrideB;
    /// <summary>Elements from one problem's output to the next; not 0 when Batch exceeds 1.</summary>
    public long BatchStrideOutput;
    /// <summary>Elements from one problem's residual to the next.</summary>
    public long BatchStrideResidual;
    /// <summary>Elements from one problem's pre-activation to the next.</summary>
    public long BatchStridePreActivation;
    /// <summary>Factor on the product.</summary>
    public float Alpha = 1;
    /// <summary>Factor on the old output.</summary>
    public float Beta;

    /// <summary>A plain product of one problem.</summary>
    public GemmArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.BiasGradient"/> (<c>mm1_bias_gradient_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct BiasGradientArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<BiasGradientArgs>();
    /// <summary>Rows summed over.</summary>
    public long Rows;
    /// <summary>Columns.</summary>
    public long Columns;
    /// <summary>[Rows, Columns].</summary>
    public Operand OutputGradient;
    /// <summary>One row of Columns.</summary>
    public Operand BiasGradient;
    /// <summary>Factor on the old gradient.</summary>
    public float Beta;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>All zero.</summary>
    public BiasGradientArgs() { }
}
