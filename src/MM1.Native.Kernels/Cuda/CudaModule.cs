using System.Runtime.InteropServices.Marshalling;
using MM1.Native.Kernels.Cuda;

namespace MM1.Native.Kernels;

/// <summary>Blocks of a launch, and threads of a block.</summary>
/// <param name="GridX">Blocks in x.</param>
/// <param name="BlockX">Threads of a block in x.</param>
/// <param name="GridY">Blocks in y.</param>
/// <param name="BlockY">Threads of a block in y.</param>
/// <param name="GridZ">Blocks in z.</param>
/// <param name="BlockZ">Threads of a block in z.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
public readonly record struct CudaGrid(int GridX, int BlockX, int GridY = 1, int BlockY = 1, int GridZ = 1, int BlockZ = 1, long SharedBytes = 0);

/// <summary>A user's own device code beside the library's kernels: PTX, a cubin or a fatbin. Not on the emulator, which runs C++.</summary>
public sealed unsafe class CudaModule : CudaHandle
{
    /// <summary>Loads an image; PTX is text that ends with a zero byte.</summary>
    public CudaModule(CudaDevice device, ReadOnlySpan<byte> image) : base(device)
    {
        nint module;
        device.MakeCurrent();
        fixed (byte* bytes = image) Check(Library.Api.ModuleLoad(bytes, image.Length, &module), "module");
        Own(module);
    }

    /// <summary>Queues the kernel <paramref name="name"/> (mangled, as the image has it) on a stream.</summary>
    /// <param name="stream">Where it runs.</param>
    /// <param name="name">The kernel.</param>
    /// <param name="grid">How many threads.</param>
    /// <param name="parameters">The host address of each of the kernel's parameters, in order; read before the call returns.</param>
    public void Launch(CudaStream stream, string name, CudaGrid grid, ReadOnlySpan<nint> parameters)
    {
        ArgumentNullException.ThrowIfNull(stream);
        nint function;
        byte* bytes = Utf8StringMarshaller.ConvertToUnmanaged(name);
        Device.MakeCurrent();
        try
        {
            Check(Library.Api.ModuleGetFunction(Value, bytes, &function), "module");
        }
        finally
        {
            Utf8StringMarshaller.Free(bytes);
        }
        fixed (nint* addresses = parameters)
        {
            var args = new NativeModuleLaunchArgs
            {
                Function = function,
                GridX = grid.GridX,
                GridY = grid.GridY,
                GridZ = grid.GridZ,
                BlockX = grid.BlockX,
                BlockY = grid.BlockY,
                BlockZ = grid.BlockZ,
                SharedBytes = grid.SharedBytes,
                Parameters = (nint)addresses,
            };
            Check(Library.Api.ModuleLaunch(stream.Value, &args), "module");
        }
        GC.KeepAlive(stream);
    }

    private protected override int Release() => Library.Api.ModuleUnload(handle);
}
