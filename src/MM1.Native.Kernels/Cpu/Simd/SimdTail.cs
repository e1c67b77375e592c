using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>The last, incomplete register of a row: missing lanes are filled on load and dropped on store.</summary>
internal static unsafe class SimdTail
{
    private const int Lanes = 16; // of the widest register

    [InlineArray(Lanes)]
    private struct Buffer
    {
        private float _first;
    }

    /// <summary>The first <paramref name="count"/> elements, then <paramref name="fill"/>.</summary>
    public static T Load<T>(float* source, long count, float fill) where T : unmanaged, ISimd<T>
    {
        Buffer buffer;
        float* lanes = (float*)&buffer;
        T.Store(T.Create(fill), lanes);
        for (long i = 0; i < count; i++) lanes[i] = source[i];
        return T.Load(lanes);
    }

    /// <summary>Stores the first <paramref name="count"/> lanes.</summary>
    public static void Store<T>(T value, float* destination, long count) where T : unmanaged, ISimd<T>
    {
        Buffer buffer;
        float* lanes = (float*)&buffer;
        T.Store(value, lanes);
        for (long i = 0; i < count; i++) destination[i] = lanes[i];
    }
}
