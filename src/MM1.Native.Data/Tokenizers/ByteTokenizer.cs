using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// One token for each byte of the text's UTF-8 (a lone surrogate: its three WTF-8 bytes), then the document end, padding and the
/// image placeholder: 259 tokens that need no file. For tiny models and tests; lossless for every string.
/// </summary>
public sealed class ByteTokenizer : ITokenizer
{
    private const int DocumentEnd = 256, Padding = 257, Image = 258, Count = 259;

    /// <inheritdoc/>
    public int VocabularySize => Count;

    /// <inheritdoc/>
    public int PaddingId => Padding;

    /// <inheritdoc/>
    public int DocumentEndId => DocumentEnd;

    /// <inheritdoc/>
    public int ImageId => Image;

    /// <inheritdoc/>
    public int NewlineId => '\n';

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> text, List<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        Span<byte> bytes = stackalloc byte[4];
        for (int at = 0; at < text.Length;)
        {
            if (text[at] < 0x80)
            {
                tokens.Add(text[at++]);
                continue;
            }
            at += Wtf8.Encode(text[at..], bytes, out int written);
            for (int i = 0; i < written; i++) tokens.Add(bytes[i]);
        }
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> tokens)
    {
        var text = new StringBuilder();
        var bytes = new List<byte>(tokens.Length);
        foreach (int token in tokens)
        {
            Check(token);
            if (token < 256) bytes.Add((byte)token);
            else Wtf8.Decode(bytes, text); // bytes on both sides of a special token are no one character
        }
        Wtf8.Decode(bytes, text);
        return text.ToString();
    }

    /// <inheritdoc/>
    public string Describe(int token)
    {
        Check(token);
        return token switch
        {
            Padding => "<padding>",
            DocumentEnd => "<end>",
            Image => "<image>",
            '\n' => "\\n",
            > ' ' and < 0x7F => ((char)token).ToString(),
            _ => string.Create(CultureInfo.InvariantCulture, $"<0x{token:X2}>"),
        };
    }

    /// <inheritdoc/>
    public void Save(string path) => TokenizerFile.Save(path, new TokenizerDocument { Format = TokenizerDocument.ByteFormat });

    private static void Check(int token)
    {
        if ((uint)token >= Count) throw new ArgumentOutOfRangeException(nameof(token), token, $"token ids are in [0, {Count})");
    }
}
