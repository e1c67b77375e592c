namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void EmbeddingGather(in Launch launch, in EmbeddingGatherArgs args)
    {
        const string verb = nameof(IKernels.EmbeddingGather);
        Check.Extent(args.Tokens, verb, nameof(args.Tokens));
        Check.Extent(args.Vocabulary, verb, nameof(args.Vocabulary));
        Check.Extent(args.Width, verb, nameof(args.Width));
        Check.Operand(args.Table, args.Vocabulary, args.Width, DType.Float32, verb, nameof(args.Table));
        Check.Operand(args.Output, args.Tokens, args.Width, DType.Float32, verb, nameof(args.Output));
        TokenIds.Check(args.Ids, args.Tokens, args.Vocabulary, verb);
        TokenRows.Gather(_pool, args);
    }

    public void EmbeddingScatterAdd(in Launch launch, in EmbeddingScatterAddArgs args)
    {
        const string verb = nameof(IKernels.EmbeddingScatterAdd);
        Check.Extent(args.Tokens, verb, nameof(args.Tokens));
        Check.Extent(args.Vocabulary, verb, nameof(args.Vocabulary));
        Check.Extent(args.Width, verb, nameof(args.Width));
        Check.That(args.Tokens <= int.MaxValue && args.Vocabulary <= int.MaxValue, verb, "Tokens and Vocabulary must be below 2^31 on this device.");
        Check.Operand(args.OutputGradient, args.Tokens, args.Width, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.TableGradient, args.Vocabulary, args.Width, DType.Float32, verb, nameof(args.TableGradient));
        TokenIds.Check(args.Ids, args.Tokens, args.Vocabulary, verb);
        Check.Workspace(launch, EmbeddingScatterAddWorkspaceBytes(args), verb);
        EmbeddingScatter.Run(_pool, launch, args);
    }

    public long EmbeddingScatterAddWorkspaceBytes(in EmbeddingScatterAddArgs args) => EmbeddingScatter.WorkspaceBytes(args);

    public void ImageTokenPlacementForward(in Launch launch, in ImageTokenPlacementForwardArgs args)
    {
        const string verb = nameof(IKernels.ImageTokenPlacementForward);
        Check.Extent(args.Tokens, verb, nameof(args.Tokens));
        Check.Extent(args.ImageTokens, verb, nameof(args.ImageTokens));
        Check.Extent(args.Width, verb, nameof(args.Width));
        Check.Operand(args.Placement, 1, args.Tokens, DType.Int32, verb, nameof(args.Placement));
        Check.Operand(args.Text, args.Tokens, args.Width, DType.Float32, verb, nameof(args.Text));
        Check.Operand(args.Image, args.ImageTokens, args.Width, DType.Float32, verb, nameof(args.Image));
        Check.Operand(args.Output, args.Tokens, args.Width, DType.Float32, verb, nameof(args.Output));
        Placement.Check(args.Placement, args.Tokens, args.ImageTokens, verb);
        Placement.Forward(_pool, args);
    }

    public void ImageTokenPlacementBackward(in Launch launch, in ImageTokenPlacementBackwardArgs args)
    {
        const string verb = nameof(IKernels.ImageTokenPlacementBackward);
        Check.Extent(args.Tokens, verb, nameof(args.Tokens));
        Check.Extent(args.ImageTokens, verb, nameof(args.ImageTokens));
        Check.Extent(args.Width, verb, nameof(args.Width));
        Check.Operand(args.Placement, 1, args.Tokens, DType.Int32, verb, nameof(args.Placement));
        Check.Operand(args.OutputGradient, args.Tokens, args.Width, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Optional(args.TextGradient, args.Tokens, args.Width, DType.Float32, verb, nameof(args.TextGradient));
        Check.Optional(args.ImageGradient, args.ImageTokens, args.Width, DType.Float32, verb, nameof(args.ImageGradient));
        Placement.Check(args.Placement, args.Tokens, args.ImageTokens, verb);
        Placement.Backward(_pool, args);
    }
}
