using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cuda;

/// <summary>
/// The contract on a native library. The records are those of <c>kernels.h</c>, byte for byte, so a call hands over their address; arguments are
/// checked by the library, and its text becomes the exception that the CPU device throws too.
/// </summary>
internal sealed unsafe partial class CudaKernels(CudaDevice device) : IKernels
{
    private readonly KernelLibrary _library = device.Library;
    private readonly NativeApi _api = device.Library.Api;

    private void Run<TArgs>(delegate* unmanaged[Cdecl]<nint, TArgs*, nint, long, int> entry, in Launch launch, in TArgs args, [CallerMemberName] string verb = "")
        where TArgs : unmanaged
    {
        if (entry == null) throw _library.Missing(verb);
        nint stream = device.StreamOf(in launch);
        int status;
        fixed (TArgs* record = &args) status = entry(stream, record, launch.Workspace, launch.WorkspaceBytes);
        GC.KeepAlive(device);
        if (status != 0) throw _library.Error((NativeStatus)status, verb);
    }

    private long Bytes<TArgs>(delegate* unmanaged[Cdecl]<TArgs*, long> entry, in TArgs args, [CallerMemberName] string function = "") where TArgs : unmanaged
    {
        string verb = function[..^"WorkspaceBytes".Length];
        if (entry == null) throw _library.Missing(verb);
        device.MakeCurrent();
        long bytes;
        fixed (TArgs* record = &args) bytes = entry(record);
        GC.KeepAlive(device);
        return bytes >= 0 ? bytes : throw _library.Error(NativeStatus.InvalidArgument, verb);
    }
}
