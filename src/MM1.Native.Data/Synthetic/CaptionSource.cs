namespace MM1.Native.Data;

/// <summary>An image and its caption, a few of them long.</summary>
internal sealed class CaptionSource(SyntheticWorld world, WorldSplit split) : IDocumentSource
{
    public string Name => "captions";

    public long DocumentsPerEpoch => world.Options.DocumentsPerEpoch;

    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        world.CheckPlace(Name, epoch, index);
        RandomStream random = world.Random(split, Name, epoch, index);
        Scene scene = world.Composer.Free(ref random, world.ShapeCount(ref random), split);
        string caption = random.Chance(world.Options.LongCaptionShare) ? CaptionWriter.Long(ref random, scene) : CaptionWriter.Short(ref random, scene);
        return new Document(Name, SyntheticWorld.Id(split, Name, epoch, index), [new ImageSegment(world.Image(scene)), new TextSegment(caption)]);
    }
}
