using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// A text with places to fill in: <c>COCO_train2014_{image:12}.jpg</c>. <c>{name}</c> is replaced by a value; with <c>:12</c> a number is written with at least 12 digits. <c>{{</c> and
/// <c>}}</c> stand for the braces themselves.
/// </summary>
internal sealed class Template
{
    private readonly List<(string Text, int Name, int Digits)> _pieces = []; // a text, or the place of a name

    /// <summary>Takes a template apart.</summary>
    /// <param name="options">The source, for messages.</param>
    /// <param name="member">The member of the options that holds it, for messages.</param>
    /// <param name="text">The template.</param>
    /// <param name="names">The names it may use, in the order of the values of <see cref="Format"/>.</param>
    /// <exception cref="ArgumentException">A brace is not closed, or a name is unknown.</exception>
    internal Template(SourceOptions options, string member, string text, params ReadOnlySpan<string> names)
    {
        var literal = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c is not ('{' or '}') || (i + 1 < text.Length && text[i + 1] == c))
            {
                literal.Append(c);
                if (c is '{' or '}') i++;
                continue;
            }
            int end = c == '{' ? text.IndexOf('}', i) : -1;
            if (end < 0) throw options.Refuse($"'{member}' is '{text}': the brace at place {i} has no partner; write it twice if it is meant as itself");
            string name = text[(i + 1)..end];
            int colon = name.IndexOf(':', StringComparison.Ordinal), digits = 0;
            if (colon >= 0 && (!int.TryParse(name.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out digits) || digits is < 1 or > 100))
                throw options.Refuse($"'{member}' is '{text}': after ':' in {{{name}}} stands a number of digits, 1 to 100");
            int place = names.IndexOf(colon < 0 ? name : name[..colon]);
            if (place < 0) throw options.Refuse($"'{member}' is '{text}': there is no {{{name}}}; known: {string.Join(", ", names.ToArray().Select(static known => $"{{{known}}}"))}");
            _pieces.Add((literal.ToString(), -1, 0));
            _pieces.Add(("", place, digits));
            literal.Clear();
            i = end;
        }
        _pieces.Add((literal.ToString(), -1, 0));
    }

    /// <summary>Whether a name is used.</summary>
    internal bool Uses(int name) => _pieces.Exists(piece => piece.Name == name);

    /// <summary>Fills in the values.</summary>
    internal string Format(params ReadOnlySpan<string> values)
    {
        var text = new StringBuilder();
        foreach ((string literal, int name, int digits) in _pieces)
        {
            if (name < 0) text.Append(literal);
            else text.Append(values[name].PadLeft(digits, '0'));
        }
        return text.ToString();
    }
}
