namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// All elements of all tensors as one list of blocks, each of constant size within one tensor: one wake-up of the pool serves
/// every tensor, whatever their sizes.
/// </summary>
internal static unsafe class OptimizerBlocks
{
    /// <summary>Elements of a block: what one step touches (64 KiB in each of four arrays) stays in the L2 cache.</summary>
    public const long Elements = 16384;

    /// <summary>Blocks of one tensor.</summary>
    public static long Of(long count) => (count + Elements - 1) / Elements;

    /// <summary>Blocks of all tensors.</summary>
    public static long Total(OptimizerTensor* tensors, long tensorCount)
    {
        long total = 0;
        for (long i = 0; i < tensorCount; i++) total += Of(tensors[i].Count);
        return total;
    }

    /// <summary>Finds a block of the list: the tensor, and the block's number within it.</summary>
    public static OptimizerTensor* Find(OptimizerTensor* tensors, ref long block)
    {
        while (block >= Of(tensors->Count)) block -= Of(tensors++->Count);
        return tensors;
    }
}
