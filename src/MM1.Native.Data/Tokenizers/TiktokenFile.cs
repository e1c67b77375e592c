using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// OpenAI's <c>.tiktoken</c> files: a line for each token, its bytes in base64 and its rank. Two neighbours merge when their bytes
/// together are a token, the lowest rank first; a piece that is a token is taken whole.
/// </summary>
internal static class TiktokenFile
{
    private const int LongestToken = 1024;

    /// <summary>The files that are known by their number of ranks.</summary>
    private static readonly (int Ranks, PreTokenizer Pattern)[] Known = [(50256, PreTokenizer.Gpt2), (100256, PreTokenizer.Cl100k), (128000, PreTokenizer.Cl100k), (151643, PreTokenizer.Qwen2)];

    /// <summary>Whether a content begins as such a file does: base64, a space, digits, the end of the line.</summary>
    public static bool Begins(ReadOnlySpan<byte> content)
    {
        int end = content.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = (end < 0 ? content : content[..end]).TrimEnd((byte)'\r');
        int space = line.IndexOf((byte)' ');
        return space > 0 && space + 1 < line.Length && Base64.IsValid(line[..space]) && line[(space + 1)..].IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0;
    }

    /// <summary>Builds the tokenizer of a file.</summary>
    /// <exception cref="InvalidDataException">A line is wrong, ranks have holes, or the way to cut text is not known.</exception>
    public static BytePairTokenizer Load(string path, ReadOnlyMemory<byte> content, TokenizerOptions options)
    {
        List<byte[]> tokens = Read(path, content.Span);
        PreTokenizer preTokenizer = options.Pattern is { } named ? PreTokenizer.Named(named)
            : Array.Find(Known, known => known.Ranks == tokens.Count).Pattern
            ?? throw new InvalidDataException($"'{path}' has {tokens.Count} ranks; such a file does not say how text is cut, and none of this size is known. Give TokenizerOptions.Pattern (--pattern), one of {string.Join(", ", PreTokenizer.Names)}");
        var vocabulary = new SubwordVocabulary(tokens.Count);
        var idOf = new Dictionary<string, int>(tokens.Count, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Count; id++)
        {
            vocabulary.Add(tokens[id]);
            if (!idOf.TryAdd(Encoding.Latin1.GetString(tokens[id]), id)) throw new InvalidDataException($"'{path}': the token of rank {id} ({Convert.ToBase64String(tokens[id])}) is there twice");
        }
        var symbolOfByte = new int[256];
        for (int value = 0; value < 256; value++)
        {
            if (!idOf.TryGetValue(((char)value).ToString(), out symbolOfByte[value]))
                throw new InvalidDataException($"'{path}': no token is the byte 0x{value:X2}; texts with it could not be encoded");
        }
        // A name that is a word of the vocabulary is never special, or it would come out of text.
        SpecialTokens special = SpecialTokens.Resolve(path, options, tokens.Count, static _ => -1, name => idOf.ContainsKey(Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(name))));
        List<BytePairMerge> merges = SentencePieceFile.Concatenations(idOf.Select(static token => (token.Key, token.Value)), idOf);
        var document = new TokenizerDocument
        {
            Format = TokenizerDocument.TiktokenFormat,
            Pattern = preTokenizer.Name,
            Special = special.Names,
            Ranks = content.ToArray(),
        };
        return new BytePairTokenizer(vocabulary, special, symbolOfByte, new BytePairMerges(merges), preTokenizer, idOf, new TextTokens([]), target => TokenizerFile.Save(target, document));
    }

    /// <summary>The tokens in the order of their ranks, which go from 0 without holes.</summary>
    private static List<byte[]> Read(string path, ReadOnlySpan<byte> content)
    {
        var byRank = new Dictionary<int, byte[]>();
        Span<byte> room = stackalloc byte[LongestToken];
        int number = 0;
        foreach (Range range in content.Split((byte)'\n'))
        {
            number++;
            ReadOnlySpan<byte> line = content[range].TrimEnd((byte)'\r');
            if (line.IsEmpty) continue;
            int space = line.IndexOf((byte)' ');
            if (space <= 0 || Base64.DecodeFromUtf8(line[..space], room, out _, out int length) != System.Buffers.OperationStatus.Done || length == 0)
                throw new InvalidDataException($"'{path}', line {number}: expected a token in base64 (at most {LongestToken} bytes), a space and its rank");
            if (!int.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int rank)) throw new InvalidDataException($"'{path}', line {number}: the rank is no number of 0 or more");
            if (!byRank.TryAdd(rank, room[..length].ToArray())) throw new InvalidDataException($"'{path}', line {number}: the rank {rank} is there twice");
        }
        var tokens = new List<byte[]>(byRank.Count);
        for (int rank = 0; rank < byRank.Count; rank++)
            tokens.Add(byRank.TryGetValue(rank, out byte[]? token) ? token : throw new InvalidDataException($"'{path}': the rank {rank} is missing; ranks go from 0 without holes ({byRank.Count} lines)"));
        return tokens;
    }
}
