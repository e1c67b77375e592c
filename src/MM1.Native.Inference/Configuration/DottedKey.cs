using System.Text;

namespace MM1.Native.Inference;

/// <summary>Keys of nested sections in one line: <c>model.decoder.layers</c>. A part with a dot in it is quoted: <c>lrScale."encoder.*"</c>.</summary>
internal static class DottedKey
{
    /// <summary>The key of a part inside a section.</summary>
    public static string Join(string section, string part)
    {
        string quoted = part.Contains('.') || part.Length == 0 ? $"\"{part}\"" : part;
        return section.Length == 0 ? quoted : $"{section}.{quoted}";
    }

    /// <summary>The parts of a dotted key; an element of a list is <c>name[0]</c> or <c>name.0</c>.</summary>
    /// <exception cref="ConfigurationException">It has an empty part or an open quote.</exception>
    public static List<string> Split(string key)
    {
        var parts = new List<string>();
        var part = new StringBuilder();
        bool quoted = false, wasQuoted = false;
        char quote = '\0';
        for (int i = 0; i <= key.Length; i++)
        {
            char letter = i < key.Length ? key[i] : '.';
            if (i < key.Length && quoted)
            {
                if (letter == quote) quoted = false;
                else part.Append(letter);
            }
            else if (letter is '"' or '\'' && part.Length == 0 && !wasQuoted) (quoted, wasQuoted, quote) = (true, true, letter);
            else if (letter is '.' or '[' || (letter == ']' && part.Length > 0))
            {
                if (quoted) throw new ConfigurationException($"--set {key}: a quote is not closed");
                bool afterIndex = i > 0 && key[i - 1] == ']';
                if (part.Length > 0 || wasQuoted) parts.Add(part.ToString());
                else if (!afterIndex) throw new ConfigurationException($"--set {(key.Length == 0 ? "''" : key)}: a part of the key is empty; it is written as section.key=value");
                part.Clear();
                wasQuoted = false;
            }
            else part.Append(letter);
        }
        return parts;
    }
}
