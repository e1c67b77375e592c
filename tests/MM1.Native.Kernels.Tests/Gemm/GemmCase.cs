using System.Collections.Concurrent;
using MM1.Native.TestSupport;

namespace MM1.Native.Kernels.Tests;

/// <summary>One product with all of its options; the text form names it in test output.</summary>
public sealed record GemmCase
{
    /// <summary>One reference serves all devices.</summary>
    private static readonly ConcurrentDictionary<GemmCase, ((double[] Output, double[] PreActivation) Exact, (float[] Output, float[] PreActivation) Straight)> References = new();

    public int M { get; init; }
    public int N { get; init; }
    public int K { get; init; }
    public string Layout { get; init; } = "NN";
    public int Batch { get; init; } = 1;
    public bool ShareA { get; init; }
    public bool ShareB { get; init; }
    public float Alpha { get; init; } = 1;
    public float Beta { get; init; }
    public bool Bias { get; init; }
    public Activation Activation { get; init; }
    public bool Gradient { get; init; }
    public bool PreActivation { get; init; }
    /// <summary>0: none; 1: an operand of its own; 2: the output.</summary>
    public int Residual { get; init; }
    /// <summary>Elements between the rows of every operand, above its columns.</summary>
    public int Padding { get; init; }
    /// <summary>What the operands are stored in; values that go into the reference are rounded to it first.</summary>
    public DType Compute { get; init; } = DType.Float32;
    /// <summary>Whether output, residual and bias are float32 beside operands that are not.</summary>
    public bool Float32Output { get; init; }
    public MathMode MathMode { get; init; }

    private bool TurnA => Layout[0] == 'T';
    private bool TurnB => Layout[1] == 'T';
    private DType OutputType => Float32Output ? DType.Float32 : Compute;

    /// <summary>Runs on the device; returns output and pre-activation, all problems one after the other.</summary>
    public (float[] Output, float[] PreActivation) Run(Device device)
    {
        using DeviceBuffer a = Buffer(device, A(), (ShareA ? 1 : Batch) * (TurnA ? K : M), TurnA ? M : K);
        using DeviceBuffer b = Buffer(device, B(), (ShareB ? 1 : Batch) * (TurnB ? N : K), TurnB ? K : N);
        using var output = new DeviceBuffer(device, (long)Batch * M, N, OutputType, N + Padding);
        if (Beta != 0 || Residual == 2) output.UploadFloats(Old());
        using DeviceBuffer? bias = Bias ? Buffer(device, BiasValues(), 1, N, OutputType) : null;
        using DeviceBuffer? residual = Residual == 1 ? Buffer(device, ResidualValues(), Batch * M, N, OutputType) : null;
        using DeviceBuffer? pre = !PreActivation && !Gradient ? null
            : Gradient ? Buffer(device, PreActivationValues(), Batch * M, N) : new DeviceBuffer(device, (long)Batch * M, N, Compute, N + Padding);
        var args = new GemmArgs
        {
            TransposeA = TurnA ? Transpose.Transposed : Transpose.None,
            TransposeB = TurnB ? Transpose.Transposed : Transpose.None,
            Activation = Activation,
            ActivationGradient = Gradient ? 1 : 0,
            MathMode = MathMode,
            M = M,
            N = N,
            K = K,
            Batch = Batch,
            Alpha = Alpha,
            Beta = Beta,
            A = a,
            B = b,
            Output = output,
            Bias = bias,
            Residual = Residual == 2 ? output : residual,
            PreActivation = pre,
            BatchStrideA = ShareA ? 0 : (TurnA ? K : M) * a.RowStride,
            BatchStrideB = ShareB ? 0 : (TurnB ? N : K) * b.RowStride,
            BatchStrideOutput = M * output.RowStride,
            BatchStrideResidual = M * output.RowStride,
            BatchStridePreActivation = M * output.RowStride,
        };
        long bytes = device.Kernels.GemmWorkspaceBytes(args);
        using var workspace = new DeviceBuffer(device, 1, bytes, DType.UInt8);
        device.Kernels.Gemm(new Launch(0, workspace.Address, bytes), args);
        device.Synchronize();
        workspace.CheckGuards();
        a.CheckGuards();
        b.CheckGuards();
        return (output.DownloadFloats(), pre?.DownloadFloats() ?? []);
    }

    /// <summary>Checks the device's result against the reference in float64.</summary>
    public void Check(Device device)
    {
        (float[] output, float[] pre) = Run(device);
        var references = References.GetOrAdd(this, @case => (@case.Reference<double>(), @case.Straightforward()));
        Agreement.Check($"{this} output", output, references.Exact.Output, references.Straight.Output, stored: Storage.Rounding(OutputType));
        if (PreActivation && !Gradient) Agreement.Check($"{this} pre-activation", pre, references.Exact.PreActivation, references.Straight.PreActivation, stored: Storage.Rounding(Compute));
    }

    /// <summary>The reference's code in the kernel's precision: products and sums in float32, results rounded when they are stored.</summary>
    private (float[] Output, float[] PreActivation) Straightforward()
    {
        (float[] output, float[] pre) = Reference<float>();
        return (Storage.Round(output, OutputType), Storage.Round(pre, Compute));
    }

    private (T[] Output, T[] PreActivation) Reference<T>() where T : System.Numerics.IFloatingPointIeee754<T>
    {
        // tf32 is the kernel's own rounding of float32 operands: the straightforward form has it too, the exact one has not.
        bool tf32 = MathMode == MathMode.Tf32 && typeof(T) == typeof(float);
        T[] a = Samples.As<T>(tf32 ? Storage.RoundToTf32(A()) : A()), b = Samples.As<T>(tf32 ? Storage.RoundToTf32(B()) : B()), old = Samples.As<T>(Old()), residual = Samples.As<T>(ResidualValues()), pre = Samples.As<T>(PreActivationValues());
        var outputs = new List<T>();
        var pres = new List<T>();
        int size = M * N;
        for (int index = 0; index < Batch; index++)
        {
            T[] myPre = pre[(index * size)..((index + 1) * size)], myOld = old[(index * size)..((index + 1) * size)];
            outputs.AddRange(GemmReference<T>.Gemm(TurnA, TurnB, M, N, K, T.CreateChecked(Alpha),
                ShareA ? a : a[(index * M * K)..((index + 1) * M * K)], ShareB ? b : b[(index * K * N)..((index + 1) * K * N)],
                T.CreateChecked(Beta), myOld, Bias ? Samples.As<T>(BiasValues()) : null, Activation, Gradient,
                PreActivation || Gradient ? myPre : null,
                Residual == 0 ? null : Residual == 2 ? myOld : residual[(index * size)..((index + 1) * size)]));
            pres.AddRange(myPre);
        }
        return ([.. outputs], [.. pres]);
    }

    // Element (i, k) depends on i alone for its place, so that a product of fewer rows has the same first rows.
    private float[] A()
    {
        float[] byRow = Storage.Round(Samples.Normal(1, (long)(ShareA ? 1 : Batch) * M * K), Compute);
        if (!TurnA) return byRow;
        var turned = new float[byRow.Length];
        for (int index = 0; index < (ShareA ? 1 : Batch); index++)
        {
            for (int i = 0; i < M; i++)
            {
                for (int k = 0; k < K; k++) turned[index * M * K + k * M + i] = byRow[index * M * K + i * K + k];
            }
        }
        return turned;
    }

    private float[] B() => Storage.Round(Samples.Normal(2, (long)(ShareB ? 1 : Batch) * K * N, K == 0 ? 1 : 1 / Math.Sqrt(K)), Compute);

    private float[] Old() => Storage.Round(Samples.Normal(3, (long)Batch * M * N), OutputType);

    private float[] BiasValues() => Storage.Round(Samples.Normal(4, N), OutputType);

    private float[] ResidualValues() => Storage.Round(Samples.Normal(5, (long)Batch * M * N), OutputType);

    private float[] PreActivationValues() => Storage.Round(Samples.Normal(6, (long)Batch * M * N, 2), Compute);

    private DeviceBuffer Buffer(Device device, float[] values, int rows, int columns, DType? dtype = null)
    {
        var buffer = new DeviceBuffer(device, rows, columns, dtype ?? Compute, columns + Padding);
        buffer.UploadFloats(values);
        return buffer;
    }
}
