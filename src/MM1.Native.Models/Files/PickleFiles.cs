using Microsoft.Win32.SafeHandles;

namespace MM1.Native.Models;

/// <summary>PyTorch's own files are pickles, which run code when they are read: they are refused with the line that converts them.</summary>
internal static class PickleFiles
{
    private static readonly string[] Extensions = [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"];

    public static void Refuse(string path, SafeFileHandle handle)
    {
        Span<byte> start = stackalloc byte[4];
        int read = RandomAccess.Read(handle, start, 0);
        // A zip archive (PyTorch since 1.6), or a bare pickle of protocol 2 to 5.
        bool zip = read == 4 && start.SequenceEqual("PK\x03\x04"u8), pickle = read >= 2 && start[0] == 0x80 && start[1] is >= 2 and <= 5;
        string extension = Path.GetExtension(path);
        if (!zip && !pickle && !Extensions.Contains(extension, StringComparer.OrdinalIgnoreCase)) return;
        string target = Path.ChangeExtension(path, ".safetensors");
        throw new SafeTensorsException(path, SafeTensorsError.Pickle, "this is a PyTorch pickle, which can run any code when it is read; only safetensors files are read. Convert it once, where PyTorch is:\n"
            + $"  python -c \"import torch; from safetensors.torch import save_file; save_file({{k: v.clone().contiguous() for k, v in torch.load('{path}', map_location='cpu', weights_only=True).items()}}, '{target}')\"");
    }
}
