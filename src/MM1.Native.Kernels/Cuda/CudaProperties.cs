namespace MM1.Native.Kernels;

/// <summary>What a native library knows of a device.</summary>
public sealed record CudaProperties
{
    /// <summary>The device's own name.</summary>
    public required string Name { get; init; }

    /// <summary>Compute capability: 9 of 9.0.</summary>
    public required int CapabilityMajor { get; init; }

    /// <summary>Compute capability: 0 of 9.0.</summary>
    public required int CapabilityMinor { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public required int Multiprocessors { get; init; }

    /// <summary>Device memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Largest shared memory of one block.</summary>
    public required long SharedBytesPerBlock { get; init; }

    /// <summary>Highest CUDA version that the driver supports (12040: 12.4); 0 for the emulator.</summary>
    public required int DriverVersion { get; init; }

    /// <summary>CUDA runtime that the library is linked with; 0 for the emulator.</summary>
    public required int RuntimeVersion { get; init; }

    /// <summary>Where the device sits; empty for the emulator.</summary>
    public required string PciBusId { get; init; }

    /// <summary>Whether <see cref="MathMode.Tf32"/> is there.</summary>
    public required bool SupportsTf32 { get; init; }
}
