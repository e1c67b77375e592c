using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// What a <see cref="Tensor"/> handle points to. Arenas reuse these objects from step to step; the generation tells a
/// handle that its tensor is gone.
/// </summary>
internal sealed class TensorState
{
    public TensorState() => Owner = this;

    public int Generation;
    public Arena? Arena;
    public Device Device = null!;
    public Shape Shape;
    public DType DType;
    public nint Address;

    /// <summary>The tensor whose memory this one shows: itself, or what it is a view of.</summary>
    public TensorState Owner;

    /// <summary>Of an owner: the states that show its memory. At 0 the block goes back to the arena.</summary>
    public int References;

    /// <summary>Of an owner: nodes of the tape that will read it in backward.</summary>
    public int Saved;

    public long BlockBytes;
    public Node? Producer;
    public Parameter? Parameter;
    public TensorState? Gradient;
    public bool RequiresGradient;
    public bool Keeps;
    public bool Released;

    public long Elements => Shape.Elements;

    public Operand Operand => new(Address, DType, Shape.Columns);

    /// <summary>Columns [first, ...) of every row.</summary>
    public Operand ColumnsFrom(long first) => new(Address + (nint)(first * DType.Size()), DType, Shape.Columns);

    /// <summary>The memory as rows of another length.</summary>
    public Operand AsRowsOf(long columns) => new(Address, DType, columns);

    /// <summary>Whether nobody else shows this memory, so that it may be overwritten.</summary>
    public bool IsExclusive => Owner.References == 1 && Owner.Saved == 0;

    /// <summary>
    /// For the one node that saved this tensor and is running backward: whether nobody else will read the elements, so that the
    /// tensor's gradient may take their place. Not for a kept tensor, a leaf, a view, one that has a gradient already, one of
    /// an outer arena, whose next micro-batch may read it again, or one that a recomputed block may have captured.
    /// </summary>
    public bool MayBecomeGradient(Arena arena) => Arena == arena && !Keeps && Producer is { } producer && Gradient is null
        && Owner == this && References == 1 && Saved == 1 && !arena.Tape.RecomputeMayRead(producer);

    /// <summary>The elements as float32, copied to the host.</summary>
    public float[] ToFloats()
    {
        var values = new float[Elements];
        if (DType == DType.Float32)
        {
            Device.CopyToHost(MemoryMarshal.AsBytes(values.AsSpan()), Address);
            return values;
        }
        var halves = new BFloat16[Elements];
        Device.CopyToHost(MemoryMarshal.AsBytes(halves.AsSpan()), Address);
        for (int i = 0; i < values.Length; i++) values[i] = (float)halves[i];
        return values;
    }

    public void Clear()
    {
        Generation++;
        Arena = null;
        Owner = this;
        References = 0;
        Saved = 0;
        BlockBytes = 0;
        Address = 0;
        Producer = null;
        Parameter = null;
        Gradient = null;
        RequiresGradient = false;
        Keeps = false;
        Released = false;
    }
}
