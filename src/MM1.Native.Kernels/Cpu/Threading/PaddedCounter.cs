using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>A counter alone on its cache lines, so that spinning on it disturbs nothing else.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct PaddedCounter
{
    [FieldOffset(128)] public int Value;
}

/// <summary>The same for 64 bits.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct PaddedLong
{
    [FieldOffset(128)] public long Value;
}
