using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>Ways to write an answer. Which one is wanted is only ever told by examples.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<AnswerFormat>))]
public enum AnswerFormat
{
    /// <summary><c>red</c>: what a question without examples is answered with.</summary>
    Plain,
    /// <summary><c>RED</c></summary>
    Upper,
    /// <summary><c>answer: red</c></summary>
    Prefixed,
    /// <summary><c>(red)</c></summary>
    Bracketed,
    /// <summary><c>red!</c></summary>
    Exclaimed,
    /// <summary><c>it is red.</c></summary>
    Sentence,
}

/// <summary>How one answer was judged.</summary>
/// <param name="FormatIsRight">It is an answer of the world, written in the wanted format.</param>
/// <param name="ContentIsRight">It says the truth, in whatever format.</param>
public readonly record struct AnswerScore(bool FormatIsRight, bool ContentIsRight);

/// <summary>Writes and reads answers in their formats.</summary>
public static class AnswerFormats
{
    private const string Prefix = "answer: ";
    private const string SentenceStart = "it is ";

    /// <summary>How many formats there are.</summary>
    public const int Count = 6;

    /// <summary>An answer in a format.</summary>
    public static string Apply(this AnswerFormat format, string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return format switch
        {
            AnswerFormat.Plain => answer,
            AnswerFormat.Upper => answer.ToUpperInvariant(),
            AnswerFormat.Prefixed => Prefix + answer,
            AnswerFormat.Bracketed => $"({answer})",
            AnswerFormat.Exclaimed => answer + "!",
            AnswerFormat.Sentence => $"{SentenceStart}{answer}.",
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "not a format"),
        };
    }

    /// <summary>Reads an answer of the world in any format.</summary>
    /// <returns>Whether the text is exactly such an answer.</returns>
    public static bool TryParse(string text, out AnswerFormat format, out string answer)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        for (int i = 0; i < Count; i++)
        {
            format = (AnswerFormat)i;
            foreach (string known in WorldWords.Answers)
            {
                if (format.Apply(known) != trimmed) continue;
                answer = known;
                return true;
            }
        }
        (format, answer) = (default, "");
        return false;
    }

    /// <summary>Judges an answer: format and content apart.</summary>
    /// <param name="output">What the model wrote, up to the line feed or document end.</param>
    /// <param name="truth">The plain answer.</param>
    /// <param name="format">The wanted format.</param>
    public static AnswerScore Score(string output, string truth, AnswerFormat format = AnswerFormat.Plain)
    {
        ArgumentNullException.ThrowIfNull(truth);
        if (TryParse(output, out AnswerFormat found, out string answer)) return new AnswerScore(found == format, answer == truth);
        // Not one of the formats: the content still counts where the only answer words in it are the truth.
        bool right = false;
        foreach (Range range in output.AsSpan().SplitAny(" .,!?:;()\n"))
        {
            string word = output[range].ToLowerInvariant();
            if (!WorldWords.Answers.Contains(word)) continue;
            if (word != truth) return new AnswerScore(false, false);
            right = true;
        }
        return new AnswerScore(false, right);
    }
}
