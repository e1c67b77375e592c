using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>Kinds of questions, asked in equal shares.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<QuestionKind>))]
public enum QuestionKind
{
    /// <summary>The colour of the only shape of a kind.</summary>
    Colour,
    /// <summary>How many shapes there are: in all, of a kind, of a colour.</summary>
    Count,
    /// <summary>The kind of the only shape of a colour.</summary>
    Shape,
    /// <summary>Where one shape lies from another.</summary>
    Relation,
    /// <summary>Whether something is there.</summary>
    YesNo,
}

/// <summary>A question with its only right answer.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Text">The question, e.g. <c>what colour is the circle?</c></param>
/// <param name="Answer">One word of <see cref="WorldWords.Answers"/>.</param>
public sealed record Question(QuestionKind Kind, string Text, string Answer);

/// <summary>
/// Asks about scenes. For every kind the answer is chosen first and the scene (or the thing asked for) after it, so that answers are equally
/// likely whatever the words of the question. A shape is only ever called by what it alone is.
/// </summary>
internal sealed class QuestionWriter(SceneComposer composer, int minimumShapes, int maximumShapes)
{
    private const double AmericanSpelling = 0.25;

    /// <summary>A scene made for one question of a kind.</summary>
    internal (Scene Scene, Question Question) Ask(ref RandomStream random, QuestionKind kind, WorldSplit split)
    {
        int count = minimumShapes + random.Below(maximumShapes - minimumShapes + 1);
        switch (kind)
        {
            case QuestionKind.Count:
                return AskCount(ref random, split);
            case QuestionKind.Relation:
                var direction = (Direction)random.Below(4);
                Scene related = composer.Related(ref random, Math.Max(count, 2), direction, split);
                string subject = Reference(ref random, related, related.Objects[0]), reference = Reference(ref random, related, related.Objects[1]);
                return (related, new Question(kind, $"where is the {subject} from the {reference}?", direction.Name()));
            case QuestionKind.YesNo:
                Scene scene = random.Chance(0.5) ? composer.Free(ref random, count, split) : composer.Distinct(ref random, count, split);
                return (scene, AskYesNo(ref random, scene, split));
            default:
                Scene distinct = composer.Distinct(ref random, count, split);
                return (distinct, kind == QuestionKind.Colour ? AskColour(ref random, distinct.Objects[0]) : AskShape(ref random, distinct.Objects[0]));
        }
    }

    /// <summary>A question of a kind about a scene that is there, or null where the scene does not allow one. Never counts and never asks for places.</summary>
    internal Question? AskAbout(ref RandomStream random, QuestionKind kind, Scene scene, ref int asked)
    {
        if (kind == QuestionKind.YesNo) return AskYesNo(ref random, scene, WorldSplit.Train);
        Span<int> candidates = stackalloc int[scene.Objects.Count];
        int found = 0;
        // Shapes not yet asked about come first: a second question on the same shape may be answered from the first.
        for (int pass = 0; pass < 2 && found == 0; pass++)
        {
            for (int i = 0; i < scene.Objects.Count; i++)
            {
                if (pass == 0 && (asked & (1 << i)) != 0) continue;
                SceneObject shape = scene.Objects[i];
                if (kind == QuestionKind.Colour ? OnlyOfKind(scene, shape.Kind) : OnlyOfColour(scene, shape.Colour)) candidates[found++] = i;
            }
        }
        if (found == 0) return null;
        int chosen = candidates[random.Below(found)];
        asked |= 1 << chosen;
        return kind == QuestionKind.Colour ? AskColour(ref random, scene.Objects[chosen]) : AskShape(ref random, scene.Objects[chosen]);
    }

    private static Question AskColour(ref RandomStream random, SceneObject shape)
    {
        string colour = random.Chance(AmericanSpelling) ? "color" : "colour";
        string text = random.Chance(0.5) ? $"what {colour} is the {shape.Kind.Name()}?" : $"which {colour} is the {shape.Kind.Name()}?";
        return new Question(QuestionKind.Colour, text, shape.Colour.Name());
    }

    private static Question AskShape(ref RandomStream random, SceneObject shape)
    {
        string text = random.Chance(0.5) ? $"what shape is {shape.Colour.Name()}?" : $"which shape is {shape.Colour.Name()}?";
        return new Question(QuestionKind.Shape, text, shape.Kind.Name());
    }

    private (Scene Scene, Question Question) AskCount(ref RandomStream random, WorldSplit split)
    {
        int counted = 1 + random.Below(maximumShapes);
        int variant = random.Below(3);
        if (variant == 0 && counted >= minimumShapes)
            return (composer.Free(ref random, counted, split), new Question(QuestionKind.Count, "how many shapes are there?", WorldWords.Number(counted)));
        bool byKind = variant == 1;
        int least = Math.Max(counted, minimumShapes);
        int total = least + random.Below(maximumShapes - least + 1);
        Scene scene = composer.Counted(ref random, counted, total, byKind, split);
        Combination subject = scene.Objects[0].Combination;
        string what = byKind ? subject.Kind.Plural() : $"{subject.Colour.Name()} shapes";
        return (scene, new Question(QuestionKind.Count, $"how many {what} are there?", WorldWords.Number(counted)));
    }

    private Question AskYesNo(ref RandomStream random, Scene scene, WorldSplit split)
    {
        bool yes = random.Chance(0.5);
        string answer = yes ? "yes" : "no";
        // Unseen combinations are always asked for by name: any other question would tell by its words alone what is held out.
        int variant = split == WorldSplit.UnseenCombination ? 0 : random.Below(3);
        SceneObject shape = scene.Objects[split == WorldSplit.UnseenCombination ? 0 : random.Below(scene.Objects.Count)];
        if (variant == 1 && OnlyOfKind(scene, shape.Kind))
        {
            Combination asked = shape.Combination;
            while (!yes && asked == shape.Combination)
            {
                asked = random.Pick(composer.Trained);
                if (asked.Kind != shape.Kind) asked = shape.Combination;
            }
            return new Question(QuestionKind.YesNo, $"is the {asked.Kind.Name()} {asked.Colour.Name()}?", answer);
        }
        if (variant == 2)
        {
            int kinds = 0;
            foreach (SceneObject other in scene.Objects) kinds |= 1 << (int)other.Kind;
            if (kinds != (1 << Enum.GetValues<ShapeKind>().Length) - 1)
            {
                ShapeKind kind;
                // The kinds that are there must count once each, or kinds that come in pairs would be asked for more when the answer is yes.
                do kind = (ShapeKind)random.Below(6);
                while ((kinds & (1 << (int)kind)) != 0 != yes);
                return new Question(QuestionKind.YesNo, $"is there a {kind.Name()}?", answer);
            }
        }
        Combination combination = shape.Combination;
        if (!yes)
        {
            ReadOnlySpan<Combination> pool = split == WorldSplit.UnseenCombination ? composer.HeldOut : composer.Trained;
            // Half of the absent ones are lures: their colour and their kind are both there, on different shapes.
            bool lure = random.Chance(0.5);
            for (int tries = 0; ; tries++)
            {
                combination = random.Pick(pool);
                if (IsThere(scene, combination)) continue;
                if (!lure || tries > 100 || (ColourIsThere(scene, combination.Colour) && KindIsThere(scene, combination.Kind))) break;
            }
        }
        return new Question(QuestionKind.YesNo, $"is there a {combination.Name()}?", answer);
    }

    /// <summary>What to call a shape: its kind where it is the only one, or colour and kind.</summary>
    private static string Reference(ref RandomStream random, Scene scene, SceneObject shape) =>
        OnlyOfKind(scene, shape.Kind) && random.Chance(0.5) ? shape.Kind.Name() : shape.Combination.Name();

    private static bool OnlyOfKind(Scene scene, ShapeKind kind)
    {
        int count = 0;
        foreach (SceneObject shape in scene.Objects) count += shape.Kind == kind ? 1 : 0;
        return count == 1;
    }

    private static bool OnlyOfColour(Scene scene, ShapeColour colour)
    {
        int count = 0;
        foreach (SceneObject shape in scene.Objects) count += shape.Colour == colour ? 1 : 0;
        return count == 1;
    }

    private static bool IsThere(Scene scene, Combination combination)
    {
        foreach (SceneObject shape in scene.Objects)
            if (shape.Combination == combination) return true;
        return false;
    }

    private static bool ColourIsThere(Scene scene, ShapeColour colour)
    {
        foreach (SceneObject shape in scene.Objects)
            if (shape.Colour == colour) return true;
        return false;
    }

    private static bool KindIsThere(Scene scene, ShapeKind kind)
    {
        foreach (SceneObject shape in scene.Objects)
            if (shape.Kind == kind) return true;
        return false;
    }
}
