using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Alpha * a + Beta * b.</summary>
internal readonly struct AddMap(float alpha, float beta) : IBinaryMap
{
    public static bool ReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T a, T b, T old) where T : unmanaged, ISimd<T> => T.MultiplyAdd(T.Create(beta), b, T.Create(alpha) * a);
}

/// <summary>a * b.</summary>
internal readonly struct MultiplyMap : IBinaryMap
{
    public static bool ReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T a, T b, T old) where T : unmanaged, ISimd<T> => a * b;
}

/// <summary>a * b + Beta * old.</summary>
internal readonly struct MultiplyAccumulateMap(float beta) : IBinaryMap
{
    public static bool ReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T a, T b, T old) where T : unmanaged, ISimd<T> => T.MultiplyAdd(T.Create(beta), old, a * b);
}

/// <summary>Factor * x.</summary>
internal readonly struct ScaleMap(float factor) : IUnaryMap
{
    public static bool ReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T x, T old) where T : unmanaged, ISimd<T> => T.Create(factor) * x;
}

/// <summary>Factor * x + Beta * old.</summary>
internal readonly struct ScaleAccumulateMap(float factor, float beta) : IUnaryMap
{
    public static bool ReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T x, T old) where T : unmanaged, ISimd<T> => T.MultiplyAdd(T.Create(beta), old, T.Create(factor) * x);
}

/// <summary>activation(x).</summary>
internal readonly struct ActivationMap<TActivation> : IUnaryMap where TActivation : struct, IActivation
{
    public static bool ReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T x, T old) where T : unmanaged, ISimd<T> => TActivation.Forward(x);
}

/// <summary>dy * activation'(x).</summary>
internal readonly struct ActivationGradientMap<TActivation> : IBinaryMap where TActivation : struct, IActivation
{
    public static bool ReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T outputGradient, T x, T old) where T : unmanaged, ISimd<T>
    {
        TActivation.ForwardAndDerivative(x, out _, out T derivative);
        return outputGradient * derivative;
    }
}

/// <summary>dy * activation'(x) + Beta * old.</summary>
internal readonly struct ActivationGradientAccumulateMap<TActivation>(float beta) : IBinaryMap where TActivation : struct, IActivation
{
    public static bool ReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T outputGradient, T x, T old) where T : unmanaged, ISimd<T>
    {
        TActivation.ForwardAndDerivative(x, out _, out T derivative);
        return T.MultiplyAdd(T.Create(beta), old, outputGradient * derivative);
    }
}

/// <summary>activation(gate) * up.</summary>
internal readonly struct GatedMap<TActivation> : IBinaryMap where TActivation : struct, IActivation
{
    public static bool ReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T gate, T up, T old) where T : unmanaged, ISimd<T> => TActivation.Forward(gate) * up;
}
