namespace MM1.Native.Kernels.Cuda;

/// <summary>What a native call returns (<c>mm1_status</c>).</summary>
internal enum NativeStatus
{
    Ok = 0,
    InvalidArgument = 1,
    Unsupported = 2,
    WorkspaceTooSmall = 3,
    OutOfMemory = 4,
    DeviceError = 5,
    DeviceLost = 6,
    VersionMismatch = 7,
    InternalError = 8,
}
