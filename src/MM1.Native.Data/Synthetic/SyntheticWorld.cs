using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// A world of coloured shapes, made from a seed without any download: captions, interleaved documents and text to train on, questions and captions to
/// be judged by. Everything is a pure function of the options and a number; images are painted when they are loaded.
/// <para>Six combinations of colour and kind (each colour once, each kind once) are held out: no training image shows them, no training text
/// names them.</para>
/// </summary>
public sealed class SyntheticWorld
{
    private readonly SceneComposer _composer;
    private readonly QuestionWriter _questions;

    /// <summary>A world with the given settings.</summary>
    /// <exception cref="ArgumentException">A setting is out of range.</exception>
    public SyntheticWorld(SyntheticWorldOptions? options = null)
    {
        Options = options ?? new SyntheticWorldOptions();
        Options.Check();
        int kinds = Enum.GetValues<ShapeKind>().Length;
        RandomStream random = RandomStream.For(Options.Seed, "held-out combinations");
        int[] kindOfColour = [.. Enumerable.Range(0, kinds)];
        random.Shuffle<int>(kindOfColour);
        var trained = new List<Combination>();
        var heldOut = new List<Combination>();
        foreach (ShapeColour colour in Enum.GetValues<ShapeColour>())
        {
            foreach (ShapeKind kind in Enum.GetValues<ShapeKind>())
                (kindOfColour[(int)colour] == (int)kind ? heldOut : trained).Add(new Combination(colour, kind));
        }
        (TrainedCombinations, HeldOutCombinations) = (trained, heldOut);
        _composer = new SceneComposer([.. trained], [.. heldOut]);
        _questions = new QuestionWriter(_composer, Options.MinimumShapes, Options.MaximumShapes);
        Captions = new CaptionSource(this, WorldSplit.Train);
        Interleaved = new InterleavedSource(this, WorldSplit.Train);
        Text = new TextSource(this, WorldSplit.Train);
    }

    /// <summary>The settings.</summary>
    public SyntheticWorldOptions Options { get; }

    /// <summary>Combinations that training shows.</summary>
    public IReadOnlyList<Combination> TrainedCombinations { get; }

    /// <summary>Combinations that training never shows and never names.</summary>
    public IReadOnlyList<Combination> HeldOutCombinations { get; }

    /// <summary>Training documents of an image and a caption (source <c>captions</c>).</summary>
    public IDocumentSource Captions { get; }

    /// <summary>Training documents of several images and texts: questions and answers, series, stories (source <c>interleaved</c>).</summary>
    public IDocumentSource Interleaved { get; }

    /// <summary>Training documents of text alone (source <c>text</c>).</summary>
    public IDocumentSource Text { get; }

    internal SceneComposer Composer => _composer;

    internal QuestionWriter Questions => _questions;

    /// <summary>The three sources for another part of the world, e.g. to measure the loss on unseen seeds.</summary>
    /// <exception cref="ArgumentException">Unseen combinations have items, not documents.</exception>
    public (IDocumentSource Captions, IDocumentSource Interleaved, IDocumentSource Text) Sources(WorldSplit split)
    {
        if (split == WorldSplit.UnseenCombination) throw new ArgumentException("unseen combinations come as question and caption items, not as documents", nameof(split));
        return split == WorldSplit.Train ? (Captions, Interleaved, Text) : (new CaptionSource(this, split), new InterleavedSource(this, split), new TextSource(this, split));
    }

    /// <summary>The question with a number; numbers in a row go round the five kinds, so that any number of them divides into equal shares.</summary>
    public QuestionItem Question(WorldSplit split, long number)
    {
        RandomStream random = Random(split, "question", 0, number);
        (Scene scene, Question question) = _questions.Ask(ref random, (QuestionKind)(number % 5), split);
        return new QuestionItem(Id(split, "question", 0, number), split, number, scene, Image(scene), question);
    }

    /// <summary>The caption item with a number.</summary>
    public CaptionItem Caption(WorldSplit split, long number)
    {
        RandomStream random = Random(split, "caption", 0, number);
        Scene scene = _composer.Free(ref random, ShapeCount(ref random), split);
        return new CaptionItem(Id(split, "caption", 0, number), split, scene, Image(scene), CaptionWriter.Short(ref random, scene));
    }

    /// <summary>
    /// A question with examples before it. Examples come from the training part, of any kind of question; the wanted format is never the plain one, and the
    /// wrong format is any other than the wanted one. Fewer shots are the first of more.
    /// </summary>
    /// <param name="split">Where the question comes from.</param>
    /// <param name="number">The number of the question, as for <see cref="Question"/>.</param>
    /// <param name="shots">Examples.</param>
    public FewShotItem FewShot(WorldSplit split, long number, int shots)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(shots);
        RandomStream random = Random(split, "format", 0, number);
        var format = (AnswerFormat)(1 + random.Below(AnswerFormats.Count - 1));
        var wrong = (AnswerFormat)random.Below(AnswerFormats.Count - 1);
        if (wrong >= format) wrong++;
        var demonstrations = new QuestionItem[shots];
        for (int i = 0; i < shots; i++)
        {
            (Scene scene, Question question) = _questions.Ask(ref random, (QuestionKind)random.Below(5), WorldSplit.Train);
            demonstrations[i] = new QuestionItem(
                $"{Id(split, "demonstration", 0, number)}/{i.ToString(CultureInfo.InvariantCulture)}", WorldSplit.Train, i, scene, Image(scene), question);
        }
        return new FewShotItem(Question(split, number), format, wrong, demonstrations);
    }

    internal RandomStream Random(WorldSplit split, string purpose, long epoch, long index) =>
        RandomStream.For(Options.Seed, SplitName(split) + "/" + purpose, epoch, index);

    internal static string Id(WorldSplit split, string purpose, long epoch, long index) =>
        string.Create(CultureInfo.InvariantCulture, $"{SplitName(split)}/{purpose}/{epoch}/{index}");

    internal int ShapeCount(ref RandomStream random) => Options.MinimumShapes + random.Below(Options.MaximumShapes - Options.MinimumShapes + 1);

    internal SceneImage Image(Scene scene) => new(scene, Options.ImageSize);

    internal void CheckPlace(string name, long epoch, long index)
    {
        if (epoch < 0 || (ulong)index >= (ulong)Options.DocumentsPerEpoch)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"source '{name}' has {Options.DocumentsPerEpoch} documents an epoch");
    }

    private static string SplitName(WorldSplit split) => split switch
    {
        WorldSplit.Train => "train",
        WorldSplit.UnseenSeed => "unseen-seed",
        _ => "unseen-combination",
    };
}
