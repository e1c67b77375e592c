namespace MM1.Native.Data;

/// <summary>Plain text about the world: what shapes are like, what follows from where they lie, how many they make.</summary>
internal sealed class TextSource(SyntheticWorld world, WorldSplit split) : IDocumentSource
{
    private static readonly string[] Facts =
    [
        "a circle is round.", "a ring is round and has a hole in the middle.", "a square has four sides.", "a triangle has three sides.",
        "a star has five points.", "a cross has four arms.", "a circle has no sides.", "a square is not round.", "a ring is like a circle with a hole.",
        "small is not large.", "left is not right.", "the top is above the bottom.", "a shape has one colour.", "a square and a triangle have sides.",
    ];

    public string Name => "text";

    public long DocumentsPerEpoch => world.Options.DocumentsPerEpoch;

    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        world.CheckPlace(Name, epoch, index);
        RandomStream random = world.Random(split, Name, epoch, index);
        var sentences = new string[2 + random.Below(3)];
        for (int i = 0; i < sentences.Length; i++) sentences[i] = Sentence(ref random);
        return new Document(Name, SyntheticWorld.Id(split, Name, epoch, index), [new TextSegment(string.Join(' ', sentences))]);
    }

    private string Sentence(ref RandomStream random)
    {
        Combination first = random.Pick(world.Composer.Trained), second;
        do second = random.Pick(world.Composer.Trained);
        while (second.Kind == first.Kind);
        var direction = (Direction)random.Below(4);
        int one = 1 + random.Below(3), two = 1 + random.Below(3);
        switch (random.Below(6))
        {
            case 0:
                return random.Pick<string>(Facts);
            case 1:
                return $"the {first.Name()} is {direction.Preposition()} the {second.Name()}, so the {second.Name()} is {direction.Opposite().Preposition()} the {first.Name()}.";
            case 2:
                return $"{Counted(one, first)} and {Counted(two, second)} make {WorldWords.Number(one + two)} shapes.";
            case 3:
                return $"there is a {first.Name()} and a {second.Name()}. the {first.Kind.Name()} is {first.Colour.Name()} and the {second.Kind.Name()} is {second.Colour.Name()}.";
            case 4:
                return $"if a {first.Kind.Name()} is {first.Colour.Name()}, it is a {first.Name()}.";
            default:
                string have = first.Colour == second.Colour ? "have" : "do not have";
                return $"a {first.Name()} and a {second.Name()} {have} the same colour.";
        }
    }

    private static string Counted(int count, Combination shape) =>
        count == 1 ? $"one {shape.Name()}" : $"{WorldWords.Number(count)} {shape.Colour.Name()} {shape.Kind.Plural()}";
}
