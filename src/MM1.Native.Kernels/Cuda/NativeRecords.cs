using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace MM1.Native.Kernels.Cuda;

/// <summary>What is known of a device (<c>mm1_device_properties</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeDeviceProperties
{
    public long StructSize = Unsafe.SizeOf<NativeDeviceProperties>();
    public fixed byte Name[128];
    public int Emulated;
    public int CapabilityMajor;
    public int CapabilityMinor;
    public int Multiprocessors;
    public long MemoryBytes;
    public long SharedBytesPerBlock;
    public long SharedBytesPerMultiprocessor;
    public long L2Bytes;
    public int ThreadsPerMultiprocessor;
    public int BlocksPerMultiprocessor;
    public int ClockKilohertz;
    public int MemoryClockKilohertz;
    public int MemoryBusBits;
    public int DriverVersion;
    public int RuntimeVersion;
    public int ComputeDtypes;
    public int MathModes;
    public int Supported;
    public fixed byte PciBusId[32];

    public NativeDeviceProperties() { }

    /// <summary>UTF-8 up to the terminating zero, or all of it.</summary>
    public static string Text(byte* text, int capacity)
    {
        var bytes = new ReadOnlySpan<byte>(text, capacity);
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}

/// <summary>How a module's function is launched (<c>mm1_module_launch_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeModuleLaunchArgs
{
    public long StructSize = Unsafe.SizeOf<NativeModuleLaunchArgs>();
    public nint Function;
    public int GridX = 1;
    public int GridY = 1;
    public int GridZ = 1;
    public int BlockX = 1;
    public int BlockY = 1;
    public int BlockZ = 1;
    public long SharedBytes;
    public nint Parameters;

    public NativeModuleLaunchArgs() { }
}
