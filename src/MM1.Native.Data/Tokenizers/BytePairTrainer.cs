using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>
/// Learns a byte-level BPE (Sennrich et al. 2016, over bytes as GPT-2): texts are cut as GPT-2 cuts them, and the most frequent pair
/// of neighbours within a piece becomes a token, again and again. Of pairs that are equally frequent, the one of smaller ids is
/// taken, so that the same texts give the same file in whatever order they come. Pair counts are kept up to date word by word, with
/// a heap over them. Not safe for several threads.
/// </summary>
public sealed class BytePairTrainer
{
    /// <summary>The smallest vocabulary: the bytes and the three special tokens.</summary>
    public const int SmallestVocabulary = 256 + 3;

    /// <summary>Longer pieces (text without spaces) are counted in parts of so many bytes, so that no step costs more than that.</summary>
    private const int LongestPiece = 1024;

    private const int BlockLength = 1 << 20;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> _countOf;

    /// <summary>A trainer that has seen no text.</summary>
    public BytePairTrainer() => _countOf = _counts.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>UTF-16 units of the texts that were counted.</summary>
    public long Characters { get; private set; }

    /// <summary>Pieces that they were cut into.</summary>
    public long Pieces { get; private set; }

    /// <summary>Different ones among them.</summary>
    public int DistinctPieces => _counts.Count;

    /// <summary>Counts the pieces of a text.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        Characters += text.Length;
        while (text.Length > 0)
        {
            int length = PreTokenizer.Gpt2.Next(text);
            CollectionsMarshal.GetValueRefOrAddDefault(_countOf, text[..length], out _)++;
            Pieces++;
            text = text[length..];
        }
    }

    /// <summary>Counts the pieces of a text file (UTF-8, or UTF-16 with a byte order mark), which is read in blocks.</summary>
    /// <exception cref="InvalidDataException">The file is not UTF-8.</exception>
    public void AddFile(string path, CancellationToken cancellationToken = default)
    {
        using var reader = new StreamReader(path, Strict);
        char[] block = new char[BlockLength];
        int count = 0;
        try
        {
            for (int read; (read = reader.ReadBlock(block, count, block.Length - count)) > 0;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                count += read;
                int cut = SafeCut(block.AsSpan(0, count));
                if (cut == 0)
                {
                    if (count == block.Length) Array.Resize(ref block, checked(2 * block.Length));
                    continue;
                }
                Add(block.AsSpan(0, cut));
                block.AsSpan(cut, count - cut).CopyTo(block);
                count -= cut;
            }
        }
        catch (DecoderFallbackException exception)
        {
            throw new InvalidDataException($"'{path}' is no UTF-8 text: {exception.Message}", exception);
        }
        Add(block.AsSpan(0, count));
    }

    /// <summary>Learns a vocabulary and gives the tokenizer; <see cref="ITokenizer.Save"/> writes it as <c>tokenizer.json</c>.</summary>
    /// <param name="vocabulary">Tokens in all: 256 bytes, the merges, and the three special tokens.</param>
    /// <param name="minimumCount">A pair that is seen fewer times becomes no token; the vocabulary is smaller where nothing is left.</param>
    /// <param name="options">Names of the special tokens.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is smaller than <see cref="SmallestVocabulary"/>, or the count than 1.</exception>
    public BytePairTokenizer Train(int vocabulary, long minimumCount = 2, TokenizerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, SmallestVocabulary);
        ArgumentOutOfRangeException.ThrowIfLessThan(minimumCount, 1);
        options ??= new TokenizerOptions();
        options.Check();
        var learned = new Learning(_counts, cancellationToken);
        while (learned.Tokens.Count < vocabulary - 3 && learned.MergeMostFrequent(minimumCount)) cancellationToken.ThrowIfCancellationRequested();
        return (BytePairTokenizer)TokenizerJson.Load("the trained tokenizer", ToTokenizerJson(learned), options);
    }

    private static byte[] ToTokenizerJson(Learning learned)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteString("version", "1.0");
            writer.WriteNull("truncation");
            writer.WriteNull("padding");
            writer.WriteStartArray("added_tokens");
            writer.WriteEndArray();
            Gpt2Files.WriteModel(writer, learned.Merges.Select(merge => $"{learned.Tokens[merge.Left]} {learned.Tokens[merge.Right]}"), writer =>
            {
                writer.WriteStartObject();
                for (int id = 0; id < learned.Tokens.Count; id++) writer.WriteNumber(learned.Tokens[id], id);
                writer.WriteEndObject();
            });
            writer.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <summary>The last place, after a letter or digit and before a space or line feed, where a piece begins whatever follows; 0 where there is none.</summary>
    private static int SafeCut(ReadOnlySpan<char> text)
    {
        for (int at = text.Length - 1; at > 0; at--)
            if (text[at] is ' ' or '\n' && char.IsLetterOrDigit(text[at - 1])) return at;
        return 0;
    }

    /// <summary>The words as symbols, the counts of their pairs, and what has been learned.</summary>
    private sealed class Learning
    {
        private readonly Dictionary<string, int> _idOf = new(StringComparer.Ordinal);
        private readonly List<int[]> _words = [];
        private readonly List<int> _lengths = [];
        private readonly List<long> _counts = [];
        private readonly List<int> _lastMerge = [];
        private readonly Dictionary<ulong, Pair> _pairs = [];
        private readonly PriorityQueue<Pair, (long Count, ulong Pair)> _heap = new(new MostFrequent());
        private readonly HashSet<Pair> _changed = [];
        private readonly HashSet<ulong> _merged = [];
        private int _steps;

        public Learning(Dictionary<string, long> counts, CancellationToken cancellationToken)
        {
            for (int i = 0; i < 256; i++) Tokens.Add("");
            int[] order = [.. Enumerable.Range(0, 256).OrderBy(static value => ByteLetters.Of((byte)value))]; // GPT-2's ids of the bytes
            var idOfByte = new int[256];
            for (int id = 0; id < 256; id++)
            {
                idOfByte[order[id]] = id;
                Tokens[id] = ByteLetters.Of((byte)order[id]).ToString();
                _idOf.Add(Tokens[id], id);
            }
            foreach ((string piece, long count) in counts)
            {
                cancellationToken.ThrowIfCancellationRequested();
                AddWord(piece, count, idOfByte);
            }
            foreach (Pair pair in _pairs.Values) _heap.Enqueue(pair, (pair.Count, pair.Key));
        }

        /// <summary>Tokens by id, in the letters of GPT-2's files.</summary>
        public List<string> Tokens { get; } = [];

        /// <summary>The merges in their order.</summary>
        public List<(int Left, int Right)> Merges { get; } = [];

        /// <summary>Makes the most frequent pair one token; false where none is frequent enough.</summary>
        public bool MergeMostFrequent(long minimumCount)
        {
            while (_heap.TryDequeue(out Pair? pair, out (long Count, ulong Pair) seen))
            {
                if (pair.Count != seen.Count)
                {
                    // The count has changed since: back with what it is now.
                    if (pair.Count >= minimumCount) _heap.Enqueue(pair, (pair.Count, pair.Key));
                    continue;
                }
                if (pair.Count < minimumCount) return false;
                Merge(pair);
                return true;
            }
            return false;
        }

        private void AddWord(string piece, long count, int[] idOfByte)
        {
            var bytes = new byte[3 * piece.Length + 1];
            int length = 0;
            for (int at = 0; at < piece.Length;)
            {
                at += Wtf8.Encode(piece.AsSpan(at), bytes.AsSpan(length), out int written);
                length += written;
            }
            foreach (byte[] part in bytes.AsSpan(0, length).ToArray().Chunk(LongestPiece))
            {
                int word = _words.Count;
                _words.Add(Array.ConvertAll(part, value => idOfByte[value]));
                _lengths.Add(part.Length);
                _counts.Add(count);
                _lastMerge.Add(-1);
                for (int i = 0; i + 1 < part.Length; i++) Count(word, i).Add(word, count);
            }
        }

        private void Merge(Pair pair)
        {
            (int left, int right) = ((int)(pair.Key >> 32), (int)pair.Key);
            string text = Tokens[left] + Tokens[right];
            // Two pairs can make the same text: one token, two merges.
            if (!_idOf.TryGetValue(text, out int made))
            {
                _idOf.Add(text, made = Tokens.Count);
                Tokens.Add(text);
            }
            // A pair that was merged before can come back with a token that is made in two ways; its merge is known.
            if (_merged.Add(pair.Key)) Merges.Add((left, right));
            _steps++;
            foreach (int word in pair.Words)
            {
                if (_lastMerge[word] == _steps) continue;
                _lastMerge[word] = _steps;
                Replace(word, left, right, made);
            }
            _pairs.Remove(pair.Key);
            foreach (Pair changed in _changed) _heap.Enqueue(changed, (changed.Count, changed.Key));
            _changed.Clear();
        }

        /// <summary>Replaces a pair in a word: what stood there is no longer counted, what stands there now is.</summary>
        private void Replace(int word, int left, int right, int made)
        {
            int[] symbols = _words[word];
            int length = _lengths[word];
            long count = _counts[word];
            for (int i = 0; i + 1 < length; i++) Count(word, i).Count -= count;
            int kept = 0;
            for (int i = 0; i < length; kept++)
            {
                bool isPair = i + 1 < length && symbols[i] == left && symbols[i + 1] == right;
                symbols[kept] = isPair ? made : symbols[i];
                i += isPair ? 2 : 1;
            }
            _lengths[word] = kept;
            for (int i = 0; i + 1 < kept; i++)
            {
                Pair now = Count(word, i);
                if (symbols[i] != made && symbols[i + 1] != made)
                {
                    now.Count += count;
                    continue;
                }
                now.Add(word, count);
                _changed.Add(now);
            }
        }

        /// <summary>The pair at a place of a word.</summary>
        private Pair Count(int word, int at)
        {
            ulong key = ((ulong)(uint)_words[word][at] << 32) | (uint)_words[word][at + 1];
            ref Pair? pair = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out _);
            return pair ??= new Pair(key);
        }
    }

    /// <summary>Two neighbours, how often they stand together, and the words that have or had them.</summary>
    private sealed class Pair(ulong key)
    {
        public ulong Key { get; } = key;

        public long Count { get; set; }

        public List<int> Words { get; } = [];

        public void Add(int word, long count)
        {
            Count += count;
            if (Words.Count == 0 || Words[^1] != word) Words.Add(word);
        }
    }

    private sealed class MostFrequent : IComparer<(long Count, ulong Pair)>
    {
        public int Compare((long Count, ulong Pair) x, (long Count, ulong Pair) y) => x.Count != y.Count ? y.Count.CompareTo(x.Count) : x.Pair.CompareTo(y.Pair);
    }
}
