using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>What the tokenizers with a learned vocabulary share: pieces of text by id, special tokens, and how they are kept.</summary>
public abstract class SubwordTokenizer : ITokenizer
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly SubwordVocabulary _vocabulary;
    private readonly SpecialTokens _special;
    private readonly Action<string> _save;

    private protected SubwordTokenizer(SubwordVocabulary vocabulary, SpecialTokens special, int newlineId, Action<string> save)
    {
        (_vocabulary, _special, NewlineId, _save) = (vocabulary, special, newlineId, save);
        foreach (string name in special.Appended) vocabulary.AddSpecial(name);
    }

    /// <inheritdoc/>
    public int VocabularySize => _vocabulary.Count;

    /// <inheritdoc/>
    public int PaddingId => _special.Padding;

    /// <inheritdoc/>
    public int DocumentEndId => _special.DocumentEnd;

    /// <inheritdoc/>
    public int ImageId => _special.Image;

    /// <inheritdoc/>
    public int NewlineId { get; }

    /// <summary>Whether the token stands for no text: the three of MM1 and any other control token of the file.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public bool IsSpecial(int token) => _vocabulary.Bytes(Check(token)) is null;

    /// <summary>The UTF-8 bytes of a token's text, none for a special one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public ReadOnlySpan<byte> Bytes(int token) => _vocabulary.Bytes(Check(token));

    /// <inheritdoc/>
    public abstract void Encode(ReadOnlySpan<char> text, List<int> tokens);

    /// <inheritdoc/>
    public virtual string Decode(ReadOnlySpan<int> tokens)
    {
        var text = new StringBuilder();
        var bytes = new List<byte>(4 * tokens.Length);
        foreach (int token in tokens)
        {
            if (_vocabulary.Bytes(Check(token)) is { } piece) bytes.AddRange(piece.AsSpan());
            else Wtf8.Decode(bytes, text); // bytes on both sides of a special token are no one character
        }
        Wtf8.Decode(bytes, text);
        return text.ToString();
    }

    /// <summary>A token as one shows it: spaces as <c>▁</c>, control characters escaped, bytes that are no text as <c>&lt;0x2A&gt;</c>.</summary>
    public virtual string Describe(int token)
    {
        byte[]? bytes = _vocabulary.Bytes(Check(token));
        if (bytes is null) return _vocabulary.Name(token);
        string text;
        try
        {
            text = Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return string.Concat(bytes.Select(static one => one is > 0x20 and < 0x7F ? ((char)one).ToString() : Hex(one)));
        }
        var shown = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (c == ' ') shown.Append('▁');
            else if (c == '\n') shown.Append("\\n");
            else if (c == '\r') shown.Append("\\r");
            else if (c == '\t') shown.Append("\\t");
            else if (c < ' ' || c == 0x7F) shown.Append(Hex((byte)c));
            else shown.Append(c);
        }
        return shown.ToString();
    }

    /// <inheritdoc/>
    public void Save(string path) => _save(path);

    private protected static string Hex(byte value) => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");

    private int Check(int token) =>
        (uint)token < (uint)_vocabulary.Count ? token : throw new ArgumentOutOfRangeException(nameof(token), token, $"token ids are in [0, {_vocabulary.Count})");
}

/// <summary>Ids to the bytes of their text; special tokens have a name instead.</summary>
internal sealed class SubwordVocabulary(int capacity)
{
    private readonly List<byte[]?> _bytes = new(capacity);
    private readonly Dictionary<int, string> _names = [];

    public int Count => _bytes.Count;

    public void Add(byte[] bytes) => _bytes.Add(bytes);

    public void AddSpecial(string name)
    {
        _names.Add(_bytes.Count, name);
        _bytes.Add(null);
    }

    public byte[]? Bytes(int id) => _bytes[id];

    public string Name(int id) => _names[id];
}
