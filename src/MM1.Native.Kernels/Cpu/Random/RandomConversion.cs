using System.Numerics;
using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// From 32-bit words to floats, by IEEE-exact operations in a fixed order: integer arithmetic, conversion to nearest, +, -, *, fused
/// multiply-add, square root. Every device does these same steps (docs/architecture.md, "Random numbers"), so the bits agree.
/// </summary>
internal static unsafe class RandomConversion
{
    /// <summary>Above it the tail polynomial applies: |z| above 3.3, one draw in a thousand.</summary>
    private const float TailBegins = 6.25f;

    /// <summary>24 bits: u = (word >> 8) / 2^24, exact, in [0, 1).</summary>
    public static void Uniform(uint* words, float* u, int count)
    {
        int i = 0;
        var scale = new Vector<float>(1f / (1 << 24));
        for (; i + Vector<uint>.Count <= count; i += Vector<uint>.Count)
            (Vector.ConvertToSingle(Vector.AsVectorInt32(Vector.Load(words + i) >>> 8)) * scale).Store(u + i);
        for (; i < count; i++) u[i] = (int)(words[i] >> 8) * (1f / (1 << 24));
    }

    /// <summary>
    /// A word as a signed number k stands for the probability (k + 1/2) / 2^32 + 1/2. Gives <paramref name="centre"/> x = (k + 1/2) / 2^31
    /// in (-1, 1), exact near 0, and <paramref name="tail"/> y = 1 - |x|, exact near 1.
    /// </summary>
    public static void Symmetric(uint* words, float* centre, float* tail, int count)
    {
        int i = 0;
        var half = new Vector<float>(0.5f);
        var scale = new Vector<float>(1f / (1u << 31));
        Vector<int> largest = new(int.MaxValue), sign = new(int.MinValue);
        for (; i + Vector<int>.Count <= count; i += Vector<int>.Count)
        {
            Vector<int> k = Vector.AsVectorInt32(Vector.Load(words + i)), magnitude = k ^ (k >> 31);
            Vector<float> x = (Vector.ConvertToSingle(magnitude) + half) * scale;
            Vector.AsVectorSingle(Vector.AsVectorInt32(x) | (k & sign)).Store(centre + i);
            ((Vector.ConvertToSingle(largest - magnitude) + half) * scale).Store(tail + i);
        }
        for (; i < count; i++) Symmetric((int)words[i], out centre[i], out tail[i]);
    }

    public static void Symmetric(int k, out float centre, out float tail)
    {
        int magnitude = k ^ (k >> 31);
        centre = MathF.CopySign((magnitude + 0.5f) * (1f / (1u << 31)), k);
        tail = (int.MaxValue - magnitude + 0.5f) * (1f / (1u << 31));
    }

    /// <summary>
    /// The standard normal quantile of (1 + x) / 2, y = 1 - |x|, after Giles 2010 ("Approximating the erfinv function"): with
    /// w = -ln(1 - x^2) = -ln(y (2 - y)) it is x times a smooth function of w near the centre and of sqrt(w) in the tails. Both polynomials are minimax
    /// fits to 2e-8. The relative error is below 4 * 2^-24 everywhere: x, the last step of the polynomial, its constant and the product round once each.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Normal<T>(T x, T y) where T : unmanaged, ISimd<T>
    {
        T w = NegativeLogarithm(y * (T.Create(2f) - y));
        T t = w - T.Create(3.125f);
        T r = T.MultiplyAdd(T.Create(9.87641635e-10f), t, T.Create(-6.51619603e-09f));
        r = T.MultiplyAdd(r, t, T.Create(-3.62786459e-08f));
        r = T.MultiplyAdd(r, t, T.Create(6.01978115e-07f));
        r = T.MultiplyAdd(r, t, T.Create(-1.95157827e-06f));
        r = T.MultiplyAdd(r, t, T.Create(-1.9639212e-05f));
        r = T.MultiplyAdd(r, t, T.Create(0.000264117669f));
        r = T.MultiplyAdd(r, t, T.Create(-0.00104750611f));
        r = T.MultiplyAdd(r, t, T.Create(-0.0085329162f));
        r = T.MultiplyAdd(r, t, T.Create(0.339634955f));
        r = T.MultiplyAdd(r, t, T.Create(2.33862066f));
        if (T.MaxLane(w) > TailBegins) r = T.Select(T.GreaterThan(w, T.Create(TailBegins)), Tail(w), r);
        return x * r;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static T Tail<T>(T w) where T : unmanaged, ISimd<T>
    {
        T t = T.Sqrt(w) - T.Create(3.5625f);
        T r = T.MultiplyAdd(T.Create(-1.85708504e-05f), t, T.Create(1.46706716e-05f));
        r = T.MultiplyAdd(r, t, T.Create(0.000109552515f));
        r = T.MultiplyAdd(r, t, T.Create(-0.000299917621f));
        r = T.MultiplyAdd(r, t, T.Create(0.000480420102f));
        r = T.MultiplyAdd(r, t, T.Create(-0.000740073563f));
        r = T.MultiplyAdd(r, t, T.Create(0.00127886364f));
        r = T.MultiplyAdd(r, t, T.Create(-0.00256948872f));
        r = T.MultiplyAdd(r, t, T.Create(0.00412120949f));
        r = T.MultiplyAdd(r, t, T.Create(1.42518139f));
        return T.MultiplyAdd(r, t, T.Create(4.80614614f));
    }

    /// <summary>-ln g for normal g > 0: g = m 2^n with m in [sqrt(1/2), sqrt 2), and a polynomial of f = m - 1 (Cephes logf). Frozen here: the
    /// general logarithm of <see cref="VectorMath"/> may change its bits, this one may not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T NegativeLogarithm<T>(T g) where T : unmanaged, ISimd<T>
    {
        T.SplitExponent(g, out T m, out T n);
        T f = m - T.Create(1f);
        T p = T.MultiplyAdd(T.Create(7.0376836292e-2f), f, T.Create(-1.1514610310e-1f));
        p = T.MultiplyAdd(p, f, T.Create(1.1676998740e-1f));
        p = T.MultiplyAdd(p, f, T.Create(-1.2420140846e-1f));
        p = T.MultiplyAdd(p, f, T.Create(1.4249322787e-1f));
        p = T.MultiplyAdd(p, f, T.Create(-1.6668057665e-1f));
        p = T.MultiplyAdd(p, f, T.Create(2.0000714765e-1f));
        p = T.MultiplyAdd(p, f, T.Create(-2.4999993993e-1f));
        p = T.MultiplyAdd(p, f, T.Create(3.3333331174e-1f));
        T logarithm = T.MultiplyAdd(f * f, T.MultiplyAdd(p, f, T.Create(-0.5f)), f);
        return -T.MultiplyAdd(n, T.Create(0.693147182f), logarithm);
    }
}
