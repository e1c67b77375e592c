using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace MM1.Native.Inference;

/// <summary>
/// YAML to a JSON tree, from the parser's events. Plain scalars follow the core schema of YAML 1.2; what hides meaning is an error:
/// duplicate keys, anchors, aliases, tags, several documents.
/// </summary>
internal sealed partial class YamlReader
{
    private const int DeepestLevel = 64;
    private readonly IParser _parser;
    private readonly string _fileName;

    private YamlReader(string text, string fileName) => (_parser, _fileName) = (new Parser(new StringReader(text)), fileName);

    /// <summary>Reads a text of one document.</summary>
    public static JsonNode? Read(string text, string fileName)
    {
        var reader = new YamlReader(text, fileName);
        try
        {
            return reader.ReadDocument();
        }
        catch (YamlException exception)
        {
            string what = exception.InnerException?.Message ?? exception.Message;
            throw ConfigurationException.At(fileName, (int)exception.Start.Line, "", $"this is not valid YAML: {what}", exception);
        }
        catch (InvalidOperationException exception)
        {
            // The scanner has no error of its own for some texts, such as a list that is not closed before the next key.
            throw ConfigurationException.At(fileName, (int)(reader._parser.Current?.End.Line ?? 0), "", "this is not valid YAML from here on: a bracket, brace or quote may not be closed", exception);
        }
    }

    private JsonNode? ReadDocument()
    {
        _parser.Consume<StreamStart>();
        if (_parser.Accept<StreamEnd>(out _)) return null;
        _parser.Consume<DocumentStart>();
        JsonNode? root = ReadNode("", 0);
        _parser.Consume<DocumentEnd>();
        if (_parser.Accept<DocumentStart>(out DocumentStart? second)) throw Error(second, "", "begins a second document; a file holds one");
        return root;
    }

    private JsonNode? ReadNode(string key, int level)
    {
        if (_parser.Accept<AnchorAlias>(out AnchorAlias? alias)) throw Error(alias, key, $"is the alias '*{alias.Value}'; anchors and aliases are not allowed, write the value out");
        if (!_parser.Accept<NodeEvent>(out NodeEvent? node)) throw Error(_parser.Current, key, "is not a value");
        if (!node.Anchor.IsEmpty) throw Error(node, key, $"has the anchor '&{node.Anchor.Value}'; anchors and aliases are not allowed");
        if (!node.Tag.IsEmpty) throw Error(node, key, $"has the tag '{node.Tag.Value}'; tags are not allowed");
        if (level > DeepestLevel) throw Error(node, key, $"is nested deeper than {DeepestLevel} levels");
        if (_parser.TryConsume<Scalar>(out Scalar? scalar)) return ReadScalar(scalar, key);
        if (_parser.TryConsume<SequenceStart>(out _)) return ReadList(key, level);
        _parser.Consume<MappingStart>();
        return ReadSection(key, level);
    }

    private JsonArray ReadList(string key, int level)
    {
        var list = new JsonArray();
        while (!_parser.TryConsume<SequenceEnd>(out _))
        {
            int line = (int)_parser.Current!.Start.Line;
            list.Add(ReadNode($"{key}[{list.Count}]", level + 1));
            SourceLines.Set(list, list.Count - 1, line);
        }
        return list;
    }

    private JsonObject ReadSection(string key, int level)
    {
        var section = new JsonObject();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            if (!_parser.Accept<Scalar>(out Scalar? name)) throw Error(_parser.Current, key, "has a key that is not a word");
            if (!name.Anchor.IsEmpty || !name.Tag.IsEmpty) throw Error(name, key, $"has the key '{name.Value}' with an anchor or a tag; they are not allowed");
            _parser.MoveNext();
            string full = DottedKey.Join(key, name.Value);
            if (section.ContainsKey(name.Value)) throw Error(name, full, $"stands here a second time; it is in line {SourceLines.Of(section, name.Value)} already");
            section[name.Value] = ReadNode(full, level + 1);
            SourceLines.Set(section, name.Value, (int)name.Start.Line);
        }
        return section;
    }

    private JsonValue? ReadScalar(Scalar scalar, string key)
    {
        string text = scalar.Value;
        if (scalar.Style != ScalarStyle.Plain) return JsonValue.Create(text);
        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL": return null;
            case "true" or "True" or "TRUE": return JsonValue.Create(true);
            case "false" or "False" or "FALSE": return JsonValue.Create(false);
        }
        if (Integer().IsMatch(text))
        {
            if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole)) return JsonValue.Create(whole);
            if (ulong.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out ulong large)) return JsonValue.Create(large);
            throw Error(scalar, key, $"is {text}, which is more than 64 bits hold");
        }
        if (Based().IsMatch(text))
        {
            try
            {
                return JsonValue.Create(text[1] == 'x' ? Convert.ToInt64(text[2..], 16) : Convert.ToInt64(text[2..], 8));
            }
            catch (OverflowException exception)
            {
                throw ConfigurationException.At(_fileName, (int)scalar.Start.Line, key, $"is {text}, which is more than 64 bits hold", exception);
            }
        }
        if (Number().IsMatch(text))
        {
            double value = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            if (!double.IsFinite(value)) throw Error(scalar, key, $"is {text}, which is more than a number holds");
            return JsonValue.Create(value);
        }
        if (NotFinite().IsMatch(text)) throw Error(scalar, key, $"is {text}; numbers must be finite (for the text, write \"{text}\")");
        return JsonValue.Create(text);
    }

    private ConfigurationException Error(ParsingEvent? at, string key, string what) => ConfigurationException.At(_fileName, (int)(at?.Start.Line ?? 0), key, what);

    [GeneratedRegex("^[-+]?[0-9]+$", RegexOptions.CultureInvariant)]
    private static partial Regex Integer();

    [GeneratedRegex("^0(o[0-7]+|x[0-9a-fA-F]+)$", RegexOptions.CultureInvariant)]
    private static partial Regex Based();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    [GeneratedRegex(@"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", RegexOptions.CultureInvariant)]
    private static partial Regex NotFinite();
}
