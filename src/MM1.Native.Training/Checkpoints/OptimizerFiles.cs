using System.Runtime.InteropServices;
using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>An optimizer's state as a safetensors file.</summary>
internal static class OptimizerFiles
{
    public static void Save(Optimizer optimizer, string path) => SafeTensorsWriter.Write(path,
        optimizer.State.Select(static state => new SafeTensorsItem(state.Name, DType.Float32, [state.Elements], stream => stream.Write(MemoryMarshal.AsBytes<float>(state.ToArray())))));

    /// <summary>Loads the state; nothing is changed unless every tensor fits.</summary>
    public static void Load(Optimizer optimizer, string path)
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        foreach (OptimizerState state in optimizer.State)
        {
            SafeTensorsEntry entry = file.Find(state.Name) ?? throw new CheckpointException($"'{path}' has no tensor '{state.Name}': it belongs to another model or optimizer.");
            if (entry.DType != DType.Float32 || entry.Shape.Elements != state.Elements)
                throw new CheckpointException($"'{path}': tensor '{state.Name}' is {entry.DType} {entry.Shape}, the optimizer's has {state.Elements} elements of Float32: it belongs to another model or optimizer.");
        }
        if (file.Entries.Count != optimizer.State.Count)
            throw new CheckpointException($"'{path}' has {file.Entries.Count} tensors, the optimizer {optimizer.State.Count}: it belongs to another model or optimizer.");
        foreach (OptimizerState state in optimizer.State) state.Load(file.Read<float>(file.Find(state.Name)!));
    }
}
