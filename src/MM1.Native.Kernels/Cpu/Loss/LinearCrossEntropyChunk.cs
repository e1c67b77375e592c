namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// How linear + cross-entropy is cut: windows of a constant number of tokens, of which only those that count become rows of
/// logits. Where some do not (image positions, prompts), the rows of X are gathered, so that ignored tokens cost no arithmetic.
/// </summary>
/// <remarks>
/// Scratch, each part aligned: logits | token of row | loss of token | gathered X | gathered input gradient | the products' own.
/// </remarks>
internal readonly struct LinearCrossEntropyPlan
{
    /// <summary>
    /// Tokens of a window unless the caller says: enough that a window's products outweigh reading the weight again
    /// (arithmetic grows with the window, the reading does not); 100 MB of logits at a vocabulary of 50,000.
    /// </summary>
    public const long DefaultChunkTokens = 512;

    public readonly long ChunkTokens;
    public readonly long LogitsStride;
    public readonly long TokenOfRow;
    public readonly long Losses;
    public readonly long GatheredX;
    public readonly long GatheredGradient;
    public readonly long Products;

    public LinearCrossEntropyPlan(long tokens, long width, long vocabulary, long chunkTokens, bool losses, bool inputGradient)
    {
        ChunkTokens = Math.Min(chunkTokens == 0 ? DefaultChunkTokens : chunkTokens, tokens);
        LogitsStride = (vocabulary + 15) & ~15L; // rows begin on cache lines
        TokenOfRow = LossTargets.Align(ChunkTokens * LogitsStride * sizeof(float));
        Losses = TokenOfRow + LossTargets.Align(ChunkTokens * sizeof(int));
        GatheredX = Losses + (losses ? LossTargets.Align(ChunkTokens * sizeof(float)) : 0);
        GatheredGradient = GatheredX + LossTargets.Align(ChunkTokens * width * sizeof(float));
        Products = GatheredGradient + (inputGradient ? LossTargets.Align(ChunkTokens * width * sizeof(float)) : 0);
    }

    /// <summary>Scratch that is left for the matrix products.</summary>
    public Launch ProductsLaunch(in Launch launch) => new(launch.Stream, launch.Workspace + (nint)Products, launch.WorkspaceBytes - Products);
}

/// <summary>Moves between tokens and the rows that count.</summary>
internal static unsafe class CountedRows
{
    /// <summary>Lists the tokens that count; returns how many.</summary>
    public static long List(int* targets, long tokens, int ignoreIndex, int* tokenOfRow)
    {
        long rows = 0;
        for (long token = 0; token < tokens; token++)
        {
            if (targets[token] != ignoreIndex) tokenOfRow[rows++] = (int)token;
        }
        return rows;
    }

    /// <summary>Copies the listed rows together.</summary>
    public static void Gather(float* source, long rowStride, int* tokenOfRow, long rows, long width, float* destination)
    {
        for (long row = 0; row < rows; row++)
            Copy(source + tokenOfRow[row] * rowStride, destination + row * width, width);
    }

    /// <summary>Copies rows to their tokens; every other token's row becomes beta times what it was.</summary>
    public static void Scatter(float* source, int* tokenOfRow, long rows, long width, float* destination, long rowStride, long tokens, float beta)
    {
        long row = 0;
        for (long token = 0; token < tokens; token++)
        {
            float* target = destination + token * rowStride;
            if (row < rows && tokenOfRow[row] == token) Copy(source + row++ * width, target, width);
            else if (beta == 0) System.Runtime.InteropServices.NativeMemory.Clear(target, (nuint)width * sizeof(float));
            else for (long column = 0; column < width; column++) target[column] *= beta;
        }
    }

    private static void Copy(float* source, float* destination, long count) =>
        Buffer.MemoryCopy(source, destination, count * sizeof(float), count * sizeof(float));
}
