using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Backward of output = activation(gate) * up in one pass: dGate = dOutput * up * activation'(gate),
/// dUp = dOutput * activation(gate), and the output itself where it is asked for.
/// </summary>
/// <remarks>All of an element is loaded before any of it is stored, so every gradient may lie where its operand lies.</remarks>
internal unsafe struct GatedBackwardJob<TActivation> : IRangeJob where TActivation : struct, IActivation
{
    public LinePlan Plan;
    public float* OutputGradient;
    public float* Gate;
    public float* Up;
    public float* GateGradient;
    public float* UpGradient;
    public float* Output;
    public long StepOutputGradient;
    public long StepGate;
    public long StepUp;
    public long StepGateGradient;
    public long StepUpGradient;
    public long StepOutput;

    public static void Run(WorkerPool pool, in GatedActivationBackwardArgs args)
    {
        long rows = args.Rows, columns = args.Columns;
        bool contiguous = LinePlan.IsContiguous(args.OutputGradient, rows, columns)
            && LinePlan.IsContiguous(args.Gate, rows, columns) && LinePlan.IsContiguous(args.Up, rows, columns)
            && LinePlan.IsContiguous(args.GateGradient, rows, columns) && LinePlan.IsContiguous(args.UpGradient, rows, columns)
            && (!args.Output.IsPresent || LinePlan.IsContiguous(args.Output, rows, columns));
        var plan = new LinePlan(rows, columns, contiguous);
        var job = new GatedBackwardJob<TActivation>
        {
            Plan = plan,
            OutputGradient = (float*)args.OutputGradient.Data,
            Gate = (float*)args.Gate.Data,
            Up = (float*)args.Up.Data,
            GateGradient = (float*)args.GateGradient.Data,
            UpGradient = (float*)args.UpGradient.Data,
            Output = (float*)args.Output.Data,
            StepOutputGradient = plan.Step(args.OutputGradient),
            StepGate = plan.Step(args.Gate),
            StepUp = plan.Step(args.Up),
            StepGateGradient = plan.Step(args.GateGradient),
            StepUpGradient = plan.Step(args.UpGradient),
            StepOutput = plan.Step(args.Output),
        };
        pool.For(plan.Lines, plan.Grain(LinePlan.HeavyGrain), ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        for (long line = begin; line < end; line++)
        {
            float* outputGradient = OutputGradient + line * StepOutputGradient, gate = Gate + line * StepGate, up = Up + line * StepUp;
            float* gateGradient = GateGradient + line * StepGateGradient, upGradient = UpGradient + line * StepUpGradient;
            long n = Plan.Length(line);
            if (Output is null) Line<Forget>(outputGradient, gate, up, gateGradient, upGradient, null, n);
            else Line<Rebuild>(outputGradient, gate, up, gateGradient, upGradient, Output + line * StepOutput, n);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // its own budget of inlining: see WorkerPool.Chunk
    private static void Line<TOutput>(float* outputGradient, float* gate, float* up, float* gateGradient, float* upGradient, float* output, long n)
        where TOutput : struct, IOutputChoice
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated) i = Loop<Simd512, TOutput>(outputGradient, gate, up, gateGradient, upGradient, output, i, n);
        if (Vector256.IsHardwareAccelerated) i = Loop<Simd256, TOutput>(outputGradient, gate, up, gateGradient, upGradient, output, i, n);
        if (Vector128.IsHardwareAccelerated) i = Loop<Simd128, TOutput>(outputGradient, gate, up, gateGradient, upGradient, output, i, n);
        Loop<SimdScalar, TOutput>(outputGradient, gate, up, gateGradient, upGradient, output, i, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Loop<T, TOutput>(float* outputGradient, float* gate, float* up, float* gateGradient, float* upGradient, float* output, long i, long n)
        where T : unmanaged, ISimd<T>
        where TOutput : struct, IOutputChoice
    {
        for (; i <= n - T.Count; i += T.Count)
        {
            T dy = T.Load(outputGradient + i), u = T.Load(up + i);
            TActivation.ForwardAndDerivative(T.Load(gate + i), out T value, out T derivative);
            T.Store(dy * u * derivative, gateGradient + i);
            T.Store(dy * value, upGradient + i);
            if (TOutput.IsWanted) T.Store(value * u, output + i);
        }
        return i;
    }

    private interface IOutputChoice
    {
        static abstract bool IsWanted { get; }
    }

    private struct Rebuild : IOutputChoice
    {
        public static bool IsWanted => true;
    }

    private struct Forget : IOutputChoice
    {
        public static bool IsWanted => false;
    }
}
