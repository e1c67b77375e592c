using System.Text;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>
/// Hugging Face's <c>tokenizer.json</c>, read strictly: byte-level BPE with a known way to cut text, and BPE over characters with
/// byte fallback (Llama style). Whatever would change ids and is not known is refused with its name; templates that only put
/// special tokens around a text are taken and not applied, as <see cref="ITokenizer.Encode"/> never gives special tokens.
/// </summary>
internal sealed partial class TokenizerJson
{
    private const string Escape = "▁";
    private readonly string _path;
    private readonly Dictionary<string, int> _idOf = new(StringComparer.Ordinal);
    private readonly List<Added> _added = [];
    private readonly List<(string Left, string Right)> _merges = [];
    private readonly Dictionary<string, string> _nameOfRole = new(StringComparer.Ordinal);
    private bool _hasByteFallback, _takesWholeWords;
    private string[] _texts = [];
    private bool[] _isSpecial = [];
    private SpecialTokens _special = null!;

    private TokenizerJson(string path) => _path = path;

    /// <summary>A token that is matched in the text as a whole, or, where it is special, never.</summary>
    private sealed record Added(string Content, int Id, bool IsSpecial, bool HasConditions, bool IsNormalized);

    /// <summary>Reads a tokenizer.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or says what cannot be done exactly.</exception>
    public static SubwordTokenizer Load(string path, ReadOnlyMemory<byte> content, TokenizerOptions options)
    {
        var file = new TokenizerJson(path);
        try
        {
            using JsonDocument document = JsonDocument.Parse(content, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return file.Read(document.RootElement, content, options);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            // InvalidOperationException: a string that is no UTF-16 or UTF-8 is found only when it is looked at.
            throw new InvalidDataException($"'{path}' is no tokenizer.json, or is cut off or damaged: {exception.Message}", exception);
        }
    }

    private SubwordTokenizer Read(JsonElement root, ReadOnlyMemory<byte> content, TokenizerOptions options)
    {
        RequireKeys(root, "the file", "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
        if (root.TryGetProperty("version", out JsonElement version) && Text(version, "version") != "1.0") throw Refused($"version '{version.GetString()}' is unknown; known is '1.0'");
        RequireNull(root, "truncation", "it would cut texts off");
        RequireNull(root, "padding", "it would add tokens");
        ReadModel(Required(root, "model", "the file"));
        if (root.TryGetProperty("added_tokens", out JsonElement added)) ReadAdded(added);
        _texts = TextsById();
        CheckPostProcessor(Optional(root, "post_processor"));
        options = options with
        {
            DocumentEnd = _nameOfRole.TryGetValue(Roles[0], out string? end) ? [end] : options.DocumentEnd,
            Padding = _nameOfRole.TryGetValue(Roles[1], out string? padding) ? [padding] : options.Padding,
            Image = _nameOfRole.TryGetValue(Roles[2], out string? image) ? [image] : options.Image,
        };
        _special = SpecialTokens.Resolve(_path, options, _texts.Length, name => _added.Find(token => token.Content == name)?.Id ?? -1, _idOf.ContainsKey);
        _isSpecial = new bool[_texts.Length];
        foreach (Added token in _added) _isSpecial[token.Id] = token.IsSpecial || _special.Contains(token.Id);
        PreTokenizer? preTokenizer = ReadPreTokenizer(Optional(root, "pre_tokenizer"));
        JsonElement? normalizer = Optional(root, "normalizer"), decoder = Optional(root, "decoder");
        SpecialTokens special = _special;
        int count = _texts.Length;
        void Save(string target) => Write(target, content, special, count);
        return preTokenizer is null ? BuildCharacters(normalizer, decoder, Save) : BuildBytes(preTokenizer, normalizer, decoder, Save);
    }

    private void ReadModel(JsonElement model)
    {
        RequireKeys(model, "model", "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges");
        if (model.TryGetProperty("type", out JsonElement type) && Text(type, "model.type") != "BPE") throw Refused($"model.type is '{type.GetString()}'; only BPE can be read");
        RequireNull(model, "dropout", "it would make ids random");
        foreach (string key in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
            if (Optional(model, key) is { } affix && Text(affix, key) != "") throw Refused($"model.{key} is '{affix.GetString()}'; pieces with a prefix or suffix cannot be read");
        _hasByteFallback = Flag(model, "byte_fallback", false);
        _takesWholeWords = Flag(model, "ignore_merges", false);
        JsonElement vocabulary = Required(model, "vocab", "model");
        if (vocabulary.ValueKind != JsonValueKind.Object) throw Refused("model.vocab is no object of token to id");
        foreach (JsonProperty token in vocabulary.EnumerateObject()) _idOf.Add(token.Name, Id(token.Value, token.Name));
        JsonElement merges = Required(model, "merges", "model");
        if (merges.ValueKind != JsonValueKind.Array) throw Refused("model.merges is no array");
        foreach (JsonElement merge in merges.EnumerateArray()) _merges.Add(Merge(merge));
    }

    /// <summary>Both spellings: <c>"a b"</c> and <c>["a", "b"]</c>.</summary>
    private (string Left, string Right) Merge(JsonElement merge)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2) return (Text(merge[0], "a merge"), Text(merge[1], "a merge"));
        if (merge.ValueKind == JsonValueKind.String && merge.GetString()!.Split(' ') is [{ Length: > 0 } left, { Length: > 0 } right]) return (left, right);
        throw Refused($"merge {_merges.Count} is {merge.GetRawText()}; a merge is \"left right\" or [\"left\", \"right\"]");
    }

    private void ReadAdded(JsonElement added)
    {
        if (added.ValueKind != JsonValueKind.Array) throw Refused("added_tokens is no array");
        foreach (JsonElement token in added.EnumerateArray())
        {
            string where = $"added_tokens[{_added.Count}]";
            RequireKeys(token, where, "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", "role");
            string content = Text(Required(token, "content", where), $"{where}.content");
            if (content.Length == 0) throw Refused($"{where}.content is empty");
            int id = Id(Required(token, "id", where), content);
            bool hasConditions = Flag(token, "single_word", false) | Flag(token, "lstrip", false) | Flag(token, "rstrip", false);
            _added.Add(new Added(content, id, Flag(token, "special", false), hasConditions, Flag(token, "normalized", false)));
            if (_added.FindIndex(other => other.Content == content) != _added.Count - 1) throw Refused($"{where}: '{content}' is there twice");
            if (Optional(token, "role") is not { } role) continue;
            string name = Text(role, $"{where}.role");
            if (!Roles.Contains(name) || !_nameOfRole.TryAdd(name, content)) throw Refused($"{where}.role is '{name}'; a role is one of {string.Join(", ", Roles)}, each of one token");
        }
    }

    /// <summary>All tokens by id; ids go from 0 without holes, each is that of one token.</summary>
    private string[] TextsById()
    {
        foreach (Added token in _added)
        {
            if (_idOf.TryGetValue(token.Content, out int known) && known != token.Id) throw Refused($"the added token '{token.Content}' has the id {token.Id}, in model.vocab it has {known}");
            _idOf[token.Content] = token.Id;
        }
        var texts = new string[_idOf.Count];
        foreach ((string text, int id) in _idOf)
        {
            if (id >= texts.Length) throw Refused($"the id of '{text}' is {id}, but there are {texts.Length} tokens; ids go from 0 without holes");
            if (texts[id] is { } other) throw Refused($"'{other}' and '{text}' both have the id {id}");
            texts[id] = text;
        }
        return texts;
    }

    private BytePairTokenizer BuildBytes(PreTokenizer preTokenizer, JsonElement? normalizer, JsonElement? decoder, Action<string> save)
    {
        if (normalizer is { } one) throw Refused($"the normalizer {Kind(one)} cannot be applied exactly; byte-level tokenizers are read without one. {NormalizerAdvice}");
        if (_hasByteFallback) throw Refused("model.byte_fallback and the pre-tokenizer ByteLevel do not go together");
        if (decoder is { } given && Kind(given) != "ByteLevel") throw Refused($"the decoder {Kind(given)} is unknown for a byte-level tokenizer; known is ByteLevel");
        var vocabulary = new SubwordVocabulary(_texts.Length);
        var symbolOfByte = new int[256];
        Array.Fill(symbolOfByte, -1);
        Dictionary<string, int>? words = _takesWholeWords ? new(StringComparer.Ordinal) : null;
        HashSet<string> added = [.. _added.Select(static token => token.Content)];
        for (int id = 0; id < _texts.Length; id++)
        {
            if (_isSpecial[id]) vocabulary.AddSpecial(_texts[id]);
            else if (added.Contains(_texts[id])) vocabulary.Add(Encoding.UTF8.GetBytes(_texts[id]));
            else
            {
                byte[] bytes = ByteLetters.TryBytes(_texts[id]) ?? throw Refused($"the token '{_texts[id]}' (id {id}) has a character that stands for no byte, and is no added token");
                vocabulary.Add(bytes);
                if (bytes.Length == 1) symbolOfByte[bytes[0]] = id;
                words?.Add(Encoding.Latin1.GetString(bytes), id);
            }
        }
        int missing = Array.IndexOf(symbolOfByte, -1);
        if (missing >= 0) throw Refused($"no token is the byte 0x{missing:X2} ('{ByteLetters.Of((byte)missing)}'): texts with it could not be encoded");
        return new BytePairTokenizer(vocabulary, _special, symbolOfByte, new BytePairMerges(Merges()), preTokenizer, words, TextTokens(isNormalized: false), save);
    }

    private SentencePieceTokenizer BuildCharacters(JsonElement? normalizer, JsonElement? decoder, Action<string> save)
    {
        if (!_hasByteFallback) throw Refused("it has neither the pre-tokenizer ByteLevel nor model.byte_fallback: characters that it does not know would be lost");
        if (_takesWholeWords) throw Refused("model.ignore_merges cannot be read where text is not cut into words");
        SentencePieceRules rules = ReadNormalizer(normalizer);
        CheckDecoder(decoder, rules);
        var vocabulary = new SubwordVocabulary(_texts.Length);
        var symbols = new Dictionary<int, int>();
        var symbolOfByte = new int[256];
        Array.Fill(symbolOfByte, -1);
        for (int id = 0; id < _texts.Length; id++)
        {
            string text = _texts[id];
            if (_isSpecial[id])
            {
                vocabulary.AddSpecial(text);
                continue;
            }
            bool isOneCharacter = text.Length == 1 || (text.Length == 2 && char.IsSurrogatePair(text[0], text[1]));
            if (isOneCharacter) symbols.Add(char.ConvertToUtf32(text, 0), id);
            if (SentencePieceFile.TryByte(text, out byte value)) symbolOfByte[value] = id;
            vocabulary.Add(SentencePieceFile.Bytes(text, rules.EscapesSpaces));
        }
        int missing = Array.IndexOf(symbolOfByte, -1);
        if (missing >= 0) throw Refused($"model.byte_fallback is true, but there is no token <0x{missing:X2}>");
        if (rules.EscapesSpaces && !symbols.ContainsKey(Escape[0])) throw Refused($"model.vocab has no token '{Escape}': a space would not come back as one");
        List<BytePairMerge> merges = Merges();
        bool wordsAreApart = rules.EscapesSpaces && merges.TrueForAll(merge => !SentencePieceFile.CrossesWords(_texts[merge.Result]));
        return new SentencePieceTokenizer(vocabulary, _special, rules, new SentencePieceSymbols(symbols, [], int.MaxValue, symbolOfByte), new BytePairMerges(merges), wordsAreApart,
            TextTokens(isNormalized: normalizer is not null), save);
    }

    /// <summary>
    /// The merges by id. One that needs or makes a special token is left out: elsewhere the token's text is taken out before merging,
    /// so that the merge is never used; here it would let the token come out of text.
    /// </summary>
    private List<BytePairMerge> Merges()
    {
        var merges = new List<BytePairMerge>(_merges.Count);
        var seen = new HashSet<(int, int)>();
        for (int rank = 0; rank < _merges.Count; rank++)
        {
            (string left, string right) = _merges[rank];
            int leftId = Known(left, rank), rightId = Known(right, rank), result = Known(left + right, rank);
            if (!seen.Add((leftId, rightId))) throw Refused($"merge {rank}, '{left}' and '{right}', is there twice");
            if (!_isSpecial[leftId] && !_isSpecial[rightId] && !_isSpecial[result]) merges.Add(new BytePairMerge(leftId, rightId, rank, result));
        }
        return merges;
    }

    private int Known(string token, int rank) => _idOf.TryGetValue(token, out int id) ? id
        : throw Refused($"merge {rank} ('{_merges[rank].Left}' and '{_merges[rank].Right}') needs the token '{token}', which model.vocab does not have");

    /// <summary>The added tokens that are no special ones: they are found in the text.</summary>
    private TextTokens TextTokens(bool isNormalized)
    {
        foreach (Added token in _added)
        {
            if (_isSpecial[token.Id]) continue;
            if (token.HasConditions) throw Refused($"the added token '{token.Content}' has lstrip, rstrip or single_word; such tokens cannot be read");
            if (isNormalized && token.IsNormalized) throw Refused($"the added token '{token.Content}' is looked for after normalising ('normalized': true); such tokens cannot be read");
        }
        return new TextTokens(_added.Where(token => !_isSpecial[token.Id]).Select(static token => (token.Content, token.Id)));
    }

    private InvalidDataException Refused(string what) => new($"'{_path}': {what}");
}
