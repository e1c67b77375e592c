using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The pixel loss of each patch, or its gradient. A patch's target is normalized on the fly, (target - mean) * inverse deviation;
/// nothing of it is stored. Registers sum in turn: the order depends on the column count alone.
/// </summary>
internal unsafe struct PatchRegressionJob : IRangeJob
{
    public float* Prediction;
    public long PredictionStride;
    public float* Target;
    public long TargetStride;
    public byte* Mask;
    public long Columns;
    public float Epsilon;
    public bool Normalize;

    /// <summary>Forward: the loss of each patch. Null in the backward.</summary>
    public float* Losses;

    /// <summary>Backward: where the gradient goes.</summary>
    public float* Gradient;
    public long GradientStride;

    /// <summary>Backward: 2 LossGradient / (denominator Columns).</summary>
    public float Factor;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long patch = begin; patch < end; patch++)
        {
            float* gradient = Gradient + patch * GradientStride;
            if (Mask != null && Mask[patch] == 0)
            {
                if (Losses != null) Losses[patch] = 0;
                else NativeMemory.Clear(gradient, (nuint)Columns * sizeof(float));
                continue;
            }
            float* prediction = Prediction + patch * PredictionStride, target = Target + patch * TargetStride;
            switch (SimdWidth.Bits)
            {
                case 512: Patch<Simd512>(patch, prediction, target, gradient); break;
                case 256: Patch<Simd256>(patch, prediction, target, gradient); break;
                case 128: Patch<Simd128>(patch, prediction, target, gradient); break;
                default: Patch<SimdScalar>(patch, prediction, target, gradient); break;
            }
        }
    }

    private readonly void Patch<T>(long patch, float* prediction, float* target, float* gradient) where T : unmanaged, ISimd<T>
    {
        float mean = 0, inverse = 1;
        if (Normalize)
        {
            mean = RowMath.Sum<T>(target, Columns) / Columns;
            // One value has no variance; its normalized target is 0.
            float variance = Columns > 1 ? RowMath.SumOfSquares<T>(target, mean, Columns) / (Columns - 1) : 0;
            inverse = (float)(1 / Math.Sqrt((double)variance + Epsilon));
            // With Epsilon 0 a constant patch has no deviation to divide by: its normalized target is 0, not 0 * infinity.
            if (float.IsInfinity(inverse)) inverse = 0;
        }
        if (Losses != null)
        {
            Losses[patch] = Columns == 0 ? 0 : SumOfSquaredErrors<T>(target, prediction, mean, inverse) / Columns;
            return;
        }
        T factor = T.Create(Factor), vectorMean = T.Create(mean), vectorInverse = T.Create(inverse);
        long i = 0;
        for (; i + T.Count <= Columns; i += T.Count)
            T.Store(factor * T.NegativeMultiplyAdd(T.Load(target + i) - vectorMean, vectorInverse, T.Load(prediction + i)), gradient + i);
        for (; i < Columns; i++) gradient[i] = Factor * MathF.FusedMultiplyAdd(-(target[i] - mean), inverse, prediction[i]);
    }

    /// <summary>Sum over the patch of (prediction - (target - mean) * inverse)^2.</summary>
    private readonly float SumOfSquaredErrors<T>(float* target, float* prediction, float mean, float inverse) where T : unmanaged, ISimd<T>
    {
        T center = T.Create(mean), scale = T.Create(inverse), zero = T.Create(0);
        T sum0 = zero, sum1 = zero;
        long i = 0;
        for (; i + 2 * T.Count <= Columns; i += 2 * T.Count)
        {
            T d0 = T.NegativeMultiplyAdd(T.Load(target + i) - center, scale, T.Load(prediction + i));
            T d1 = T.NegativeMultiplyAdd(T.Load(target + i + T.Count) - center, scale, T.Load(prediction + i + T.Count));
            sum0 = T.MultiplyAdd(d0, d0, sum0);
            sum1 = T.MultiplyAdd(d1, d1, sum1);
        }
        for (; i + T.Count <= Columns; i += T.Count)
        {
            T d = T.NegativeMultiplyAdd(T.Load(target + i) - center, scale, T.Load(prediction + i));
            sum0 = T.MultiplyAdd(d, d, sum0);
        }
        if (i < Columns)
        {
            long left = Columns - i; // missing lanes: target = mean and prediction = 0 differ by nothing
            T d = T.NegativeMultiplyAdd(SimdTail.Load<T>(target + i, left, mean) - center, scale, SimdTail.Load<T>(prediction + i, left, 0));
            sum1 = T.MultiplyAdd(d, d, sum1);
        }
        return T.Sum(sum0 + sum1);
    }
}
