using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>One line of a cast.</summary>
internal unsafe interface ICast
{
    static abstract void Line(byte* source, byte* target, long n);
}

/// <summary>A cast over lines.</summary>
internal unsafe struct CastJob<TCast> : IRangeJob where TCast : struct, ICast
{
    public LinePlan Plan;
    public byte* X;
    public byte* Output;
    public long StepX;
    public long StepOutput;

    public static void Run(WorkerPool pool, in CastArgs args)
    {
        long rows = args.Rows, columns = args.Columns;
        var plan = new LinePlan(rows, columns, LinePlan.IsContiguous(args.X, rows, columns) && LinePlan.IsContiguous(args.Output, rows, columns));
        var job = new CastJob<TCast>
        {
            Plan = plan,
            X = (byte*)args.X.Data,
            Output = (byte*)args.Output.Data,
            StepX = plan.Step(args.X) * args.X.DType.Size(),
            StepOutput = plan.Step(args.Output) * args.Output.DType.Size(),
        };
        pool.For(plan.Lines, plan.Grain(LinePlan.LightGrain), ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        for (long line = begin; line < end; line++) TCast.Line(X + line * StepX, Output + line * StepOutput, Plan.Length(line));
    }
}

/// <summary>From dtypes to the types below.</summary>
internal static class Casts
{
    public static void Run(WorkerPool pool, in CastArgs args)
    {
        switch (args.X.DType)
        {
            case DType.Float64: From<double>(pool, args); break;
            case DType.Float32: From<float>(pool, args); break;
            case DType.BFloat16: From<BFloat16>(pool, args); break;
            case DType.Float16: From<Half>(pool, args); break;
            case DType.Int64: From<long>(pool, args); break;
            case DType.Int32: From<int>(pool, args); break;
            case DType.UInt8: From<byte>(pool, args); break;
            default: From<BoolByte>(pool, args); break;
        }
    }

    private static void From<TFrom>(WorkerPool pool, in CastArgs args) where TFrom : unmanaged
    {
        switch (args.Output.DType)
        {
            case DType.Float64: CastJob<AnyCast<TFrom, double>>.Run(pool, args); break;
            case DType.Float32: To32<TFrom>(pool, args); break;
            case DType.BFloat16 when typeof(TFrom) == typeof(float): CastJob<Float32ToBFloat16>.Run(pool, args); break;
            case DType.BFloat16: CastJob<AnyCast<TFrom, BFloat16>>.Run(pool, args); break;
            case DType.Float16 when typeof(TFrom) == typeof(float): CastJob<Float32ToFloat16>.Run(pool, args); break;
            case DType.Float16: CastJob<AnyCast<TFrom, Half>>.Run(pool, args); break;
            case DType.Int64: CastJob<AnyCast<TFrom, long>>.Run(pool, args); break;
            case DType.Int32: CastJob<AnyCast<TFrom, int>>.Run(pool, args); break;
            case DType.UInt8: CastJob<AnyCast<TFrom, byte>>.Run(pool, args); break;
            default: CastJob<AnyCast<TFrom, BoolByte>>.Run(pool, args); break;
        }
    }

    private static void To32<TFrom>(WorkerPool pool, in CastArgs args) where TFrom : unmanaged
    {
        if (typeof(TFrom) == typeof(BFloat16)) CastJob<BFloat16ToFloat32>.Run(pool, args);
        else if (typeof(TFrom) == typeof(Half)) CastJob<Float16ToFloat32>.Run(pool, args);
        else CastJob<AnyCast<TFrom, float>>.Run(pool, args);
    }
}

/// <summary>Any pair, element by element.</summary>
internal readonly unsafe struct AnyCast<TFrom, TTo> : ICast where TFrom : unmanaged where TTo : unmanaged
{
    public static void Line(byte* source, byte* target, long n)
    {
        var x = (TFrom*)source;
        var y = (TTo*)target;
        for (long i = 0; i < n; i++) y[i] = Conversion.To<TFrom, TTo>(x[i]);
    }
}

internal readonly unsafe struct Float32ToBFloat16 : ICast
{
    public static void Line(byte* source, byte* target, long n)
    {
        var x = (float*)source;
        var y = (ushort*)target;
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i <= n - 32; i += 32) Vector512.Narrow(Round(Vector512.Load(x + i)), Round(Vector512.Load(x + i + 16))).Store(y + i);
        }
        for (; i <= n - 16; i += 16) Vector256.Narrow(Round(Vector256.Load(x + i)), Round(Vector256.Load(x + i + 8))).Store(y + i);
        for (; i < n; i++) y[i] = ((BFloat16)x[i]).ToBits();
    }

    /// <summary>The upper halves, to nearest, ties to even; NaN becomes quiet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Round(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32(), upper = bits >> 16;
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + (upper & Vector512.Create(1u))) >> 16;
        return Vector512.ConditionalSelect(Vector512.IsNaN(value).AsUInt32(), upper | Vector512.Create(0x0040u), rounded);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Round(Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32(), upper = bits >> 16;
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256.Create(1u))) >> 16;
        return Vector256.ConditionalSelect(Vector256.IsNaN(value).AsUInt32(), upper | Vector256.Create(0x0040u), rounded);
    }
}

internal readonly unsafe struct BFloat16ToFloat32 : ICast
{
    public static void Line(byte* source, byte* target, long n)
    {
        var x = (ushort*)source;
        var y = (uint*)target;
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i <= n - 32; i += 32)
            {
                (Vector512<uint> lower, Vector512<uint> upper) = Vector512.Widen(Vector512.Load(x + i));
                (lower << 16).Store(y + i);
                (upper << 16).Store(y + i + 16);
            }
        }
        for (; i <= n - 16; i += 16)
        {
            (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(Vector256.Load(x + i));
            (lower << 16).Store(y + i);
            (upper << 16).Store(y + i + 8);
        }
        for (; i < n; i++) y[i] = (uint)x[i] << 16;
    }
}

internal readonly unsafe struct Float32ToFloat16 : ICast
{
    public static void Line(byte* source, byte* target, long n) =>
        TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(source, checked((int)n)), new Span<Half>(target, (int)n));
}

internal readonly unsafe struct Float16ToFloat32 : ICast
{
    public static void Line(byte* source, byte* target, long n) =>
        TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(source, checked((int)n)), new Span<float>(target, (int)n));
}
